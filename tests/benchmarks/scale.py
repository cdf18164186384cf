"""What a queue of thousands costs: a pass of the runner, and the answers of commands, on 20 hosts with 160 GPUs. By processor time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from itertools import count

from prometheus_client import CollectorRegistry, generate_latest

from bot.answer import Answer
from bot.app import COLLECT_AFTER
from bot.grammar import answer
from bot.home import home_of, overview
from runner.entities import Place
from runner.loop import Runner
from runner.service.figures import Figures
from runner.service.house import House, Requester
from runner.settings import Role
from runner.store import runs
from tests.benchmarks.figures import Figure, table
from tests.benchmarks.large_house import FIRST_IN_QUEUE, LAST_IN_QUEUE, PEOPLE, connected, large_house

SIZES = (1_000, 3_000, 10_000)
HISTORY = 100_000
TIMES, REST_S = 15, 3.0
PASS_S, ANSWER_S = 0.1, 0.2
COMMANDS = ("queue", f"why {FIRST_IN_QUEUE}", f"why {LAST_IN_QUEUE}", "ps", "top")


def measure() -> list[Figure]:
    """Passes at three sizes of the queue; commands at the largest, with a long history."""
    figures = []
    for queued in SIZES:
        with large_house(queued=queued) as house:
            figures += _passes(house, queued)
    with large_house(queued=SIZES[-1], history=HISTORY) as house:
        figures += [*_passes(house, SIZES[-1], f", {HISTORY:,} ended"), *_answers(house)]
    return figures


def _passes(house: House, queued: int, also: str = "") -> Iterator[Figure]:
    runner, size = Runner(house), f"{queued:,} queued{also}"
    try:
        runner.tick([])
        yield Figure(f"the first pass, {size}", [_cost(lambda: runner.tick([*connected()]))])
        yield Figure(f"a pass without news, 100 running, {size}", [_cost(lambda: runner.tick([])) for _ in range(TIMES)])
        yield Figure(f"a pass that decides, 100 running, {size}", [_decided(house, runner, at) for at in range(TIMES)], "median", PASS_S)
    finally:
        runner.close()


def _decided(house: House, runner: Runner, number: int) -> float:
    """A run of the queue gets another priority. Nothing but such changes takes no more than a share of the time, hence the rest."""
    time.sleep(REST_S)
    with house.store.writing() as db:
        runs.move(db, runs.get(db, FIRST_IN_QUEUE), priority=number % 2, queue_place=None, now=house.now(), actor=PEOPLE[0])
    return _cost(lambda: runner.tick([]))


def _answers(house: House) -> Iterator[Figure]:
    """The first answer reads everything; those behind it what has changed. Cycles are looked for as seldom as the bot does."""
    gc.set_threshold(COLLECT_AFTER)
    numbers = count()

    def ask(line: str) -> float:
        who = Requester(PEOPLE[0], Role.OPERATOR, "terminal", f"bench-{next(numbers)}", Place("C1"))
        return _cost(lambda: _said(answer(house, who, line)))

    yield Figure("the first `queue` of a process", [ask("queue")])
    for line in COMMANDS:
        yield Figure(f"`{line}`", [ask(line) for _ in range(TIMES)], "median", ANSWER_S)
    seen = [_cost(lambda: home_of(house, PEOPLE[0], overview(house))) for _ in range(TIMES)]
    yield Figure("Home, read for all and made for one", seen, "median", ANSWER_S)
    figures = CollectorRegistry()
    figures.register(Figures(house))
    yield Figure("a scrape of /metrics", [_cost(lambda: generate_latest(figures)) for _ in range(TIMES)], "median", ANSWER_S)


def _said(given: Answer) -> None:
    assert given.ok, given.text


def _cost(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began


if __name__ == "__main__":
    print(table(measure()))
