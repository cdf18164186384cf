"""How long people wait for the answer to ``/train …`` while 20 commands a second arrive and a chatty run is being watched."""

from __future__ import annotations

import itertools
import re
import time
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from runner.states import Reason
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.whole_house import WholeHouse, whole_house

COMMANDS_A_SECOND = 20
SECONDS = 30
LINES_A_SECOND = 10
GOAL_S = 0.1
PEOPLE_AT_ONCE = 20
_RUN_ID = re.compile(r"r-[0-9a-z]{4,}")
WAITING_RUNS = 10
ROUND = ("ps", "show {run}", "why {run}", "queue", "run paced on fish", "ps", "show {run}", "why {run}", "queue", "stop {waiting} --yes")


@dataclass(frozen=True, slots=True)
class Asked:
    """One command, how long its answer took from the moment it was due, and what it said."""

    verb: str
    took_s: float
    said: str


def measure() -> list[Figure]:
    """Send the commands on time, whether or not the ones before were answered, and wait for every answer."""
    with whole_house() as house:
        chatty = house.submit(0, iterations=10_000, step_s=1 / LINES_A_SECOND)
        house.wait(chatty, Reason.WORKING)
        waiting = deque(house.submit(number).id for number in range(1, WAITING_RUNS + 1))
        answers = _all_asked(house, chatty.id, waiting)
        lines = len(house.moments(chatty))
        house.scripted.wait(chatty, Reason.WORKING)
    failed = [asked for asked in answers if not _answered(asked)]
    assert not failed, f"{len(failed)} of {len(answers)} commands were not answered as they should be, first: {failed[0]}"
    assert lines > LINES_A_SECOND * SECONDS / 2, f"the watched run wrote only {lines} lines"
    by_verb = [Figure(f"  {verb}", [asked.took_s for asked in answers if asked.verb == verb]) for verb in sorted({a.verb for a in answers})]
    return [Figure("slash commands, typed to answered", [asked.took_s for asked in answers], "p99", GOAL_S), *by_verb]


def _all_asked(house: WholeHouse, run_id: str, waiting: deque[str]) -> list[Asked]:
    """Ask everything; each run asked for joins those that wait, and each ``stop`` takes the one that waits for longest."""
    began = time.monotonic() + 0.5
    with ThreadPoolExecutor(PEOPLE_AT_ONCE) as people:
        answers: list[Future[Asked]] = []
        for number, line in enumerate(itertools.islice(itertools.cycle(ROUND), COMMANDS_A_SECOND * SECONDS)):
            due = began + number / COMMANDS_A_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            text = line.format(run=run_id, waiting=waiting.popleft() if "{waiting}" in line else "")
            answers.append(people.submit(_ask, house, text, due, waiting))
        return [answer.result() for answer in answers]


def _ask(house: WholeHouse, line: str, due: float, waiting: deque[str]) -> Asked:
    answer = house.person.slash(house.channel, "/train", line)
    asked = Asked(line.split(maxsplit=1)[0], time.monotonic() - due, str((answer or {}).get("text")))
    if asked.verb == "run" and (found := _RUN_ID.search(asked.said)):
        waiting.append(found[0])
    return asked


def _answered(asked: Asked) -> bool:
    """Whether it is the answer meant: each names a run."""
    return _RUN_ID.search(asked.said) is not None


if __name__ == "__main__":
    print(table(measure()))
