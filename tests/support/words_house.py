"""A house whose clock stands still, with datasets and runs in it, to test commands and views against. Real SQLite, real catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from recipes.catalog.catalog import Catalog
from recipes.catalog.versions import DatasetVersion, Lineage
from recipes.ledger import LeftOut
from recipes.observing import SplitCount
from recipes.summary import Summary
from runner.entities import Checkpoint, Evaluation, Host, Place, Progress, Run, TransportName
from runner.service.house import House, Requester
from runner.settings import Access, Role, Settings
from runner.specs import ConvertSpec, DatasetRef, Overrides, Preset, Start, TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, people, progress, runs
from runner.store.connection import Store

NOW = datetime(2026, 11, 21, 13, 32, tzinfo=UTC)
ADA = "U0ADA0001"
BEN = "U0BEN0001"
NANO = Preset(name="rtmdet-nano", framework="mmdet", config="rtmdet/x.py", description="small", epochs=20, batch=8, lr=0.004)
_requests = count(1)


def words_house(folder: Path) -> House:
    """An empty installation whose clock stands at NOW, with the host ``gpu1``; the runner has just spoken."""
    access = Access(members=(ADA, BEN))
    settings = Settings(state_folder=folder, zone="Europe/Berlin", access=access)
    for path in (settings.state, settings.inbox, settings.logs):
        path.mkdir(parents=True, exist_ok=True)
    house = House(settings, Store(settings.database), Catalog(settings.catalog), now=lambda: NOW)
    with house.store.writing() as db:
        hosts.put(db, Host("gpu1", TransportName.SSH, "/root/.signalbox", address="10.0.0.1", user="root", host_key="ssh-ed25519 AAAA"))
        hosts.note_seen(db, "gpu1", now=NOW)
        people.beat(db, "runner", pid=1, now=NOW)
    return house


def somebody(person: str = ADA, *, role: Role = Role.MEMBER, door: str = "slash", request_id: str | None = None) -> Requester:
    return Requester(person, role, door, request_id or f"request-{next(_requests)}", Place("C0TRAIN01"))


def add_dataset(
    house: House, name: str = "fish", *, format_name: str = "coco", classes: Mapping[str, int] | None = None,
    left_out: Sequence[LeftOut] = (), notes: Sequence[str] = (), lineage: Lineage | None = None,
) -> DatasetVersion:
    """One more version of a dataset of a single file."""
    held = dict(classes or {"cod": 120, "eel": 80})
    images_of = {} if format_name == "vatic" else {"train": 80, "val": 20}
    splits = {split: SplitCount(images, sum(held.values()), held) for split, images in images_of.items()}
    folder = house.settings.state / "made"
    folder.mkdir(exist_ok=True)
    (folder / "annotations.json").write_text(f"{name} {format_name} {held}")
    summary = Summary(format_name, 100, sum(held.values()), 3, held, splits, {}, tuple(left_out), tuple(notes))
    origin = lineage or Lineage("fish.zip", "signalbox 0.1.0", NOW.isoformat(), ADA)
    return house.catalog.add_version(folder, name=name, summary=summary, lineage=origin)


def training(
    house: House, *, owner: str = ADA, preset: Preset = NANO, dataset: str = "fish", overrides: Overrides = Overrides(),
    start: Start = Start(), parent_id: str | None = None,
) -> Run:
    """A queued training, on the second version of a dataset if there is one."""
    known = house.catalog.get(f"{dataset}@2").fingerprint if 2 in house.catalog.numbers(dataset) else "f" * 64
    spec = TrainSpec(
        preset=preset, dataset=DatasetRef(name=dataset, version=2, fingerprint=known, format="coco"), overrides=overrides, start=start
    )
    place, asked_at = Place("C0TRAIN01", "1700000000.000100"), NOW - timedelta(hours=1)
    with house.store.writing() as db:
        return runs.submit(db, spec, owner=owner, place=place, now=asked_at, parent_id=parent_id)


def converting(house: House, *, owner: str = ADA, **parameters: str) -> Run:
    """A queued conversion."""
    source = DatasetRef(name="fish", version=1, fingerprint="f" * 64, format="vatic")
    spec = ConvertSpec(source=source, recipe="vatic-to-coco", text="", parameters=parameters, dataset="fish")
    with house.store.writing() as db:
        return runs.submit(db, spec, owner=owner, place=Place("C0TRAIN01", "1700000000.000200"), now=NOW - timedelta(minutes=5))


def at_work(house: House, run: Run, *, epochs: int = 7, best_epoch: int = 6, log: str = "") -> Run:
    """The run has trained on ``gpu1`` up to the middle of an epoch, with an evaluation and a checkpoint after each full one."""
    begun = NOW - timedelta(minutes=41)
    with house.store.writing() as db:
        running = runs.transition(db, run, Reason.STAGING, now=begun, attempt=1, host="gpu1")
        attempt = attempts.begin(db, running, number=1, host="gpu1", root="/root/.signalbox", now=begun)
        hosts.lease(db, running, "gpu1", ["cpu:0"], now=begun)
        running = runs.transition(db, running, Reason.WORKING, now=begun)
        records: list[Progress | Evaluation | Checkpoint] = []
        for epoch in range(1, epochs + 1):
            half = epoch == epochs
            records.append(Progress(epoch, 30 if half else 60, 60, loss=2.0 / epoch, lr=0.004, eta_s=3600.0, memory_mib=900))
            if not half:
                ap = 0.7 if epoch == best_epoch else 0.1 * epoch / epochs
                classes = {"cod": ap, "eel": None}
                checkpoint = Checkpoint(f"epoch_{epoch}", epoch, best=epoch == best_epoch)
                records += [checkpoint, Evaluation(epoch, "bbox", ap, ap + 0.2, ap, None, ap, ap, classes)]
        progress.keep(db, attempt, records, progress.LogPosition(100), now=NOW)
    (house.settings.logs / f"{run.id}-1.log").write_text(log or "loading\nEpoch(train) [1][30/60] lr: 0.004\n")
    return running


def ended(
    house: House, run: Run, reason: Reason, *, sentence: str = "It broke.", remedy: str = "Try again.", tail: Sequence[str] = ()
) -> Run:
    """The run ended so; a failure has its diagnosis."""
    with house.store.writing() as db:
        done = runs.transition(db, runs.get(db, run.id), reason, now=NOW, detail=sentence)
        if reason.state.value == "FAILED":
            runs.keep_diagnosis(db, run.id, {"reason": reason.value, "sentence": sentence, "remedy": remedy, "tail": list(tail)})
    return done
