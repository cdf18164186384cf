"""A training program for measurements: writes lines in MMDetection's grammar and notes in ``moments`` when, by this host's clock.

A moment is ``start``, an iteration or ``end``, and the time just before it showed, so that every latency is rather too long than too short.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path


def main() -> None:
    with Path("moments").open("a", buffering=1) as moments:
        moments.write(f"start {time.time():.6f}\n")
        scenario = json.loads(Path(sys.argv[1]).read_text())
        paces = random.Random(1)
        for iteration in range(1, scenario["iterations"] + 1):
            time.sleep(scenario["step_s"] * (1 + scenario["jitter"] * paces.uniform(-1, 1)))
            line = (
                f"{time.strftime('%Y/%m/%d %H:%M:%S')} - mmengine - INFO - Epoch(train)  [1][{iteration}/{scenario['iterations']}]  "
                f"lr: 1.0000e-02  eta: 0:00:10  time: 0.1000  data_time: 0.0010  loss: {1 / iteration:.4f}"
            )
            moments.write(f"{iteration} {time.time():.6f}\n")
            print(line, flush=True)
        moments.write(f"end {time.time():.6f}\n")


if __name__ == "__main__":
    main()
