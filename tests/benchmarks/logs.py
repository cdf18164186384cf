"""How fast a training's log is read: one megabyte that is nothing but records, by the parser of each framework, on one core.

A real log holds less records and more prose (configurations, tables, progress bars), which is passed over several times as fast.
"""

from __future__ import annotations

import time
from pathlib import Path

from runner.frameworks.known_logs import LOG_PARSERS
from tests.benchmarks.figures import Figure, table

ROUNDS = 25
MEGABYTE = 1_000_000
CHUNK = 64 * 1024
LOGS = {"mmdet3_train_cpu": "mmdet", "mmdet2_train": "mmdet", "m2det_train": "m2det", "tfod_train_dictionary": "tfod"}
CASES = Path(__file__).parents[1] / "cases" / "logs"


def measure() -> list[Figure]:
    """The processor's seconds for one megabyte of each log."""
    return [
        Figure(f"1 MB of records, {case}", [_seconds((CASES / f"{case}.log").read_bytes(), name) for _ in range(ROUNDS)], "median", 0.02)
        for case, name in LOGS.items()
    ]


def _seconds(text: bytes, name: str) -> float:
    parser, data = LOG_PARSERS[name](), text * (MEGABYTE // len(text))
    started = time.process_time()
    found = sum(len(parser.feed(data[at : at + CHUNK])) for at in range(0, len(data), CHUNK))
    taken = time.process_time() - started
    assert found > MEGABYTE / 2000
    return taken * MEGABYTE / len(data)


if __name__ == "__main__":
    print(table(measure()))
