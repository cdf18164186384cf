"""The next attempts are laid before a device is free: a start takes nothing more, nothing starts for it, and nothing depends on it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from runner.entities import Environment, Run
from runner.loop import Runner
from runner.service.runs import request_stop
from runner.service.views import history
from runner.states import Reason
from runner.store import attempts, hosts
from runner.store import laid as laid_rows
from tests.support.hosts import eventually
from tests.support.runner_process import runner_process
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house

LONG = ("step_s=60",)
OTHER = "gpu-2"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScriptedHouse]:
    with scripted_house(tmp_path) as opened:
        yield opened


def laid(house: ScriptedHouse, runner: Runner, run: Run) -> Path:
    """Where a run's next attempt lies, once the runner knows that it does."""
    eventually(lambda: runner._links[HOST].ahead.ready(house.view(run).run), 30)
    return house.directory(run)


def working(house: ScriptedHouse) -> Run:
    """A run that holds the one device."""
    run = house.submit(*LONG)
    house.wait(run, Reason.WORKING)
    return run


def seen(house: ScriptedHouse) -> datetime | None:
    """When the host was last heard."""
    return hosts.get(house.house.store.reading(), HOST).seen_at


def rows(house: ScriptedHouse) -> list[tuple[str, str]]:
    """What is written down of directories laid ahead."""
    return [(row["host"], row["run_id"]) for row in house.house.store.reading().conn.execute("SELECT host, run_id FROM laid")]


def end(house: ScriptedHouse, run: Run) -> None:
    request_stop(house.house, house.who("end"), run.id)


def reasons(house: ScriptedHouse, run: Run) -> list[object]:
    return [event.payload["reason"] for event in history(house.house, run.id) if event.kind == "state"]


def trained(house: ScriptedHouse, run: Run) -> int:
    """How many processes have trained it."""
    return len({line.split()[2] for line in (house.directory(run) / "iterations.txt").read_text().splitlines()})


def test_who_waits_is_laid_ahead_and_starts_from_what_lies_there(house: ScriptedHouse) -> None:
    with house.running() as runner:
        first, run = working(house), house.submit()
        directory = laid(house, runner, run)
        assert house.view(run).run.reason is Reason.WAITING_FOR_GPU
        assert house.view(run).attempt is None
        assert not (directory / "claim").is_symlink()
        lies, seen_at = (directory / "launch.sh").stat().st_ino, seen(house)
        eventually(lambda: seen(house) != seen_at, 30)  # that the host is heard again changes nothing
        end(house, first)
        house.wait(run, Reason.COMPLETED)
    assert (directory / "launch.sh").stat().st_ino == lies, "it was not laid again"
    assert "STAGING" not in reasons(house, run)
    assert trained(house, run) == 1


def test_who_is_stopped_after_it_was_laid_never_starts(house: ScriptedHouse) -> None:
    with house.running() as runner:
        first, run, last = working(house), house.submit(), house.submit()
        directory = laid(house, runner, run)
        end(house, run)
        house.wait(run, Reason.BY_USER)
        end(house, first)
        house.wait(last, Reason.COMPLETED)
        assert runner._links[HOST].ahead.ready(run) is None
        eventually(lambda: not directory.exists(), 30)
        eventually(lambda: rows(house) == [], 30)
    assert trained(house, last) == 1


def test_who_finds_room_on_another_host_starts_there_alone(house: ScriptedHouse) -> None:
    other = replace(hosts.get(house.house.store.reading(), HOST), name=OTHER, root=str(house.root.parent / "other root"))
    with house.running() as runner:
        first, run = working(house), house.submit()
        directory = laid(house, runner, run)
        with house.house.store.writing() as db:
            hosts.put(db, other)
            known = hosts.environments(db, host=HOST)[0]
            hosts.put_environment(db, replace(known, host=OTHER))
        done = house.wait(run, Reason.COMPLETED)
        assert done.run.host == OTHER
        eventually(lambda: not directory.exists(), 30)
        end(house, first)
        house.wait(first, Reason.BY_USER)
    assert rows(house) == []
    assert (Path(other.root) / "runs" / directory.parent.name / "1" / "claim").is_symlink()


def test_what_a_runner_that_died_had_laid_is_cleared_away_by_the_next(house: ScriptedHouse) -> None:
    with runner_process(house.house.settings) as first:
        before = working(house)
        run = house.submit()
        eventually((house.directory(run) / "launch.sh").exists, 30)
        first.kill()
        first.wait(10)
    end(house, run)
    assert rows(house) == [(HOST, run.id)]
    with house.running():
        house.wait(run, Reason.BY_USER)
        eventually(lambda: not house.directory(run).exists(), 30)
        end(house, before)
        house.wait(before, Reason.BY_USER)
    assert rows(house) == []
    assert house.directory(before).exists()


def test_what_somebody_claimed_is_never_cleared_away(house: ScriptedHouse) -> None:
    """A database that was restored from a backup knows of a directory laid ahead, and of no attempt in it."""
    with house.running():
        done = house.wait(house.submit(), Reason.COMPLETED).run
    with house.house.store.writing() as db:
        db.conn.execute("DELETE FROM attempts")
        laid_rows.note(db, attempts.on(done, number=1, host=HOST, root=str(house.root), now=house.house.now()))
    with house.running():
        eventually(lambda: rows(house) == [], 30)
    assert trained(house, done) == 1


def test_what_began_in_a_folder_that_two_hosts_share_is_left_alone(house: ScriptedHouse) -> None:
    with house.running():
        done = house.wait(house.submit(), Reason.COMPLETED).run
        with house.house.store.writing() as db:
            laid_rows.note(db, attempts.on(done, number=1, host=OTHER, root=str(house.root), now=house.house.now()))
        eventually(lambda: rows(house) == [], 30)
    assert house.directory(done).exists()


def test_what_was_cleared_away_is_laid_again(house: ScriptedHouse) -> None:
    with house.running() as runner:
        first, run = working(house), house.submit()
        shutil.rmtree(laid(house, runner, run).parent)
        end(house, first)
        house.wait(run, Reason.COMPLETED)
    assert trained(house, run) == 1


def test_what_was_laid_for_another_environment_is_laid_again(house: ScriptedHouse) -> None:
    with house.running() as runner:
        first, run = working(house), house.submit()
        directory = laid(house, runner, run)
        with house.house.store.writing() as db:
            known = hosts.environments(db, host=HOST)[0]
            hosts.put_environment(db, changed(known))
        end(house, first)
        house.wait(run, Reason.COMPLETED)
    assert "SET_SINCE" in (directory / "command.sh").read_text()
    assert "STAGING" in reasons(house, run)


def changed(known: Environment) -> Environment:
    """The same code and fingerprint, started in another way."""
    return replace(known, variables={"SET_SINCE": "yes"})
