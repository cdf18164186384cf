"""The promises of the design, each held by tests named for it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service.house import House
from tests.support.run_rows import house_in
from tests.support.scripted_house import ScriptedHouse, scripted_house


@pytest.fixture
def scripted() -> Iterator[ScriptedHouse]:
    """A house with one GPU server of one slot, over a real sshd."""
    with scripted_house(Path(tempfile.mkdtemp(prefix="promise"))) as house:
        yield house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house without servers at work: rows only."""
    opened = house_in(tmp_path)
    yield opened
    opened.store.close()
