"""A house in the middle of a working day, on the local workspace: trainings at work, waiting, failed and done, two servers, datasets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from recipes.catalog.versions import DatasetVersion
from runner.entities import Checkpoint, Environment, Evaluation, Host, Place, Progress, Run, TransportName
from runner.evidence import DeviceUse, Resources
from runner.specs import DatasetRef, Overrides, Preset, Start, StartMode, TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, people, progress, runs
from tests.support.slack_house import SlackHouse
from tests.support.words_house import add_dataset

NANO = Preset(
    name="rtmdet-nano", framework="mmdet", config="rtmdet/rtmdet_nano_8xb32-300e_coco.py", description="small and quick", epochs=40,
    batch=8, lr=0.004,
)
TINY = NANO.model_copy(update={"name": "rtmdet-tiny", "config": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py"})
CLASSES = {"cod": 812, "eel": 402, "plaice": 350, "dab": 220, "crab": 190, "sea star": 96, "shrimp": 44}
MINUTES_AN_EPOCH = 4
ITERATIONS = 120


@dataclass(frozen=True)
class Lively:
    """The runs of the day, by what became of them."""

    parent: Run
    working: Run
    done: Run
    silent: Run
    failed: Run
    waiting: Run


def lively(served: SlackHouse) -> Lively:
    """Fill an empty house."""
    house, now = served.house, served.house.now()
    add_dataset(house, "fish", format_name="vatic", classes=CLASSES)
    fish = _reference(add_dataset(house, "fish", classes=CLASSES))
    traffic = _reference(add_dataset(house, "traffic", classes={"car": 8021, "bus": 911, "cyclist": 1204}))
    for name in ("gpu-1", "gpu-2"):
        _add_server(served, name, now)
    day = _Day(served, now)
    parent = day.trained(day.submit("ada", NANO, fish), hours_ago=20, epochs=40, best=0.58, device=0)
    day.ended(parent, Reason.COMPLETED)
    done = day.submit("ada", NANO, fish, start=Start(mode=StartMode.FINETUNE, run_id=parent.id), parent=parent, lr=0.001, epochs=24)
    day.trained(done, hours_ago=5, epochs=24, best=0.64, device=0)
    day.ended(done, Reason.COMPLETED)
    failed = day.trained(day.submit("ben", TINY, traffic, batch=64), hours_ago=2, epochs=3, best=0.2, device=1)
    day.failed(failed)
    silent = day.trained(day.submit("ben", TINY, traffic), hours_ago=1.5, epochs=20, best=0.44, device=0, host="gpu-2")
    silent = day.move(silent, Reason.UNREACHABLE, detail="gpu-2 has not answered for 6 min: no route to host.")
    working = day.trained(day.submit("ada", NANO, fish, lr=0.002), hours_ago=1.7, epochs=25, best=0.55, device=0, half=True)
    waiting = day.move(
        day.submit("ada", TINY, fish, gpus=4), Reason.WAITING_FOR_GPU, detail="it needs 4 GPUs on one host, and gpu-1 has 3 free.",
    )
    return Lively(parent, working, done, silent, failed, waiting)


@dataclass(frozen=True)
class _Day:
    served: SlackHouse
    now: datetime

    def submit(
        self, owner: str, preset: Preset, dataset: DatasetRef, *, start: Start = Start(), parent: Run | None = None, gpus: int = 1,
        **changed: float | int,
    ) -> Run:
        spec = TrainSpec(
            preset=preset, dataset=dataset, overrides=Overrides.model_validate(changed), start=start, gpus=gpus
        )
        with self.served.house.store.writing() as db:
            return runs.submit(
                db, spec, owner=self.served.people[owner], place=Place(self.served.training), now=self.now - timedelta(minutes=3),
                parent_id=parent.id if parent else None,
            )

    def move(self, run: Run, reason: Reason, detail: str = "") -> Run:
        with self.served.house.store.writing() as db:
            return runs.transition(db, runs.get(db, run.id), reason, now=self.now, detail=detail)

    def ended(self, run: Run, reason: Reason) -> None:
        with self.served.house.store.writing() as db:
            hosts.release(db, run.id)
            runs.transition(db, runs.get(db, run.id), reason, now=self.now - timedelta(minutes=30))

    def failed(self, run: Run) -> None:
        sentence = "The GPU has 48 GiB; batch 64 needed more in the 3rd epoch, at iteration 61."
        said = {
            "reason": "OUT_OF_MEMORY", "sentence": sentence, "remedy": "Train it with half the batch.", "action": "retry_smaller_batch",
            "tail": ["  File \"train.py\", line 118, in main", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.51 GiB."],
        }
        with self.served.house.store.writing() as db:
            runs.keep_diagnosis(db, run.id, said)
            hosts.release(db, run.id)
            runs.transition(db, runs.get(db, run.id), Reason.OUT_OF_MEMORY, now=self.now - timedelta(minutes=80), detail=sentence)

    def trained(
        self, run: Run, *, hours_ago: float, epochs: int, best: float, device: int, host: str = "gpu-1", half: bool = False
    ) -> Run:
        """The run has trained so many epochs; of the last only half where ``half``."""
        begun = self.now - timedelta(hours=hours_ago)
        with self.served.house.store.writing() as db:
            running = runs.transition(db, run, Reason.STAGING, now=begun, attempt=1, host=host)
            attempt = attempts.begin(db, running, number=1, host=host, root="/home/train/.signalbox", now=begun)
            hosts.lease(db, running, host, [f"GPU-{host}-{device}"], now=begun)
            running = runs.transition(db, running, Reason.WORKING, now=begun)
            for epoch in range(1, epochs + 1):
                last = half and epoch == epochs
                for part in range(1, 3 if last else 5):
                    at = begun + timedelta(minutes=MINUTES_AN_EPOCH * (epoch - 1 + part / 4))
                    progress.keep(db, attempt, [_point(epoch, part * ITERATIONS // 4)], progress.LogPosition(100), now=at)
                if not last:
                    found = _evaluation(epoch, epochs, best)
                    kept = [Checkpoint(f"epoch_{epoch}.pth", epoch, size_bytes=41_000_000), found]
                    progress.keep(db, attempt, kept, progress.LogPosition(100), now=at)
        log = self.served.house.settings.logs / f"{run.id}-1.log"
        lines = (f"11/21 13:{at:02} - mmengine - INFO - Epoch(train) [25][{at}/{ITERATIONS}] lr: 2.0e-03 loss: 0.52" for at in range(60))
        log.write_text("\n".join(lines))
        return running


def _point(epoch: int, iteration: int) -> Progress:
    done = epoch - 1 + iteration / ITERATIONS
    loss = 0.35 + 2.2 * math.exp(-done / 6) + 0.04 * math.sin(done * 7)
    lr = 0.001 + 0.001 * math.cos(done / 14)
    return Progress(epoch, iteration, ITERATIONS, loss=loss, lr=lr, eta_s=600.0, step_s=2.0, memory_mib=9000)


def _evaluation(epoch: int, epochs: int, best: float) -> Evaluation:
    ap = best * (1 - math.exp(-epoch / (epochs / 4))) * (1 - 0.03 * (epoch % 4 == 0))
    spread = {label: max(0.02, ap + (3 - place) * 0.05) for place, label in enumerate(CLASSES)}
    return Evaluation(epoch, "bbox", ap, min(1.0, ap + 0.24), ap + 0.03, ap * 0.5, ap * 0.9, ap * 1.1, spread)


def _add_server(served: SlackHouse, name: str, now: datetime) -> None:
    with served.house.store.writing() as db:
        people.beat(db, "runner", pid=1, now=now + timedelta(hours=1))
        hosts.put(db, Host(
            name, TransportName.SSH, "/home/train/.signalbox", address="10.0.0.1", user="train", host_key="ssh-ed25519 AAAA"
        ))
        hosts.note_seen(db, name, now=now)
        hosts.put_environment(db, Environment(name, "mmdet", "mmdet", "/opt/mm/bin/python", "/opt/mm", "mm-1234567890"))
        devices = tuple(
            DeviceUse(f"GPU-{name}-{index}", index, "RTX A6000", 49140, 31000 if index < 1 else 9, processes=()) for index in range(4)
        )
        hosts.note_resources(db, Resources(name, devices, 412 * 10**9, 2 * 10**12, 3.2, 64, driver="550.54"))


def _reference(version: DatasetVersion) -> DatasetRef:
    return DatasetRef(name=version.name, version=version.number, fingerprint=version.fingerprint, format=version.format)
