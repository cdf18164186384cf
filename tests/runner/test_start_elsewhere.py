"""A run that begins with a preset's start checkpoint runs on any server that is free, not only on the one that proved it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.entities import Run
from runner.service.presets import NewPreset, add
from runner.service.runs import request_stop, submit_training
from runner.states import Reason
from runner.store import hosts, runs
from tests.support.scripted_house import HOST, ScriptedHouse
from tests.support.silence import cut_off
from tests.support.two_hosts import SECOND, TwoHosts, second_host

WEIGHTS = json.dumps({"epoch": 7, "epochs": 9, "lr": 0.5})


@pytest.fixture
def two(scripted: ScriptedHouse, tmp_path: Path) -> Iterator[TwoHosts]:
    with second_host(scripted, tmp_path / "second") as both:
        yield both


def preset_from(two: TwoHosts, start: str) -> None:
    add(two.scripted.house, two.scripted.who("preset"), NewPreset("begun", like="quick", changed={"start": start}))


def train(two: TwoHosts, request: str, **asked: object) -> Run:
    return submit_training(two.scripted.house, two.scripted.who(request), preset="begun", dataset="fish", **asked)  # type: ignore[arg-type]


def started_from(two: TwoHosts, run: Run) -> Path:
    """The file that a run's program was told to load; it says so in its log."""
    [rank, *_] = two.ranks(run)
    config = json.loads((Path(rank.directory) / "config.py").read_text())
    assert f"Load checkpoint from {WEIGHTS.encode()!r}" in (Path(rank.directory) / "log").read_text()
    return Path(config["load_from"])


@pytest.mark.parametrize("kept_here", [True, False])
def test_it_is_brought_from_the_server_that_proved_it(two: TwoHosts, tmp_path: Path, kept_here: bool) -> None:
    """As a file that this machine ships, or as one that lies on servers and maybe not on all of them."""
    (tmp_path / "w.pth").write_text(WEIGHTS)
    preset_from(two, (tmp_path / "w.pth").as_uri() if kept_here else str(tmp_path / "w.pth"))
    with two.scripted.running():
        busy = two.scripted.submit("step_s=60")
        two.scripted.wait(busy, Reason.WORKING)
        assert two.scripted.view(busy).run.host == HOST
        run = train(two, "a")
        done = two.scripted.wait(run, Reason.COMPLETED)
        request_stop(two.scripted.house, two.scripted.who("stop"), busy.id)
        two.scripted.wait(busy, Reason.BY_USER)
    assert done.run.prepared is not None
    assert (done.run.prepared["host"], done.run.host) == (HOST, SECOND)
    assert started_from(two, run).is_relative_to(two.root), "what it reads lies on its own server"


def test_several_servers_are_led_by_any_of_them(two: TwoHosts, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text(WEIGHTS)
    preset_from(two, str(tmp_path / "w.pth"))
    with two.scripted.running():
        run = train(two, "a", hosts=2, host="gpu-2,gpu-1")
        two.scripted.wait(run, Reason.COMPLETED, timeout_s=90)
    for rank in two.ranks(run):
        config = json.loads((Path(rank.directory) / "config.py").read_text())
        assert (config["load_from"] == str(tmp_path / "w.pth")) == (rank.host == done_on(two, run))


def done_on(two: TwoHosts, run: Run) -> str:
    prepared = runs.get(two.scripted.house.store.reading(), run.id).prepared
    assert prepared is not None
    return str(prepared["host"])


def test_where_the_server_that_proved_it_is_gone_another_proves_it(two: TwoHosts, tmp_path: Path) -> None:
    (tmp_path / "w.pth").write_text(WEIGHTS)
    preset_from(two, (tmp_path / "w.pth").as_uri())
    db = two.scripted.house.store.reading()
    with two.scripted.house.store.writing() as writing:
        hosts.put(writing, replace(hosts.get(db, SECOND), drained=True))
        hosts.drain(writing, SECOND, by="U1", now=two.scripted.house.now())
    with two.scripted.running():
        busy = two.scripted.submit("step_s=60")
        two.scripted.wait(busy, Reason.WORKING)
        run = train(two, "a")
        two.scripted.wait(run, Reason.WAITING_FOR_GPU)
        assert done_on(two, run) == HOST
        cut_off(two.scripted.sshd)
        two.scripted.wait(busy, Reason.UNREACHABLE)
        with two.scripted.house.store.writing() as writing:
            hosts.drain(writing, SECOND, by=None, now=two.scripted.house.now())
        two.scripted.wait(run, Reason.COMPLETED)
        two.scripted.sshd.restart()
        request_stop(two.scripted.house, two.scripted.who("stop"), busy.id)
        two.scripted.wait(busy, Reason.BY_USER)
    assert done_on(two, run) == SECOND
    assert started_from(two, run).is_relative_to(two.root)
