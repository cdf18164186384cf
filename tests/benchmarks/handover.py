"""From the end of one run to the start of the next on the one CPU slot of a host over ssh, by the host's own clock."""

from __future__ import annotations

import time
from itertools import pairwise

from runner.entities import Run
from runner.states import Reason
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.whole_house import WholeHouse, whole_house
from tests.support.slack_house import until

HANDOVERS = 20
FIRST_S, EACH_S = 8.0, 2.0
"""Each long enough that the shells kept ready on the host are there again before the next start, as between any trainings."""
GOAL_S = 0.5


def measure() -> list[Figure]:
    """Queue runs behind a longer one, let them be prepared, and look at every change of runs."""
    with whole_house() as house:
        queue = [house.submit(0, step_s=FIRST_S)]
        house.wait(queue[0], Reason.WORKING)
        queue += [house.submit(number, step_s=EACH_S) for number in range(1, HANDOVERS + 1)]
        until(lambda: all(house.scripted.view(run).run.prepared for run in queue), timeout_s=60, what="the runs' preparation")
        prepared_at = time.time()
        house.wait(queue[-1], Reason.COMPLETED, timeout_s=120)
        # By when they ran: those submitted in one instant may start in any order.
        ran = sorted(queue, key=lambda run: house.moments(run)["start"])
        # On a busy machine the first may end while others are still being prepared, and these acts come first.
        changes = [(before, after) for before, after in pairwise(ran) if _ended(house, before) > prepared_at]
        return [
            Figure("one run's exit written to the next one's claim", [_claimed(house, b) - _ended(house, a) for a, b in changes]),
            Figure(
                "one program's last act to the next one's first",
                [house.moments(b)["start"] - house.moments(a)["end"] for a, b in changes], "median", GOAL_S,
            ),
        ]


def _ended(house: WholeHouse, run: Run) -> float:
    return (house.scripted.directory(run) / "exit").stat().st_mtime


def _claimed(house: WholeHouse, run: Run) -> float:
    return (house.scripted.directory(run) / "claim").lstat().st_mtime


if __name__ == "__main__":
    print(table(measure()))
