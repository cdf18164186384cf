"""Turns on a real host: limits, preemption, holding, moving, dependencies and locks, as they come to the runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.entities import Run
from runner.errors import NotAllowedError, RequestError
from runner.queueing.policy import Policy
from runner.service import queue
from runner.service.runs import request_stop, submit_training
from runner.settings import Role, load_settings
from runner.specs import Overrides, Turn
from runner.states import Reason
from runner.store import events
from tests.support.clock import with_clock
from tests.support.hosts import eventually
from tests.support.scripted_house import ScriptedHouse, scripted_house

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScriptedHouse]:
    with scripted_house(tmp_path) as opened:
        policy = Policy(preempting_priority=1, preemption_grace_s=20)
        settings = opened.house.settings.model_copy(update={"queue": policy})
        yield replace(opened, house=replace(opened.house, settings=settings))


def submit(house: ScriptedHouse, *options: str, person: str = "U1", turn: Turn = Turn()) -> Run:
    who = house.who(person=person)
    return submit_training(house.house, who, preset="quick", dataset="fish", overrides=Overrides(options=options), turn=turn)


def happened(house: ScriptedHouse, run: Run, kind: str) -> list[dict[str, object]]:
    return [dict(event.payload) for event in events.of_run(house.house.store.reading(), run.id) if event.kind == kind]


def test_a_time_limit_ends_a_run_with_notice(house: ScriptedHouse) -> None:
    house, clock = with_clock(house)
    run = submit(house, "step_s=0.3", "epochs=40", turn=Turn(limit_s=1000))
    with house.running():
        house.wait(run, Reason.WORKING)
        for count, seconds in enumerate((550, 270, 100), start=1):
            clock.later(timedelta(seconds=seconds))
            told = eventually(lambda count=count: len(told := happened(house, run, "time_limit_near")) == count and told)  # type: ignore[misc]
        assert [each["per_cent"] for each in told] == [50, 80, 90]
        clock.later(timedelta(seconds=100))
        ended = house.wait(run, Reason.TIME_LIMIT)
    assert "`resume" in ended.run.detail


def test_a_run_of_higher_priority_takes_the_device_after_a_checkpoint_and_gives_it_back(house: ScriptedHouse) -> None:
    low = submit(house, "step_s=0.2", "epochs=8")
    with house.running():
        house.wait(low, Reason.WORKING)
        high = submit(house, person="U2", turn=Turn(priority=1))
        house.wait(low, Reason.PREEMPTED, Reason.WAITING_FOR_GPU)
        house.wait(high, Reason.COMPLETED)
        done = house.wait(low, Reason.COMPLETED)

    assert happened(house, low, "preempting")[0]["for_run"] == high.id
    assert done.run.attempt == 2
    epochs = [int(line.split()[0]) for line in (house.directory(low, 2) / "iterations.txt").read_text().splitlines()]
    assert min(epochs) > 1, "it went on from its checkpoint"
    assert done.run.preempted_for is None


def test_held_moved_and_awaited_runs_start_when_they_may(house: ScriptedHouse) -> None:
    first = submit(house, "step_s=0.2")
    after = submit(house, turn=Turn(after=(first.id,)))
    held = submit(house)
    queue.hold(house.house, house.who(), held.id)
    with house.running():
        house.wait(first, Reason.WORKING)
        assert first.id in house.wait(after, Reason.WAITING_FOR_RUN).run.detail
        assert "release" in house.wait(held, Reason.HELD).run.detail
        house.wait(after, Reason.COMPLETED)
        queue.release(house.house, house.who(), held.id)
        house.wait(held, Reason.COMPLETED)
    assert house.view(first).run.reason is Reason.COMPLETED


def test_what_was_moved_to_the_front_goes_next(house: ScriptedHouse) -> None:
    working = submit(house, "step_s=60")
    with house.running():
        house.wait(working, Reason.WORKING)  # of several, whichever is prepared first would start
        second, third = submit(house), submit(house)
        for waiting in (second, third):
            house.wait(waiting, Reason.WAITING_FOR_GPU)
        assert list(queue.places(house.house)) == [second.id, third.id]
        queue.move(house.house, house.who(), third.id, to_front=True)
        assert list(queue.places(house.house)) == [third.id, second.id]
        request_stop(house.house, house.who("stop"), working.id)
        house.wait(second, Reason.COMPLETED)
    ended = [house.view(run).run.started_at for run in (working, third, second)]
    assert ended == sorted(ended)  # type: ignore[type-var]


def test_a_lock_keeps_new_runs_away_until_it_is_given_back(house: ScriptedHouse) -> None:
    with house.running():
        first = submit(house)
        house.wait(first, Reason.COMPLETED)
        queue.lock(house.house, house.who(person="U2"), host="gpu-1", devices=(), lasts=timedelta(hours=4), reason="debugging")
        run = submit(house)
        assert "locked by U2" in house.wait(run, Reason.WAITING_FOR_GPU).run.detail
        with pytest.raises(NotAllowedError):
            queue.unlock(house.house, house.who(role=Role.MEMBER), host="gpu-1")
        with pytest.raises(RequestError, match="locked by U2"):
            queue.lock(house.house, house.who(), host="gpu-1", devices=("cpu:0",), lasts=timedelta(hours=1), reason="")
        queue.unlock(house.house, house.who(), host="gpu-1")
        house.wait(run, Reason.COMPLETED)


def test_a_drained_host_takes_nothing_new(house: ScriptedHouse) -> None:
    queue.drain(house.house, house.who(), "gpu-1", drained=True)
    run = submit(house)
    with house.running():
        assert house.wait(run, Reason.WAITING_FOR_HOST)
        queue.drain(house.house, house.who(), "gpu-1", drained=False)
        house.wait(run, Reason.COMPLETED)


def test_a_lock_that_has_expired_is_forgotten_its_owner_told_and_what_waited_for_it_starts(house: ScriptedHouse) -> None:
    house, clock = with_clock(house)
    with house.running():
        house.wait(submit(house), Reason.COMPLETED)
        queue.lock(house.house, house.who(person="U2"), host="gpu-1", devices=("cpu:0",), lasts=timedelta(hours=4), reason="debugging")
        run = submit(house)
        house.wait(run, Reason.WAITING_FOR_GPU)
        [place] = queue.places(house.house).values()
        assert [(lock.place, lock.owner, lock.reason) for lock in place.locks] == [("gpu-1:0", "U2", "debugging")]
        clock.later(timedelta(hours=4))
        house.wait(run, Reason.COMPLETED)
    [told] = [event for event in events.after(house.house.store.reading(), 0) if event.kind == "lock_expired"]
    assert (told.payload["owner"], told.payload["lock"], told.payload["channel"]) == ("U2", "gpu-1:0", "C1")


def test_quotas_of_the_settings_file_keep_a_persons_and_a_channels_runs_apart(tmp_path: Path) -> None:
    file = tmp_path / "signalbox.yaml"
    file.write_text("queue: {person_gpus: 1, channel_gpus: 2}\n")
    with scripted_house(tmp_path / "house", slots=4) as opened:
        settings = opened.house.settings.model_copy(update={"queue": load_settings(file, {}).queue})
        house = replace(opened, house=replace(opened.house, settings=settings))
        with house.running():
            first = submit(house, "step_s=60")
            house.wait(first, Reason.WORKING)
            second, other, third = submit(house), submit(house, "step_s=60", person="U2"), submit(house, person="U3")
            own = house.wait(second, Reason.WAITING_FOR_QUOTA).run.detail
            assert own.startswith(f"The quota of U1 is 1 device at a time, and {first.id} holds 1")
            house.wait(other, Reason.WORKING)
            channel = house.wait_until(third, lambda seen: "C1" in seen.run.detail).run
            assert channel.reason is Reason.WAITING_FOR_QUOTA and channel.detail.startswith("The quota of C1 is 2 devices at a time")
            with pytest.raises(RequestError, match="more than a person may hold at a time"):
                submit_training(house.house, house.who(), preset="quick", dataset="fish", gpus=2)
            request_stop(house.house, house.who("stop"), first.id)
            house.wait(second, Reason.COMPLETED)
            house.wait(third, Reason.COMPLETED)
            request_stop(house.house, house.who("stop"), other.id)
            house.wait(other, Reason.BY_USER)
