"""A program that only notes when it began and ended, by this host's clock in ns: ``program.py CONFIG``; the config is JSON with ``step_s``."""

import time

began = time.time_ns()

import json  # noqa: E402 - what comes before the first note counts as idle
import sys  # noqa: E402

with open(sys.argv[1], encoding="utf-8") as config:
    step_s = json.load(config)["step_s"]
time.sleep(step_s)
with open("moments", "w", encoding="ascii") as moments:
    moments.write(f"{began} {time.time_ns()}\n")
