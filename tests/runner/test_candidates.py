"""Of the runs that wait, only those are looked at again of which something may have changed; small changes of rows go together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from runner.decisions import HostFacts
from runner.entities import Run
from runner.kinds.base import Needs
from runner.placing import together
from runner.queue_scene import Candidate, Candidates, Found
from runner.states import Reason
from runner.store import runs
from tests.support.run_rows import host_value, house_in, run_value, submitted

FACTS = [HostFacts(host_value(), connected=True)]


class Looking:
    """Finds every run a candidate, and notes which it was asked about; those of ``restless`` have to be asked about always."""

    def __init__(self, *restless: str) -> None:
        self.asked: list[str] = []
        self._restless = restless

    def __call__(self, run: Run) -> Found:
        self.asked.append(run.id)
        return Found(Candidate(run, ("gpu-1",), Needs(None, 1)), holds=run.id not in self._restless)


def looked_at(candidates: Candidates, live: Sequence[Run], facts: Sequence[HostFacts], *restless: str) -> list[str]:
    look = Looking(*restless)
    assert [each.run for each in candidates.among(live, facts, look)] == list(live)
    return look.asked


def test_only_what_changed_is_looked_at_again() -> None:
    candidates, live = Candidates(), [run_value(number) for number in range(4)]
    assert looked_at(candidates, live, FACTS, "r-3") == ["r-0", "r-1", "r-2", "r-3"]
    assert looked_at(candidates, live, list(FACTS), "r-3") == ["r-3"]
    live[1] = replace(live[1], priority=5)
    assert looked_at(candidates, live, FACTS) == ["r-1", "r-3"]
    assert looked_at(candidates, live, FACTS) == []


@pytest.mark.parametrize("change", [lambda facts: replace(facts, connected=False), lambda facts: replace(facts, building="r-9")])
def test_when_a_host_changes_all_are_looked_at_again(change: Callable[[HostFacts], HostFacts]) -> None:
    candidates, live = Candidates(), [run_value(number) for number in range(3)]
    looked_at(candidates, live, FACTS)
    assert looked_at(candidates, live, [change(FACTS[0])]) == ["r-0", "r-1", "r-2"]


def test_changes_that_go_together_break_alone(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    three, broke = [submitted(house) for _ in range(3)], []

    def change(run: Run) -> None:
        with house.store.writing() as db:
            runs.transition(db, run, Reason.WAITING_FOR_GPU, now=house.now())
            if run is three[1]:
                raise ZeroDivisionError

    def guard(step: Callable[[], None], *, about: str) -> None:
        try:
            step()
        except ZeroDivisionError:
            broke.append(about)

    together(house.store, guard, [(run.id, lambda run=run: change(run)) for run in three])  # type: ignore[misc]
    reasons = [runs.get(house.store.reading(), run.id).reason for run in three]
    assert reasons == [Reason.WAITING_FOR_GPU, Reason.SUBMITTED, Reason.WAITING_FOR_GPU]
    assert broke == [three[1].id]
