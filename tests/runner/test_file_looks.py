"""Files that appear in folders of hosts: which are seen, when they count, and that each fires once."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.entities import Host, Run, TransportName
from runner.errors import HostError, NotAllowedError, RequestError
from runner.evidence import Connected, Identity
from runner.file_looks import FileLooks, list_files
from runner.links import HostLink
from runner.service import standing_orders, triggers
from runner.service.causes import FileAppears
from runner.service.house import House, utc_now
from runner.service.standing_orders import TRIGGERS
from runner.service.triggers import Outcome, Trigger
from runner.settings import Role
from runner.specs import Overrides
from runner.states import Reason
from runner.store import hosts, runs
from tests.support.hosts import Reached
from tests.support.scripted_house import ScriptedHouse
from tests.support.words_house import somebody, training, words_house

HOSTILE = (
    "a b.zip", "$(touch evil).zip", "; touch evil;.zip", "'\"`.zip", "-rf.zip", "x\ny.zip", "é — 鱼.zip", "a=b.zip", "{file}.zip", "*.zip",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "in coming"
    made.mkdir()
    return made


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    monkeypatch.setattr("runner.file_looks.AT_REST", timedelta(0))
    monkeypatch.setattr("runner.file_looks.EVERY", timedelta(0))
    made = replace(words_house(tmp_path / "house"), now=utc_now)
    with made.store.writing() as db:
        hosts.put(db, Host("box", TransportName.LOCAL, str(tmp_path / "root")))
    return made


@pytest.fixture
def look(house: House) -> Iterator[Callable[[], None]]:
    """One whole look into every folder, by a runner that has just begun."""
    link = HostLink(hosts.get(house.store.reading(), "box"), lambda _: None, silence_s=15)
    link.note(Connected("box", Identity("m", "box", "b", "ada", "")))

    def once() -> None:
        looks = FileLooks(house)
        looks.look({"box": link})
        while looks._under_way:
            looks.look({})
            time.sleep(0.01)
        looks.close()

    yield once
    link.close()


def add(
    house: House, path: Path | str, command: str = "data add fish {file}", *, before: timedelta = timedelta(hours=1), dry_run: bool = False
) -> Trigger:
    """A trigger that was added a while before whatever the test does."""
    then = replace(house, now=lambda: utc_now() - before)
    return triggers.add(then, somebody(role=Role.OPERATOR), words=f"file box:{path}", command=command, dry_run=dry_run)


def told(house: House, trigger: Trigger) -> list[tuple[Outcome, str]]:
    return [(each.outcome, each.command) for row, firings in triggers.all_triggers(house) if row.id == trigger.id for each in firings]


def test_files_are_listed_whatever_they_are_called(any_host: Reached, folder: Path) -> None:
    for name in (*HOSTILE, ".hidden.zip", "other.txt"):
        (folder / name).write_bytes(b"12345")
    (folder / "sub.zip").mkdir()
    (folder / "link.zip").symlink_to("/etc/passwd")
    os.close(os.open(os.fsencode(folder) + b"/\xff.zip", os.O_CREAT))
    found = {each.name: each for each in list_files(any_host.transport, FileAppears("gpu-1", f"{folder}/*.zip"))}
    assert set(found) == {*HOSTILE, "\ufffd.zip"}
    assert found["a b.zip"].size_bytes == 5
    assert timedelta(seconds=-2) < found["a b.zip"].rests < timedelta(seconds=60)
    assert [each.name for each in list_files(any_host.transport, FileAppears("gpu-1", f"{folder}/.*"))] == [".hidden.zip"]
    assert not list_files(any_host.transport, FileAppears("gpu-1", f"{folder}/$(touch evil)'*"))
    assert not list(Path().glob("evil*"))


def test_a_folder_that_is_not_there_is_said_once(house: House, look: Callable[[], None], folder: Path) -> None:
    trigger = add(house, folder / "nowhere" / "*")
    look()
    look()
    [(row, [firing])] = triggers.all_triggers(house)
    assert (row.id, firing.outcome) == (trigger.id, Outcome.BLIND)
    assert "nowhere is no folder that this user can read" in firing.because
    assert triggers.ready(house) == []


def test_too_many_files_are_an_error(any_host: Reached, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.file_looks.MOST_BYTES", 100)
    for number in range(5):
        (folder / f"{number}.zip").touch()
    with pytest.raises(HostError, match="too many files"):
        list_files(any_host.transport, FileAppears("gpu-1", f"{folder}/*"))


def test_each_file_fires_once_whatever_dies_in_between_and_what_replaces_it_is_another(
    house: House, look: Callable[[], None], folder: Path
) -> None:
    trigger = add(house, folder / "*.zip")
    (folder / "a.zip").write_text("1")
    (folder / "a.txt").write_text("no such file")
    os.utime(folder / "a.zip", (0, 0))  # as a copying program that keeps times leaves it
    look()
    look()
    assert told(house, trigger) == [(Outcome.FIRED, f"data add fish 'box:{folder}/a.zip'")]
    (folder / "a.zip").write_text("22")
    look()
    assert len(told(house, trigger)) == len(triggers.ready(house)) == 2


def test_what_was_there_before_does_not_count(house: House, look: Callable[[], None], folder: Path) -> None:
    trigger = add(house, folder / "*.zip", before=timedelta(seconds=-1))
    (folder / "a.zip").write_text("1")
    look()
    assert told(house, trigger) == []


def test_a_file_counts_once_it_is_at_rest(
    house: House, look: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.file_looks.AT_REST", timedelta(seconds=60))
    trigger = add(house, folder / "*.zip")
    (folder / "a.zip").write_text("1")
    os.utime(folder / "a.zip", (0, 0))
    look()
    assert told(house, trigger) == []
    monkeypatch.setattr("runner.file_looks.AT_REST", timedelta(0))
    look()
    assert len(told(house, trigger)) == 1


def test_what_came_during_a_pause_fires_when_it_ends(house: House, look: Callable[[], None], folder: Path) -> None:
    trigger = add(house, folder / "*.zip")
    standing_orders.pause(house, somebody(role=Role.OPERATOR), TRIGGERS, trigger.id)
    (folder / "a.zip").write_text("1")
    look()
    assert told(house, trigger) == []
    standing_orders.pause(house, somebody(role=Role.OPERATOR), TRIGGERS, trigger.id, paused=False)
    look()
    assert len(told(house, trigger)) == 1


def test_hostile_names_stay_one_word_and_what_cannot_be_typed_is_refused(house: House, look: Callable[[], None], folder: Path) -> None:
    trigger = add(house, folder / "*.zip", 'data add fish "{file}"')
    for name in HOSTILE:
        (folder / name).touch()
    os.close(os.open(os.fsencode(folder) + b"/\xff.zip", os.O_CREAT))
    look()
    fired = [shlex.split(firing.command) for _, firing in triggers.ready(house)]
    assert all(words[:3] == ["data", "add", "fish"] and len(words) == 4 for words in fired)
    assert {words[3].removeprefix(f"box:{folder}/") for words in fired} == set(HOSTILE) - {"x\ny.zip"}
    assert len(triggers.keys(house, trigger)) == len(HOSTILE) + 1


def test_many_files_at_once_come_in_portions(
    house: House, look: Callable[[], None], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.file_looks.MOST_NEW", 2)
    add(house, folder / "*")
    for number in range(5):
        (folder / f"{number}.zip").touch()
    counts = []
    for _ in range(4):
        look()
        counts.append(len(triggers.ready(house)))
    assert counts == [2, 4, 5, 5]


def test_what_a_run_of_its_own_writes_there_never_fires_it(house: House, look: Callable[[], None], folder: Path) -> None:
    trigger, dry = add(house, folder / "*", "finetune {host}"), add(house, folder / "*", dry_run=True)
    (folder / "first").touch()
    look()
    [(_, firing)] = triggers.ready(house)
    request_id = standing_orders.requester(house, TRIGGERS, trigger, firing.key).request_id
    begun = working(house, options=(f"work_dir={folder}",), request_id=request_id)
    (folder / "epoch_1.pth").touch()
    look()
    assert [outcome for outcome, _ in told(house, trigger)] == [Outcome.OWN_PRODUCT, Outcome.FIRED]
    assert [outcome for outcome, _ in told(house, dry)] == [Outcome.DRY_RUN] * 2
    with house.store.writing() as db:
        runs.transition(db, runs.get(db, begun.id), Reason.COMPLETED, now=utc_now() - timedelta(hours=1))
    (folder / "second").touch()
    look()
    assert told(house, trigger)[0][0] is Outcome.FIRED


def working(house: House, *, options: tuple[str, ...], request_id: str) -> Run:
    """A training on the host ``box`` that was asked for under that id, with these options."""
    begun = training(house, overrides=Overrides(options=options))
    with house.store.writing() as db:
        db.conn.execute("UPDATE runs SET request_id = ? WHERE id = ?", (request_id, begun.id))
        run = runs.transition(db, begun, Reason.STAGING, now=utc_now(), attempt=1, host="box")
        return runs.transition(db, run, Reason.WORKING, now=utc_now())


@pytest.mark.parametrize(("path", "said"), [
    ("/data/*/x.zip", "stars in the last part only"), ("/data/", "names no files"), ("/x.zip", "names no files"),
    ("/data/../etc/*", "names no files"), ("{root}/runs/*", "Signalbox's own folder"),
])  # fmt: skip
def test_folders_that_cannot_be_looked_into_are_refused(house: House, path: str, said: str) -> None:
    root = hosts.get(house.store.reading(), "box").root
    with pytest.raises(RequestError, match=said):
        add(house, path.format(root=root))


def test_who_may_not_read_folders_of_hosts_waits_for_none(house: House) -> None:
    with pytest.raises(NotAllowedError, match="operator"):
        triggers.add(house, somebody(), words="file box:/data/*.zip", command="ps")
    with pytest.raises(RequestError, match="Did you mean box"):
        triggers.add(house, somebody(role=Role.OPERATOR), words="file bx:/data/*.zip", command="ps")


def test_the_runner_looks_over_the_connection_that_it_has(
    scripted: ScriptedHouse, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.file_looks.AT_REST", timedelta(0))
    monkeypatch.setattr("runner.file_looks.EVERY", timedelta(seconds=0.2))
    triggers.add(scripted.house, scripted.who(), words=f"file gpu-1:{folder}/*.zip", command="data add fish {file}")
    with scripted.running():
        (folder / "a.zip").touch()
        deadline = time.monotonic() + 60
        while not triggers.ready(scripted.house) and time.monotonic() < deadline:
            time.sleep(0.05)
    [(_, firing)] = triggers.ready(scripted.house)
    assert firing.command == f"data add fish 'gpu-1:{folder}/a.zip'"
