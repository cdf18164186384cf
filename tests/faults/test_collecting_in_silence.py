"""A host falls silent, or somebody stops the run, while what it made is brought here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.service import models
from runner.service.runs import request_stop
from runner.service.views import RunView
from runner.states import Reason
from tests.support.scripted_house import ScriptedHouse, scripted_house
from tests.support.silence import cut_off

pytestmark = pytest.mark.slow
SIZE = 250_000_000
LARGE = (f'sparse={{"large.bin":{SIZE}}}',)
ENDLESS = ('sparse={"large.bin":1900000000}',)
"""Not whole before a stop is heard of."""


@pytest.fixture
def scripted() -> Iterator[ScriptedHouse]:
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as house:
        yield house


def is_coming(view: RunView) -> bool:
    """Whether some of it is here, and some is not."""
    return view.work is not None and view.work.phase == "results" and 0 < view.work.done < (view.work.total or 0)


def test_a_host_that_falls_silent_keeps_the_results_until_it_is_back(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
        used = models.submit_predict(scripted.house, scripted.who("use"), run.id, options=LARGE)
        coming = scripted.wait_until(used, is_coming)
        assert coming.run.reason is Reason.WORKING
        assert not coming.devices  # others may train meanwhile
        cut_off(scripted.sshd)
        scripted.wait(used, Reason.UNREACHABLE)
        assert models.results_of(scripted.house, used.id) == []
        scripted.sshd.restart()
        seen = scripted.wait(used, Reason.COMPLETED)
    sizes = {file.name: file.size_bytes for file in models.results_of(scripted.house, used.id)}
    assert sizes["large.bin"] == SIZE
    assert seen.run.attempt == 1
    assert seen.work is None


def test_a_run_that_is_stopped_while_it_brings_results_is_cancelled(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
        used = models.submit_predict(scripted.house, scripted.who("use"), run.id, options=ENDLESS)
        scripted.wait_until(used, is_coming)
        request_stop(scripted.house, scripted.who("stop"), used.id)
        scripted.wait(used, Reason.BY_USER)
    assert models.results_of(scripted.house, used.id) == []
