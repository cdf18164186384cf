"""Fixtures that more than one package of tests needs. Everything here is real: sshd, screen, processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd, find_sshd
from tests.support.hosts import Reached, reach_locally, reach_over_ssh

# Every path of an attempt goes through shells: what a shell might act on is in all of them.
AWKWARD = 'ro ot\'s "$HOME" `id` ünï;&*#'


SLOW = ("slow", "environment", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first: at the end, all would wait for whoever is at work on the last of them."""
    slow = {item.path for item in items if any(map(item.get_closest_marker, SLOW))}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    """One sshd on loopback for the whole session."""
    if find_sshd() is None:
        pytest.skip("openssh-server is not installed")
    home = tmp_path_factory.mktemp("home")  # no start files of the person who runs the tests
    with LoopbackSshd(tmp_path_factory.mktemp("sshd"), variables={"HOME": str(home)}) as server:
        yield server


@pytest.fixture
def ssh_host(sshd: LoopbackSshd, tmp_path: Path) -> Iterator[Reached]:
    """A host over the real sshd, with an awkward root of its own."""
    reached = reach_over_ssh(sshd, tmp_path / AWKWARD)
    yield reached
    reached.transport.close()


@pytest.fixture(params=["ssh", "local"])
def any_host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reached]:
    """The same host reached in every way there is."""
    if request.param == "ssh":
        reached = reach_over_ssh(request.getfixturevalue("sshd"), tmp_path / AWKWARD)
    else:
        reached = reach_locally(tmp_path / AWKWARD)
    yield reached
    reached.transport.close()
