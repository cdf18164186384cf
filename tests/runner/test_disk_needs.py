"""What a run takes on a host's disk, and that nothing starts where it would not fit: real rows, a real host."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from recipes.ingest import ingest
from runner.disk_needs import DiskNeed, DiskNeeds
from runner.entities import Checkpoint, Run
from runner.errors import RequestError
from runner.queue_scene import LEARNED_LASTS
from runner.service.runs import request_stop
from runner.states import Reason
from runner.store import attempts, hosts, progress
from tests.support.clock import with_clock
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house, write_coco

HUGE = 10**18
"""No disk has so much."""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ScriptedHouse]:
    with scripted_house(tmp_path) as opened:
        yield opened


def needs(house: ScriptedHouse, **overrides: int) -> DiskNeed:
    run = house.submit(**overrides)
    try:
        return DiskNeeds(house.house).on(run, HOST)
    finally:
        request_stop(house.house, house.who("stop"), run.id)


def wrote(house: ScriptedHouse, run: Run, size_bytes: int) -> None:
    """The run is known to have written a checkpoint of this size."""
    with house.house.store.writing() as db:
        attempt = attempts.get(db, run.id, 1)
        progress.keep(db, attempt, [Checkpoint("epoch_1.pth", 1, size_bytes=size_bytes)], progress.LogPosition(), now=house.house.now())


def test_a_need_is_what_is_not_there_yet_and_the_checkpoints_that_stay(house: ScriptedHouse, tmp_path: Path) -> None:
    whole = sum(file.size_bytes for file in house.house.catalog.get("fish").contents)
    assert needs(house).dataset_bytes == whole
    assert needs(house).checkpoint.size_bytes is None and needs(house).size_bytes == whole

    with house.running():
        done = house.wait(house.submit(), Reason.COMPLETED).run
    assert needs(house).dataset_bytes == 0, "it was sent"

    wrote(house, done, 1000)
    assert (needs(house).checkpoints, needs(house).size_bytes) == (3 + 2, 5000)
    assert needs(house, keep=1).checkpoints == 1 + 2

    Image.new("RGB", (32, 24), "red").save(write_coco(tmp_path / "more") / "images" / "train_1.jpg")
    ingest(house.house.catalog, tmp_path / "more", name="fish", created_at=datetime.now(UTC))
    assert 0 < needs(house).dataset_bytes < whole, "only what differs is sent"


def test_what_does_not_fit_waits_and_says_so_and_starts_once_there_is_room(house: ScriptedHouse) -> None:
    house, clock = with_clock(house)
    with house.running():
        first = house.wait(house.submit(), Reason.COMPLETED).run
    run = house.submit()  # while nobody knows how large its checkpoints are
    wrote(house, first, HUGE)
    with pytest.raises(RequestError, match="Free some there"):
        house.submit()
    with house.running():
        waiting = house.wait(run, Reason.WAITING_FOR_HOST)
        assert f"GB in {house.root} on gpu-1, which has" in waiting.run.detail and "GB free" in waiting.run.detail
        with house.house.store.writing() as db:
            db.conn.execute("UPDATE checkpoints SET size_bytes = 1")
        clock.later(LEARNED_LASTS)  # what the past teaches is not read again with every pass
        house.wait(run, Reason.COMPLETED)


def test_a_host_tells_its_disk_with_its_age(house: ScriptedHouse) -> None:
    assert hosts.disk(house.house.store.reading(), HOST) is None
    with house.running():
        house.wait(house.submit(), Reason.COMPLETED)
    found = hosts.disk(house.house.store.reading(), HOST)
    assert found is not None and found.free_bytes > 0 and found.at is not None
    assert (house.house.now() - found.at).total_seconds() < 300
