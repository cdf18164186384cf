"""Runs on two hosts, over two real sshd, with a scripted program whose ranks take every step together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.processes import marked
from runner.errors import RequestError
from runner.service.hosts import Wish, where_to_run
from runner.service.runs import request_stop, submit_training
from runner.service.views import history, log_tail
from runner.states import Reason
from runner.store import hosts
from tests.support.scripted_house import ScriptedHouse
from tests.support.silence import cut_off
from tests.support.two_hosts import TwoHosts, second_host

pytestmark = pytest.mark.timeout(300)
LONG_S = 90.0


@pytest.fixture
def two(scripted: ScriptedHouse, tmp_path: Path) -> Iterator[TwoHosts]:
    with second_host(scripted, tmp_path / "second") as both:
        yield both


def test_a_run_on_two_hosts_trains_on_both_and_has_the_evidence_of_both(two: TwoHosts) -> None:
    run = two.submit()
    with two.scripted.running():
        seen = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    first, second = two.ranks(run)
    assert (first.host, second.host) == ("gpu-1", "gpu-2")
    assert [rank.exit_code for rank in (first, second)] == [0, 0]
    assert [len(two.steps(rank)) for rank in (first, second)] == [15, 15]
    assert Path(second.directory).is_relative_to(two.root)
    assert [point.epoch for point in seen.epoch_ends] == [1, 2, 3]
    assert [checkpoint.name for _, checkpoint in seen.checkpoints] == ["epoch_1.pth", "epoch_2.pth", "epoch_3.pth"]
    states = [event.payload["reason"] for event in history(two.scripted.house, run.id) if event.kind == "state"]
    of_a_busy_machine = ("WAITING_FOR_HOST", "UNREACHABLE")
    assert [each for each in states if each not in of_a_busy_machine] == [
        "SUBMITTED", "PREPARING", "STAGING", "LAUNCHING", "WORKING", "COMPLETED",
    ]
    for rank in (first, second):
        mirrored = two.scripted.house.settings.logs / rank.log_name
        assert mirrored.read_bytes() == (Path(rank.directory) / "log").read_bytes()
    assert not hosts.leases(two.scripted.house.store.reading())


def test_a_rank_that_fails_ends_the_other_and_says_where(two: TwoHosts) -> None:
    run = two.submit("step_s=0.2", "fail_at_epoch=1", "failing_rank=1", "message=\"no such picture\"")
    with two.scripted.running():
        failed = two.scripted.wait(run, Reason.CODE_ERROR, timeout_s=LONG_S)
    assert failed.diagnosis is not None
    assert failed.diagnosis.sentence.startswith("On gpu-2: The program failed with RuntimeError: no such picture."), failed.diagnosis
    assert all(rank.fenced for rank in two.ranks(run))
    assert not two.left(run)
    assert not hosts.leases(two.scripted.house.store.reading())
    tails = [log_tail(two.scripted.house, run.id, rank=rank) for rank in (0, 1)]
    assert any("no such picture" in line for line in tails[1])
    assert not any("no such picture" in line for line in tails[0])
    with pytest.raises(RequestError, match=r"has no rank 2; its ranks are: 0 on gpu-1, 1 on gpu-2\."):
        log_tail(two.scripted.house, run.id, rank=2)


def test_a_stop_ends_every_process_on_both(two: TwoHosts) -> None:
    run = two.submit("step_s=0.2", "ignore_term=true", epochs=100)
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.progress is not None, timeout_s=LONG_S)
        assert len({rank.marker for rank in two.ranks(run) if marked(rank.marker)}) == 2
        request_stop(two.scripted.house, two.scripted.who("stop"), run.id)
        seen = two.scripted.wait(run, Reason.BY_USER, timeout_s=LONG_S)
    assert seen.run.detail == "Stopped by U1."
    assert not two.left(run)


def test_a_host_that_falls_silent_leaves_the_run_alone_until_it_speaks_again(two: TwoHosts) -> None:
    run = two.submit("step_s=0.2", epochs=4)
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.progress is not None, timeout_s=LONG_S)
        cut_off(two.sshd)
        seen = two.scripted.wait(run, Reason.UNREACHABLE, timeout_s=LONG_S)
        assert seen.run.detail.startswith("gpu-2: ")
        assert {lease.host for lease in seen.devices} == {"gpu-1", "gpu-2"}
        assert not any(rank.stopped or rank.fenced for rank in two.ranks(run))
        two.sshd.restart()
        seen = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    assert seen.run.attempt == 1
    assert [len(two.steps(rank)) for rank in two.ranks(run)] == [20, 20]


def test_where_one_of_the_two_cannot_start_neither_trains(two: TwoHosts) -> None:
    two.root.mkdir()
    (two.root / "objects").write_text("a file where the folder of the dataset's files should be")
    run = two.submit()
    with two.scripted.running():
        seen = two.scripted.wait(run, Reason.ENVIRONMENT_ERROR, timeout_s=LONG_S)
    assert "other root/objects on gpu-2" in seen.run.detail
    assert [rank.claimed_at for rank in two.ranks(run)] == [None, None]
    assert not hosts.leases(two.scripted.house.store.reading())


def test_a_run_on_two_hosts_waits_for_both(two: TwoHosts) -> None:
    first = two.scripted.submit("step_s=60")
    with two.scripted.running():
        two.scripted.wait(first, Reason.WORKING, timeout_s=LONG_S)
        both = two.submit(request="both")
        waiting = two.scripted.wait(both, Reason.WAITING_FOR_GPU, timeout_s=LONG_S)
        assert waiting.run.detail == f"Needs a device on each of 2 hosts: held by {first.id}."
        request_stop(two.scripted.house, two.scripted.who("stop"), first.id)
        two.scripted.wait(both, Reason.COMPLETED, timeout_s=LONG_S)


def test_what_cannot_be_asked_for_is_refused_with_the_way_out(two: TwoHosts) -> None:
    house = two.scripted.house
    assert where_to_run(house, Wish("gpu-2,gpu-1", 2)).among == ("gpu-2", "gpu-1")
    assert where_to_run(house, Wish("gpu-2,gpu-1", 2)).host == "gpu-2"
    assert where_to_run(house, Wish(None, 2, hosts=3)).gpus == 6
    with pytest.raises(RequestError, match=r"^m2det-512 trains on one server at a time .*leave --hosts out"):
        submit_training(house, two.scripted.who(), preset="m2det-512", dataset="fish", hosts=2)
    for wish, said in (
        (Wish("gpu-1,gpu-1"), "names a host twice"), (Wish("gpu-1,gpu-2", hosts=3), "names 2 hosts, and --hosts says 3"),
        (Wish(None, 0, hosts=2), "at least one GPU"), (Wish("gpu-1,gpu-9"), "There is no host gpu-9"),
    ):
        with pytest.raises(RequestError, match=said):
            where_to_run(house, wish)
