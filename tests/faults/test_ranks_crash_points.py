"""The runner dies between what it does on the first of two hosts and on the second: both train once, or neither, and nothing is left."""

from __future__ import annotations

import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service.runs import request_stop
from runner.states import Reason
from runner.store import hosts
from tests.support.runner_process import runner_process
from tests.support.scripted_house import scripted_house
from tests.support.two_hosts import TwoHosts, second_host

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LONG_S = 90.0


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoHosts]:
    with (
        scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as scripted,
        second_host(scripted, tmp_path_factory.mktemp("second")) as both,
    ):
        yield both


@pytest.mark.parametrize("point", [
    "runner.after_lease", "runner.after_attempt_opened", "runner.after_met", "runner.after_staged", "runner.after_launched",
    "runner.after_claim_seen", "runner.after_exit_seen",
])  # fmt: skip
def test_the_runner_dies_after_the_first_of_two_and_both_train_once(two: TwoHosts, point: str) -> None:
    run = two.submit("step_s=0.1", request=point)
    with runner_process(two.scripted.house.settings, crash_at=point) as first:
        assert first.wait(60) == -signal.SIGKILL, f"{point} was not reached"
    with runner_process(two.scripted.house.settings):
        seen = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    assert seen.run.attempt == 1
    ranks = two.ranks(run)
    assert [rank.host for rank in ranks] == ["gpu-1", "gpu-2"]
    for rank in ranks:
        assert len(two.steps(rank)) == 15
        assert len({line.split()[2] for line in two.steps(rank)}) == 1, "one process, which was started once"
    assert_nothing_left(two)


def test_the_runner_dies_after_one_fence_of_two_and_the_other_is_set_too(two: TwoHosts) -> None:
    run = two.submit("step_s=0.2", epochs=100, request="stopped")
    with runner_process(two.scripted.house.settings, crash_at="runner.after_stop_sent") as first:
        two.scripted.wait_until(run, lambda view: view.progress is not None, timeout_s=LONG_S)
        request_stop(two.scripted.house, two.scripted.who("stop"), run.id)
        assert first.wait(60) == -signal.SIGKILL
    with runner_process(two.scripted.house.settings):
        two.scripted.wait(run, Reason.BY_USER, timeout_s=LONG_S)
    assert [rank.fenced for rank in two.ranks(run)] == [True, True]
    assert not two.left(run)
    assert_nothing_left(two)


def assert_nothing_left(two: TwoHosts) -> None:
    assert not hosts.leases(two.scripted.house.store.reading())
