"""What ends a run on two hosts besides the run itself: a limit, a preemption, a person, a failure of one of them. Both end, and what may
go on goes on once, on both."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.demo.processes import marked
from bot.grammar import answer
from runner.entities import Run
from runner.queueing.policy import Policy
from runner.service.runs import request_stop, submit_training
from runner.settings import Limits
from runner.specs import Turn
from runner.states import Reason
from runner.store import events, hosts, runs
from tests.support.clock import with_clock
from tests.support.hosts import eventually
from tests.support.power import cut_power
from tests.support.scripted_house import ScriptedHouse, scripted_house
from tests.support.silence import cut_off
from tests.support.two_hosts import TwoHosts, second_host

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LONG_S = 90.0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    limits = Limits(stop_grace_s=1, retry_delay_s=0.1, heartbeat_timeout_s=15)
    policy = Policy(preempting_priority=1, preemption_grace_s=0.5)
    with (
        scripted_house(Path(tempfile.mkdtemp(prefix="house")), limits=limits, policy=policy) as scripted,
        second_host(scripted, tmp_path_factory.mktemp("second")) as both,
    ):
        yield both


@pytest.fixture(autouse=True)
def nothing_is_left(two: TwoHosts) -> Iterator[None]:
    yield
    assert not hosts.leases(two.scripted.house.store.reading())


def happened(scripted: ScriptedHouse, run: Run, kind: str) -> list[dict[str, object]]:
    return [dict(event.payload) for event in events.of_run(scripted.house.store.reading(), run.id) if event.kind == kind]


def went_on(two: TwoHosts, run: Run) -> None:
    """Both ranks of the second attempt took every step behind the checkpoint that both had."""
    first, second = ([line.split()[:2] for line in two.steps(rank)] for rank in two.ranks(run, 2))
    assert first == second
    assert int(first[0][0]) > 1
    assert not two.left(run)


def test_a_time_limit_is_told_three_times_and_ends_both(two: TwoHosts) -> None:
    scripted, clock = with_clock(two.scripted)
    run = two.submit("step_s=0.2", epochs=100, request="limit", turn=Turn(limit_s=1000))
    with scripted.running():
        scripted.wait(run, Reason.WORKING, timeout_s=LONG_S)
        for count, seconds in enumerate((550, 270, 100), start=1):
            clock.later(timedelta(seconds=seconds))
            told = eventually(lambda count=count: len(told := happened(scripted, run, "time_limit_near")) == count and told)  # type: ignore[misc]
        assert [each["per_cent"] for each in told] == [50, 80, 90]
        clock.later(timedelta(seconds=100))
        seen = scripted.wait(run, Reason.TIME_LIMIT, timeout_s=LONG_S)
    assert "`resume" in seen.run.detail
    assert [rank.fenced for rank in two.ranks(run)] == [True, True]
    assert not two.left(run)


def test_both_give_way_to_a_run_of_higher_priority_and_go_on_once_after_it(two: TwoHosts) -> None:
    low = two.submit("step_s=0.05", "hang_at_epoch=2", request="low")
    with two.scripted.running():
        two.scripted.wait_until(low, lambda view: len(view.checkpoints) > 1, timeout_s=LONG_S)
        high = submit_training(two.scripted.house, two.scripted.who("high"), preset="quick", dataset="fish", turn=Turn(priority=1))
        two.scripted.wait(high, Reason.COMPLETED, timeout_s=LONG_S)
        done = two.scripted.wait(low, Reason.COMPLETED, timeout_s=LONG_S)
    assert done.run.attempt == 2
    assert [event["for_run"] for event in happened(two.scripted, low, "preempting")] == [high.id]
    assert [event["reason"] for event in happened(two.scripted, low, "state")].count("PREEMPTED") == 1
    went_on(two, low)


def test_a_stop_while_one_cannot_be_reached_ends_the_other_at_once_and_that_one_when_it_is_back(two: TwoHosts) -> None:
    run = two.submit("step_s=0.2", epochs=100, request="stop")
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.progress is not None, timeout_s=LONG_S)
        cut_off(two.sshd)
        two.scripted.wait(run, Reason.UNREACHABLE, timeout_s=LONG_S)
        request_stop(two.scripted.house, two.scripted.who("stop it"), run.id)
        first, second = two.ranks(run)
        eventually(lambda: two.ranks(run)[0].fenced, LONG_S)
        assert not marked(first.marker)
        seen = two.scripted.view(run)
        assert (seen.run.reason, {lease.host for lease in seen.devices}) == (Reason.UNREACHABLE, {"gpu-1", "gpu-2"})
        assert "gpu-2" in seen.run.detail
        two.sshd.restart()
        two.scripted.wait(run, Reason.BY_USER, timeout_s=LONG_S)
    assert [rank.fenced for rank in two.ranks(run)] == [True, True]
    assert not marked(second.marker)


def test_retry_of_what_was_stopped_goes_on_on_both(two: TwoHosts) -> None:
    run = two.submit("step_s=0.1", epochs=4, request="stopped early")
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.checkpoints, timeout_s=LONG_S)
        request_stop(two.scripted.house, two.scripted.who("stop early"), run.id)
        two.scripted.wait(run, Reason.BY_USER, timeout_s=LONG_S)
        said = answer(two.scripted.house, two.scripted.who("retry"), f"retry {run.id}")
        assert said.ok, said.text
        [again] = [each for each in runs.live(two.scripted.house.store.reading()) if each.parent_id == run.id]
        two.scripted.wait(again, Reason.COMPLETED, timeout_s=LONG_S)
    first, second = two.ranks(again)
    assert (first.host, second.host) == ("gpu-1", "gpu-2")
    assert [line.split()[:2] for line in two.steps(first)] == [line.split()[:2] for line in two.steps(second)]
    assert int(two.steps(first)[0].split()[0]) > 1, "from its checkpoint"


@pytest.mark.parametrize("said", [
    "NCCL error in: ProcessGroupNCCL.cpp:859, unhandled system error, NCCL version 2.7.8",
    "CUDA error: uncorrectable ECC error encountered",
])  # fmt: skip
def test_what_may_pass_is_tried_again_on_both_from_their_checkpoint(two: TwoHosts, said: str) -> None:
    run = two.submit("step_s=0.05", "fail_at_epoch=2", "failing_rank=1", f'message="{said}"', request=said)
    with two.scripted.running():
        done = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    assert done.run.attempt == 2
    assert len(happened(two.scripted, run, "attempt_failed")) == 1
    went_on(two, run)


def test_what_would_fail_again_is_not_tried_again(two: TwoHosts) -> None:
    said = 'message="CUDA out of memory. Tried to allocate 2.00 GiB"'
    run = two.submit("step_s=0.05", "fail_at_epoch=1", "failing_rank=1", said, request="oom")
    with two.scripted.running():
        failed = two.scripted.wait(run, Reason.OUT_OF_MEMORY, timeout_s=LONG_S)
    assert failed.run.attempt == 1
    assert failed.run.detail.startswith("On gpu-2: ")


@pytest.mark.parametrize("which", [0, 1])
def test_a_host_whose_power_fails_takes_both_along_and_both_go_on(two: TwoHosts, which: int) -> None:
    run = two.submit("step_s=0.3", request=f"power {which}")
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.checkpoints, timeout_s=LONG_S)
        cut_power(two.ranks(run)[which])
        done = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    assert done.run.attempt == 2
    assert [event["reason"] for event in happened(two.scripted, run, "attempt_failed")] == ["LOST"]
    went_on(two, run)


def test_what_the_launch_line_refuses_ends_the_run_with_its_reason_and_is_not_asked_for_ever(two: TwoHosts) -> None:
    run = two.submit("unfit=\"no launch line\"", request="unfit")
    with two.scripted.running():
        seen = two.scripted.wait(run, Reason.BAD_SPEC, timeout_s=LONG_S)
    assert seen.run.detail == "no launch line"
    assert [rank.claimed_at for rank in two.ranks(run)] == [None, None]
