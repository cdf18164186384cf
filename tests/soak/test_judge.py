"""The judge of a soak finds what was done to a house in which all is well."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.entities import Run
from runner.states import Reason
from runner.store import hosts, runs
from tests.support.hosts import eventually
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house
from tests.support.soak_judge import Plan, judge, orphans

pytestmark = pytest.mark.slow
Done = tuple[ScriptedHouse, Run, Path]


@pytest.fixture
def done() -> Iterator[Done]:
    """A run that ended well, and where its program noted what it did."""
    folder = Path(tempfile.mkdtemp(prefix="house"))
    presence = folder / "presence"
    with scripted_house(folder) as scripted:
        presence.mkdir()
        run = scripted.submit(f'presence="{presence}"')
        with scripted.running():
            scripted.wait(run, Reason.COMPLETED)
        eventually(lambda: not orphans([scripted.root]))  # the watch on the host leaves a moment after its runner
        yield scripted, run, presence


def defects(done: Done) -> list[str]:
    scripted, run, presence = done
    plan = Plan(run.id, "plain", frozenset({Reason.COMPLETED}), epochs=3, iterations=5)
    return judge(scripted.house, {run.id: plan}, presence=presence, roots=[scripted.root])


def change(done: Done, statement: str) -> None:
    with done[0].house.store.writing() as db:
        db.conn.execute(statement, {"run": done[1].id})


def started_again(done: Done) -> None:
    starts = done[2] / "starts"
    starts.write_text(starts.read_text() * 2)


def started_by_nobody(done: Done) -> None:
    (done[2] / "starts").write_text("r-none-0/1 1 \n")


def met_another(done: Done) -> None:
    (done[2] / "collisions").write_text("r-1/1 found GPU-0 held by r-2/1\n")


def kept_its_lease(done: Done) -> None:
    with done[0].house.store.writing() as db:
        hosts.lease(db, runs.get(db, done[1].id), HOST, ("cpu:0",), now=done[0].house.now())


def was_never_ended(done: Done) -> None:
    change(done, "UPDATE runs SET state = 'RUNNING', reason = 'WORKING' WHERE id = :run")


def was_ended_twice(done: Done) -> None:
    change(done, "INSERT INTO events (at, kind, run_id, payload) SELECT at, kind, run_id, payload FROM events"
                 " WHERE run_id = :run AND payload LIKE '%COMPLETED%'")


def lost_its_claim(done: Done) -> None:
    (done[0].directory(done[1]) / "claim").unlink()


def ended_otherwise(done: Done) -> None:
    (done[0].directory(done[1]) / "exit").write_text("1\n")


def left_something_out(done: Done) -> None:
    path = done[0].directory(done[1]) / "iterations.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def did_something_twice(done: Done) -> None:
    path = done[0].directory(done[1]) / "iterations.txt"
    path.write_text(path.read_text() * 2)


def was_laid_ahead_and_forgotten(done: Done) -> None:
    (done[0].directory(done[1]).parent / "2").mkdir()


def lacks_some_of_its_log(done: Done) -> None:
    path = done[0].house.settings.logs / f"{done[1].id}-1.log"
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (started_again, "started 2 times"), (started_by_nobody, "no attempt is known of it"), (met_another, "two at once"),
        (kept_its_lease, "still leased"), (was_never_ended, "is lost"), (was_ended_twice, "told 2 times"),
        (lost_its_claim, "no claim"), (ended_otherwise, "its exit says 1"), (left_something_out, "never done"),
        (did_something_twice, "did something twice"), (lacks_some_of_its_log, "the copy of its log has"),
        (was_laid_ahead_and_forgotten, "never cleared away"),
    ],
)  # fmt: skip
def test_harm_is_found(done: Done, harm: Callable[[Done], None], found: str) -> None:
    assert defects(done) == []
    harm(done)
    assert any(found in sentence for sentence in defects(done))
