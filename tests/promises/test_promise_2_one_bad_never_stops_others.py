"""Promise 2: one bad run or host never stops the others, and no transaction is open while anything remote happens."""

from __future__ import annotations

import socket
import sqlite3
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from recipes.errors import DatasetError
from runner.entities import Environment, Run
from runner.evidence import Connected, Evidence, ExitSeen, LogBytes
from runner.loop import Runner
from runner.service.runs import submit_training
from runner.service.views import points
from runner.specs import Overrides, TrainSpec
from runner.states import Reason
from runner.store import hosts, runs
from runner.transports.calls import ScriptTransport
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse

pytestmark = pytest.mark.slow


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield int(listener.getsockname()[1])


def add_host(scripted: ScriptedHouse, name: str, *, port: int) -> None:
    with scripted.house.store.writing() as db:
        known = hosts.get(db, HOST)
        hosts.put(db, replace(known, name=name, port=port, root=f"{known.root}-{name}"))
        hosts.put_environment(db, replace(hosts.environments(db, host=HOST)[0], host=name))


def submit_to(scripted: ScriptedHouse, host: str) -> Run:
    return submit_training(scripted.house, scripted.who(), preset="quick", dataset="fish", overrides=Overrides(), host=host)


def test_hosts_that_are_black_holes_or_refuse_stop_nobody(scripted: ScriptedHouse) -> None:
    with black_hole() as port, socket.create_server(("127.0.0.1", 0)) as closed:
        add_host(scripted, "a-hole", port=port)
        refusing = int(closed.getsockname()[1])
        closed.close()
        add_host(scripted, "b-refuses", port=refusing)
        stuck, refused = submit_to(scripted, "a-hole"), submit_to(scripted, "b-refuses")
        run = scripted.submit()
        began = time.monotonic()
        with scripted.running():
            seen = scripted.wait(run, Reason.COMPLETED)
            assert time.monotonic() - began < 15
            assert seen.run.host == HOST
            waiting = scripted.wait(refused, Reason.WAITING_FOR_HOST)
            assert "b-refuses cannot be reached" in waiting.run.detail
            assert scripted.view(stuck).run.reason in (Reason.SUBMITTED, Reason.WAITING_FOR_HOST)
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 5


def test_a_run_whose_framework_is_gone_or_breaks_ends_with_its_cause_and_the_others_go_on(
    scripted: ScriptedHouse, tmp_path: Path
) -> None:
    (tmp_path / "frameworks").mkdir()
    (tmp_path / "frameworks" / "breaks.py").write_text(textwrap.dedent(f"""
        from pathlib import Path
        from tests.scripted.frameworks.scripted import Scripted

        class Breaks(Scripted):
            name = "breaks"
            prepare_program = Path({str(SCRIPTED / "prepare_scripted.py")!r})

            def train(self, spec, prepared, environment, ranks):
                raise KeyError("work_dir")

        framework = Breaks()
        """))
    settings = scripted.house.settings.model_copy(update={"extensions": (SCRIPTED, tmp_path)})
    scripted = replace(scripted, house=replace(scripted.house, settings=settings))
    bad = [_submit_with_framework(scripted, name) for name in ("nowhere", "breaks")]
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
        gone = scripted.wait(bad[0], Reason.BAD_SPEC, Reason.ENVIRONMENT_ERROR, Reason.INTERNAL_ERROR)
        assert "nowhere" in gone.run.detail
        broken = scripted.wait(bad[1], Reason.INTERNAL_ERROR)
    assert broken.run.detail == "Signalbox itself failed (KeyError: 'work_dir'); the runner's log says where."
    assert not broken.devices
    assert broken.attempt is not None
    assert broken.attempt.fenced


def _submit_with_framework(scripted: ScriptedHouse, framework: str) -> Run:
    known = scripted.submit()
    assert isinstance(known.spec, TrainSpec)
    spec = known.spec.model_copy(update={"preset": known.spec.preset.model_copy(update={"framework": framework})})
    with scripted.house.store.writing() as db:
        runs.transition(db, known, Reason.SUPERSEDED, now=scripted.house.now())
        kept = hosts.environments(db, host=HOST)[0]
        hosts.put_environment(db, Environment(HOST, framework, framework, kept.python, kept.code, "e"))
        return runs.submit(db, spec, owner="U1", place=known.place, now=scripted.house.now())


