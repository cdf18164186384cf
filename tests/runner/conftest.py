"""Fixtures of the runner's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.scripted_house import ScriptedHouse, scripted_house


@pytest.fixture
def scripted() -> Iterator[ScriptedHouse]:
    """A house with one GPU server of one slot, over a real sshd."""
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as house:
        yield house
