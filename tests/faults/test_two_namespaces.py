"""Two sshd in two network namespaces that reach each other by one cable: a run on both, and that cable cut."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service.views import history
from runner.states import Reason
from tests.support.namespaces import CABLE, Namespace, hosts_in, two_namespaces, why_not
from tests.support.scripted_house import scripted_house
from tests.support.two_hosts import TwoHosts, second_host

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LONG_S = 120.0


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Namespace, Namespace]]:
    if why := why_not():
        pytest.skip(why)
    with two_namespaces() as made:
        yield made


@pytest.fixture
def two(both: tuple[Namespace, Namespace], tmp_path: Path) -> Iterator[TwoHosts]:
    with (
        scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as scripted, second_host(scripted, tmp_path / "second") as found,
        hosts_in(scripted, both, tmp_path),
    ):
        yield found


def test_a_run_on_two_hosts_meets_where_the_second_reaches_the_first(two: TwoHosts, both: tuple[Namespace, Namespace]) -> None:
    run = two.submit()
    with two.scripted.running():
        two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    ranks = two.ranks(run)
    for rank in ranks:
        command = (Path(rank.directory) / "command.sh").read_text()
        assert f"--meet {both[0].peer_address}:{ranks[0].port} --rank {rank.rank}/2" in command
        assert f"export NCCL_SOCKET_IFNAME={CABLE}" in command
        assert f"export GLOO_SOCKET_IFNAME={CABLE}" in command
        assert len(two.steps(rank)) == 15


def test_a_cut_cable_ends_both_and_the_run_goes_on_from_its_checkpoint(two: TwoHosts, both: tuple[Namespace, Namespace]) -> None:
    run = two.submit("step_s=0.3", "patience_s=2")
    with two.scripted.running():
        two.scripted.wait_until(run, lambda view: view.checkpoints, timeout_s=LONG_S)
        both[0].run("ip", "link", "set", CABLE, "down")
        try:
            two.scripted.wait(run, Reason.RETRYING, Reason.PREPARING, Reason.WAITING_FOR_GPU, timeout_s=LONG_S)
        finally:
            both[0].run("ip", "link", "set", CABLE, "up")
        assert [rank.fenced for rank in two.ranks(run, 1)] == [True, True]
        seen = two.scripted.wait(run, Reason.COMPLETED, timeout_s=LONG_S)
    failures = [event.payload for event in history(two.scripted.house, run.id) if event.kind == "attempt_failed"]
    assert {failure["reason"] for failure in failures} == {"COLLECTIVE_TIMEOUT"}
    assert seen.run.prepared is not None
    resumed = Path(str(seen.run.prepared["checkpoint"]))
    first, second = two.ranks(run)
    assert resumed.is_relative_to(Path(first.directory).parent), "the first rank is where its checkpoint lies"
    assert (Path(second.directory) / "brought" / resumed.name).read_bytes() == resumed.read_bytes()
    assert two.steps(first)[0].split()[0] == two.steps(second)[0].split()[0] == str(int(resumed.stem.removeprefix("epoch_")) + 1)
    assert not two.left(run)
