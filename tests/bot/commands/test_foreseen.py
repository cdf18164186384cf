"""What a plan and a new run say before anything is spent: when, where, at whose cost, in which memory, on which disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from bot.views.plan import when
from runner.entities import Checkpoint, Environment, Progress, Run
from runner.errors import RequestError
from runner.evidence import DeviceUse, Resources
from runner.queueing.policy import Policy
from runner.service.hosts import Wish
from runner.service.house import House
from runner.service.plans import plan
from runner.settings import Role
from runner.specs import TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, progress, runs
from tests.support.payloads import assert_sendable
from tests.support.words_house import ADA, BEN, NOW, add_dataset, somebody, training, words_house

GB = 1_000_000_000
PREPARED = {"config": "", "epochs": 20, "batch": 8, "lr": 0.004, "revision": "r", "environment": "f"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """gpu1 has one GPU, an environment and 100 GB of free disk, which it told 12 s ago; preempting needs priority 5."""
    made = words_house(tmp_path / "state")
    add_dataset(made, "fish")
    with made.store.writing() as db:
        device = DeviceUse("GPU-0", 0, "A100", 81_920, 0, 98, 71, processes=())
        resources = Resources("gpu1", (device,), disk_free_bytes=100 * GB, disk_total_bytes=900 * GB)
        hosts.note_resources(db, resources, now=NOW - timedelta(seconds=12))
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/p", "/c", "f"))
    settings = made.settings.model_copy(update={"queue": Policy(preempting_priority=5)})
    yield replace(made, settings=settings)
    made.store.close()


def ask(house: House, line: str, person: str = ADA, role: Role = Role.OPERATOR) -> Answer:
    return answer(house, somebody(person, role=role), line)


def trained(house: House, *, checkpoint_bytes: int | None = 2 * GB, hours: float = 2.0, owner: str = ADA, ended: bool = True) -> Run:
    """A run of rtmdet-nano on fish that began ``hours`` ago on GPU-0, took a minute an epoch, and may have ended."""
    run = training(house, owner=owner, dataset="fish")
    began = NOW - timedelta(hours=hours)
    with house.store.writing() as db:
        hosts.lease(db, run, "gpu1", ["GPU-0"], now=began)
        attempt = attempts.begin(db, run, number=1, host="gpu1", root="/r", now=began, devices=1)
        attempts.note_claim(db, attempt, pid=1, process_start="1", boot_id="b", now=began)
        run = runs.transition(db, run, Reason.WORKING, now=began, attempt=1, host="gpu1")
        runs.keep_prepared(db, run.id, PREPARED)
        for epoch in range(1, 6):
            at = NOW - timedelta(minutes=5 - epoch)
            point = Progress(epoch, 10, 10, loss=1.0, memory_mib=8_000, step_s=6.0)
            file = Checkpoint(f"epoch_{epoch}.pth", epoch, size_bytes=checkpoint_bytes)
            progress.keep(db, attempt, [point, file], progress.LogPosition(), now=at)
        if ended:
            attempts.note_exit(db, attempt, code=0, ended_at=NOW)
            run = runs.transition(db, runs.get(db, run.id), Reason.COMPLETED, now=NOW)
    return run


def line_of(text: str, label: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(label))


def test_an_empty_house_knows_where_and_when_it_starts_and_how_long_such_runs_take(house: House) -> None:
    trained(house)
    given = ask(house, "plan rtmdet-nano on fish --epochs 60")
    assert line_of(given.text, "*When*") == (
        "*When* Number 1 of 1 in the queue: starts at once on gpu1 (GPU 0: A100); done about 15:32 CET."
    )
    assert line_of(given.text, "*Memory*") == "*Memory* 9.0 GiB of each GPU, as such runs took, and 15 % more; its GPUs have 80 GiB."
    assert "9.0" not in line_of(ask(house, "plan rtmdet-nano on fish --mem 20G").text, "*Memory*")
    assert "disk: 10.0 GB (33 B of the dataset; 5 checkpoints of 2.0 GB, as in r-" in given.text
    assert "; 100 GB free in `/root/.signalbox`, said 12 s ago" in given.text
    assert_sendable(given.text, list(given.blocks))


def test_behind_others_it_says_its_place_its_reason_and_whose_turn_comes_first(house: House) -> None:
    held = trained(house, hours=80, ended=False)
    with house.store.writing() as db:
        waiting = runs.submit(db, _spec(held), owner=BEN, place=held.place, now=NOW - timedelta(hours=1))
        runs.keep_prepared(db, waiting.id, PREPARED)
    text = ask(house, "plan rtmdet-nano on fish").text
    assert line_of(text, "*When*").startswith("*When* Number 2 of 2 in the queue: starts about 15:0")
    first = line_of(text, "*First*")
    assert f"Its turn comes after {waiting.id}, which wants the same." in first
    assert f"{waiting.id} of <@{BEN}> goes first: of late <@{BEN}> has used 0.0 GPU hours and <@{ADA}> 6" in first
    said = ask(house, "run rtmdet-nano on fish").text
    assert line_of(said, "*When*") == line_of(text, "*When*") and line_of(said, "*First*") == first


def test_whom_it_would_stop_is_said_before(house: House) -> None:
    held = trained(house, ended=False)
    assert f"It would stop `{held.id}` after the next checkpoint" in ask(house, "plan rtmdet-nano on fish --priority 5").text
    assert "It would stop" not in ask(house, "plan rtmdet-nano on fish --priority 4").text


def test_what_would_fill_the_disk_is_refused_and_nothing_is_queued(house: House) -> None:
    trained(house, checkpoint_bytes=30 * GB)
    before = runs.newest(house.store.reading(), limit=9)
    for verb in ("plan", "run"):
        given = ask(house, f"{verb} rtmdet-nano on fish")
        assert not given.ok
        assert "It needs 150 GB in /root/.signalbox on gpu1 (0 MB of the dataset, 5 checkpoints of 30 GB each, as in r-" in given.text
        assert "which has 100 GB free. Free some there, or keep fewer checkpoints (--keep 1)." in given.text
    assert runs.newest(house.store.reading(), limit=9) == before
    assert ask(house, "plan rtmdet-nano on fish --keep 1").ok
    with house.store.writing() as db:  # a server that fell silent may have been tidied up since
        db.conn.execute("UPDATE hosts SET resources = json_set(resources, '$.at', '2026-11-20T00:00:00+00:00')")
    given = ask(house, "plan rtmdet-nano on fish")
    assert given.ok and "gpu1 has too little disk" in given.text


def test_what_runs_there_will_write_is_not_free(house: House) -> None:
    trained(house, checkpoint_bytes=15 * GB, ended=False)
    with house.store.writing() as db:
        db.conn.execute("UPDATE checkpoints SET removed = 1 WHERE epoch < 4")
    refused = ask(house, "plan rtmdet-nano on fish")
    assert "which has 55 GB free" in refused.text, "three of its five checkpoints are still to come"


def test_a_training_on_two_hosts_names_both_and_needs_the_disk_of_both(house: House) -> None:
    with house.store.writing() as db:
        hosts.put(db, replace(hosts.get(db, "gpu1"), name="gpu2"))
        hosts.note_seen(db, "gpu2", now=NOW)
        device = DeviceUse("GPU-9", 0, "A100", 81_920, 0, processes=())
        hosts.note_resources(db, Resources("gpu2", (device,), disk_free_bytes=GB, disk_total_bytes=900 * GB), now=NOW)
        hosts.put_environment(db, Environment("gpu2", "upstream", "mmdet", "/p", "/c", "f"))
    def planned() -> str:
        found = plan(house, somebody(role=Role.OPERATOR), preset="rtmdet-nano", dataset="fish", wish=Wish("gpu1,gpu2"))
        return when(found.foreseen, now=NOW, zone=house.settings.time_zone)

    assert "starts at once on gpu1 and gpu2 (GPU 0: A100)" in planned()
    trained(house)
    with pytest.raises(RequestError, match=r"on gpu2 .*, which has 1\.0 GB free"):
        planned()
    assert ask(house, "plan rtmdet-nano on fish").ok, "gpu1 alone has room"


def test_what_no_quota_lets_start_is_refused(house: House) -> None:
    settings = house.settings.model_copy(update={"queue": Policy(person_gpus=1)})
    refused = ask(replace(house, settings=settings), "run rtmdet-nano on fish --gpus 2")
    assert not refused.ok
    assert "2 GPUs are more than a person may hold at a time (1); ask for 1 at most." in refused.text


def _spec(run: Run) -> TrainSpec:
    assert isinstance(run.spec, TrainSpec)
    return run.spec
