"""A training program that does what its scenario says, in the log grammar of MMDetection 3: the runner's tests train with it.

Started like ``train.py``: ``program.py config.py --work-dir DIR [--resume CHECKPOINT]``. The config is the scenario as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from presence import note_presence


def say(text: str) -> None:
    print(f"{time.strftime('%Y/%m/%d %H:%M:%S')} - mmengine - INFO - {text}", flush=True)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("config", type=Path)
    arguments.add_argument("--work-dir", type=Path, required=True)
    arguments.add_argument("--resume", type=Path)
    given = arguments.parse_args()
    scenario = json.loads(given.config.read_text())
    given.work_dir.mkdir(exist_ok=True)
    held = note_presence(Path(scenario["presence"])) if scenario.get("presence") else []
    if scenario.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if scenario.get("child"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True, pass_fds=held)
    first = json.loads(given.resume.read_text())["epoch"] + 1 if given.resume else 1
    return train(scenario, given.work_dir, first)


def train(scenario: dict, work_dir: Path, first: int) -> int:
    epochs, iterations, step_s = scenario["epochs"], scenario["iterations"], scenario["step_s"]
    for epoch in range(first, epochs + 1):
        for iteration in range(1, iterations + 1):
            time.sleep(step_s)
            left = ((epochs - epoch) * iterations + iterations - iteration) * step_s
            loss = 2.0 / ((epoch - 1) * iterations + iteration)
            say(f"Epoch(train)  [{epoch}][{iteration:>2}/{iterations}]  lr: {scenario['lr']:.4e}  eta: 0:00:{int(left) % 60:02d}  "
                f"time: {step_s:.4f}  data_time: 0.0010  loss: {loss:.4f}")
            with Path("iterations.txt").open("a") as sequence:
                sequence.write(f"{epoch} {iteration} {os.getpid()}\n")
        say(f"Saving checkpoint at {epoch} epochs")
        (work_dir / f"epoch_{epoch}.pth").write_text(json.dumps({"epoch": epoch, "epochs": epochs, "lr": scenario["lr"]}))
        ap = min(0.9, 0.2 * epoch)
        say(f"Epoch(val) [{epoch}][2/2]    coco/bbox_mAP: {ap:.4f}  coco/bbox_mAP_50: {min(1.0, ap + 0.1):.4f}  "
            "coco/bbox_mAP_75: -1.0000  data_time: 0.0010  time: 0.0020")
        if scenario.get("fail_at_epoch") == epoch and first == 1:
            raise RuntimeError(scenario.get("message", "the scenario says so"))
        if scenario.get("die_at_epoch") == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
    return int(scenario.get("exit_code", 0))


if __name__ == "__main__":
    sys.exit(main())