def test_a_dataset_that_is_gone_is_a_bad_spec_and_not_an_endless_try(scripted: ScriptedHouse) -> None:
    run, other = scripted.submit(), scripted.submit()
    version = scripted.house.catalog.get("fish@1")
    with scripted.house.store.writing() as db:
        assert isinstance(run.spec, TrainSpec)
        spec = run.spec.model_copy(update={"dataset": run.spec.dataset.model_copy(update={"version": 7})})
        db.conn.execute("UPDATE runs SET spec = ? WHERE id = ?", (spec.model_dump_json(), run.id))
    with scripted.running():
        seen = scripted.wait(run, Reason.BAD_SPEC)
        scripted.wait(other, Reason.COMPLETED)
    assert "fish@7" in seen.run.detail
    with pytest.raises(DatasetError):
        scripted.house.catalog.get("fish@7")
    assert version.number == 1


def test_nothing_remote_happens_in_the_thread_that_holds_the_database(
    scripted: ScriptedHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every call to a host goes out from a thread of its link, none of which has a transaction, or even a connection."""
    callers: set[str] = set()
    run_script, stream = ScriptTransport._run, ScriptTransport.stream

    def spy_run(self: ScriptTransport, *args: object, **kwargs: object) -> object:
        note()
        return run_script(self, *args, **kwargs)  # type: ignore[arg-type]

    def spy_stream(self: ScriptTransport, *args: object, **kwargs: object) -> object:
        note()
        return stream(self, *args, **kwargs)  # type: ignore[arg-type]

    def note() -> None:
        callers.add(threading.current_thread().name.split("-")[0])
        assert getattr(scripted.house.store._local, "database", None) is None

    monkeypatch.setattr(ScriptTransport, "_run", spy_run)
    monkeypatch.setattr(ScriptTransport, "stream", spy_stream)
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
    assert {"act", "prepare", "stage", "watch"} <= callers <= {"act", "collect", "prepare", "stage", "watch"}


class Stumbling(Runner):
    """A runner whose database is locked away once for every kind of evidence that matters."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.stumbled: set[type] = set()
        take = self._intake.take

        def stumble(arrival: Evidence) -> None:
            if isinstance(arrival, Connected | LogBytes | ExitSeen) and type(arrival) not in self.stumbled and _about_gpu(arrival):
                self.stumbled.add(type(arrival))
                self._lock_out()
            take(arrival)
            self._let_in()

        self._intake.take = stumble  # type: ignore[method-assign]

    def _lock_out(self) -> None:
        self.house.store.reading().conn.execute("PRAGMA busy_timeout = 50")
        self.blocker = sqlite3.connect(self.house.store.path, isolation_level=None, check_same_thread=False)
        self.blocker.execute("BEGIN IMMEDIATE")
        threading.Timer(0.3, self._release).start()

    def _release(self) -> None:
        self.blocker.execute("ROLLBACK")
        self.blocker.close()

    def _let_in(self) -> None:
        self.house.store.reading().conn.execute("PRAGMA busy_timeout = 5000")


def _about_gpu(arrival: Connected | LogBytes | ExitSeen) -> bool:
    return arrival.host == HOST


def test_evidence_that_could_not_be_kept_is_told_again(scripted: ScriptedHouse) -> None:
    run = scripted.submit("step_s=0.05")
    runner = Stumbling(scripted.house)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        scripted.wait(run, Reason.COMPLETED, timeout_s=40)
    finally:
        runner.stop()
        thread.join(20)
    assert runner.stumbled == {Connected, LogBytes, ExitSeen}
    read = [(point.epoch, point.iteration) for point in points(scripted.house, run.id)]
    assert read == [(epoch, iteration) for epoch in (1, 2, 3) for iteration in range(1, 6)]
