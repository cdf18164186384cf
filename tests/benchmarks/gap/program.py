"""``program.py CONFIG`` only notes when it began and ended, by this host's clock in ns; the config is JSON with ``step_s``."""

import time

began = time.time_ns()

import json  # noqa: E402 - what comes before the first note counts as idle
import sys  # noqa: E402

with open(sys.argv[1], encoding="utf-8") as config:  # noqa: PTH123 - pathlib takes its time
    step_s = json.load(config)["step_s"]
time.sleep(step_s)
with open("moments", "w", encoding="ascii") as moments:  # noqa: PTH123
    moments.write(f"{began} {time.time_ns()}\n")
