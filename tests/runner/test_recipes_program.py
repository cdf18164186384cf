"""Work on datasets: how it is started, what a refusal says, and that nothing is left of an upload however its run ended."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.entities import Place, Run
from runner.kinds import all_kinds
from runner.loop import Runner
from runner.service.house import House
from runner.specs import IngestSpec, Kind
from runner.states import Reason
from runner.store import runs
from tests.support.run_rows import house_in


@pytest.fixture
def house(tmp_path: Path) -> House:
    return house_in(tmp_path)


def uploaded(house: House) -> tuple[Run, Path]:
    archive = house.settings.inbox / "fish.zip"
    archive.write_bytes(b"PK")
    with house.store.writing() as db:
        spec = IngestSpec(archive=str(archive), dataset="fish", file_name="fish.zip")
        return runs.submit(db, spec, owner="U1", place=Place(), now=house.now()), archive


def test_an_upload_that_was_stopped_in_the_queue_leaves_nothing(house: House) -> None:
    run, archive = uploaded(house)
    runner = Runner(house)
    try:
        with house.store.writing() as db:
            runs.request_stop(db, run, by="U1", now=house.now())
        runner.tick([])
    finally:
        runner.close()
    assert runs.get(house.store.reading(), run.id).reason is Reason.BY_USER
    assert not archive.exists()


def test_what_a_crash_left_behind_is_removed_at_the_next_start(house: House) -> None:
    run, archive = uploaded(house)
    with house.store.writing() as db:
        runs.transition(db, run, Reason.BY_USER, now=house.now())
    runner = Runner(house)
    try:
        runner.tick([])
    finally:
        runner.close()
    assert not archive.exists()


def test_an_upload_whose_run_waits_is_kept(house: House) -> None:
    _, archive = uploaded(house)
    runner = Runner(house)
    try:
        runner.tick([])
    finally:
        runner.close()
    assert archive.exists()


def test_a_refusal_is_told_in_the_words_of_the_program() -> None:
    error = {"where": "a.txt, line 3", "message": "No box.", "remedy": "Mend it.", "defects": ["line 3"], "more": 2}
    tail = b"noise\n" + json.dumps({"error": error}).encode() + b"\n"
    found = all_kinds()[Kind.INGEST].cause(1, tail)
    assert (found.reason, found.sentence, found.remedy) == (Reason.DATA_ERROR, "a.txt, line 3: No box.", "Mend it.")
    assert found.tail == ("line 3", "and 2 more")
    assert all_kinds()[Kind.CONVERT].cause(1, b"Killed").reason is not Reason.DATA_ERROR
