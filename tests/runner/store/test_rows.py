"""The database: transactions that nest, times that sort, devices that are really there, and lists that stay fast."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from threading import Thread

import pytest

from runner.evidence import DeviceUse, Programs, Resources
from runner.service.house import House
from runner.store import events, hosts, runs
from runner.store.connection import to_text, to_time
from tests.support.run_rows import SPEC, house_in, submitted


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path)
    yield opened
    opened.store.close()


def test_an_inner_transaction_that_fails_leaves_the_outer_whole(house: House) -> None:
    run = submitted(house)
    with house.store.writing() as db:
        runs.keep_result(db, run.id, {"kept": True})
        with pytest.raises(RuntimeError), house.store.writing() as inner:
            runs.keep_result(inner, run.id, {"kept": False})
            raise RuntimeError
    assert runs.result(house.store.reading(), run.id) == {"kept": True}


def test_a_snapshot_belongs_to_one_moment(house: House) -> None:
    run = submitted(house)

    def change() -> None:
        with house.store.writing() as db:
            runs.keep_result(db, run.id, {"later": True})
        house.store.close()

    with house.store.snapshot() as db:
        assert runs.result(db, run.id) == {}
        other = Thread(target=change)
        other.start()
        other.join(10)
        assert runs.result(db, run.id) == {}
    assert runs.result(house.store.reading(), run.id) == {"later": True}


def test_another_connections_commit_is_noticed_and_ones_own_is_not(house: House) -> None:
    before = house.store.data_version()
    submitted(house)
    assert house.store.data_version() == before
    other = Thread(target=lambda: (submitted(house), house.store.close()))
    other.start()
    other.join(10)
    assert house.store.data_version() != before


def test_times_are_kept_in_utc_and_sort_as_text() -> None:
    berlin = datetime(2026, 3, 4, 1, 0, tzinfo=timezone(timedelta(hours=1)))
    assert to_time(to_text(berlin)) == berlin
    moments = [datetime(2026, 3, 4, tzinfo=UTC) + timedelta(microseconds=step) for step in (0, 1, 10, 999_999, 1_000_000)]
    texts = [to_text(moment) or "" for moment in moments]
    assert texts == sorted(texts)


def test_a_host_lends_only_what_it_has_said_it_has(house: House) -> None:
    host = hosts.get(house.store.reading(), "gpu-1")
    gpu = DeviceUse("GPU-1", 0, "a GPU", 8000, 0)
    lent = []
    for said in (None, Resources("gpu-1"), Resources("gpu-1", (gpu,)), Resources("gpu-1", None)):
        if said is not None:
            with house.store.writing() as db:
                hosts.note_resources(db, said)
        lent.append([device.uuid for device in hosts.devices(house.store.reading(), host)])
    assert lent == [[], ["cpu:0"], ["GPU-1"], []]  # not yet said; none: its CPU; its GPU; its driver fails


def test_programs_of_no_attempt_are_foreign_and_unnamed_ones_unknown(house: House) -> None:
    host = hosts.get(house.store.reading(), "gpu-1")
    shared = (Programs("train", "r-1-abc/1", 3000), Programs("ada", "", 500))
    told = tuple(DeviceUse(f"GPU-{number}", number, "a GPU", 8000, 3500, processes=each) for number, each in enumerate((shared, (), None)))
    with house.store.writing() as db:
        hosts.note_resources(db, Resources("gpu-1", told))
    assert [gpu.foreign for gpu in hosts.devices(house.store.reading(), host)] == [(("ada", 500),), (), None]


def test_ids_are_drawn_so_that_they_can_be_read_aloud(house: House) -> None:
    drawn = {submitted(house).id for _ in range(50)}
    assert len(drawn) == 50
    assert not set("".join(drawn).replace("r-", "")) & set("01ilo")


@pytest.mark.slow
def test_a_hundred_thousand_old_runs_cost_the_live_ones_nothing(house: House) -> None:
    began_at, spec = house.now() - timedelta(days=300), SPEC.model_dump_json()
    moments = ((f"r-{number}", spec, *[to_text(began_at + timedelta(minutes=number))] * 2) for number in range(100_000))
    with house.store.writing() as db:
        db.conn.executemany(
            "INSERT INTO runs (id, nonce, kind, spec, state, reason, owner, created_at, updated_at)"
            " VALUES (?, 'n', 'train', ?, 'SUCCEEDED', 'COMPLETED', 'U1', ?, ?)",
            moments,
        )
    run = submitted(house)
    began = time.perf_counter()
    for _ in range(20):
        assert [live.id for live in runs.live(house.store.reading())] == [run.id]
        assert len(runs.newest(house.store.reading(), limit=20)) == 20
        assert events.of_run(house.store.reading(), run.id)
    assert time.perf_counter() - began < 2.0
