"""From a line in a training's log on the host to the edited card seen in the workspace."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping

from runner.entities import Run
from runner.states import Reason
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.whole_house import WholeHouse, whole_house

GOAL_S = 2.0
SPACED_LINES, SPACED_S = 20, 3.0
STREAM_LINES, STREAM_S = 200, 0.1
_AT = re.compile(r"iteration ([\d,]+) of [\d,]+")


def measure() -> list[Figure]:
    """Two runs: lines further apart than a card's own pace, and a stream that is faster."""
    with whole_house() as house:
        spaced = _latencies(house, house.submit(1, iterations=SPACED_LINES, step_s=SPACED_S, jitter=0.2), SPACED_LINES - 1)
        stream = _latencies(house, house.submit(2, iterations=STREAM_LINES, step_s=STREAM_S), STREAM_LINES - 40)
    return [
        Figure(f"log line to card, a line every {SPACED_S:.0f} s", spaced, "median", GOAL_S),
        Figure(f"log line to card, {1 / STREAM_S:.0f} lines a second (the card's pace is 2 s)", stream),
    ]


def _latencies(house: WholeHouse, run: Run, lines: int) -> list[float]:
    """Of the first ``lines`` lines: how long after it was written the card showed it or a later one.

    A run's very first lines are left out: its card goes from state to state then, and those edits come before all others.
    """
    house.wait(run, Reason.WORKING)
    seen = _seen_until(house, run, lines)
    written = house.moments(run)
    first = min(seen)
    return [min(at for shown, at in seen.items() if shown >= line) - written[str(line)] for line in range(first + 1, lines + 1)]


def _seen_until(house: WholeHouse, run: Run, last: int) -> Mapping[int, float]:
    """When each iteration that the card showed was first seen there."""
    seen: dict[int, float] = {}
    while not seen or max(seen) < last:
        shown = house.person.wait_for(lambda: _newer(house, run, max(seen, default=0)), timeout_s=60, what="the card's next edit")
        seen[shown] = time.time()
    return seen


def _newer(house: WholeHouse, run: Run, than: int) -> int | None:
    text = next((str(message["text"]) for message in house.person.messages(house.channel) if run.id in str(message.get("text"))), "")
    found = _AT.search(text)
    shown = int(found[1].replace(",", "")) if found else 0
    return shown if shown > than else None


if __name__ == "__main__":
    print(table(measure()))
