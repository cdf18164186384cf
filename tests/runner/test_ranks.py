"""Runs on two hosts, over two real sshd, with a scripted program whose ranks take every step together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service.views import history
from runner.states import Reason
from runner.store import hosts
from tests.support.scripted_house import ScriptedHouse
from tests.support.two_hosts import TwoHosts, second_host

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
