"""What a look of the alert rules over a hundred runs costs the runner in processor time; it looks every five seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.alerts.engine import EVERY, AlertEngine
from runner.entities import Evaluation, Host, Place, Progress, Run, TransportName
from runner.evidence import DeviceUse, Resources
from runner.service.house import House
from runner.specs import DatasetRef, TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, progress, runs
from tests.benchmarks.figures import Figure, table
from tests.support.words_house import ADA, NANO, NOW, words_house

RUNS, HOSTS, POINTS_BEFORE, LOOKS = 100, 10, 500, 60
SPEC = TrainSpec(preset=NANO, dataset=DatasetRef(name="fish", version=1, fingerprint="f" * 64, format="coco"))


class _Busy:
    """Ten hosts of ten GPUs, a training on each, one point of every training between two looks."""

    def __init__(self, folder: Path) -> None:
        self.now = NOW
        made = words_house(folder)
        self.house = House(made.settings, made.store, made.catalog, now=lambda: self.now)
        self.points = 0
        with self.house.store.writing() as db:
            for host in range(HOSTS):
                hosts.put(db, Host(f"box{host}", TransportName.LOCAL, "/r"))
            self.runs = [self._begin(number) for number in range(RUNS)]
        for _ in range(POINTS_BEFORE):
            self.go_on()

    def _begin(self, number: int) -> Run:
        db, host = self.house.store.reading(), f"box{number % HOSTS}"
        run = runs.submit(db, SPEC, owner=ADA, place=Place("C0TRAIN01", "1.1"), now=self.now)
        run = runs.transition(db, run, Reason.STAGING, now=self.now, attempt=1, host=host)
        hosts.lease(db, run, host, [f"{host}-GPU-{number // HOSTS}"], now=self.now)
        attempts.note_claim(
            db, attempts.begin(db, run, number=1, host=host, root="/r", now=self.now), pid=1, process_start="1", boot_id="b", now=self.now
        )
        return runs.transition(db, run, Reason.WORKING, now=self.now)

    def go_on(self) -> None:
        self.now += EVERY
        self.points += 1
        epoch, iteration = divmod(self.points, 100)
        with self.house.store.writing() as db:
            for host in range(HOSTS):
                hosts.note_seen(db, f"box{host}", now=self.now, host_time=self.now)
                gpus = tuple(
                    DeviceUse(f"box{host}-GPU-{gpu}", gpu, "H200", 140_000, 20_000, 95, 60, processes=()) for gpu in range(RUNS // HOSTS)
                )
                hosts.note_resources(db, Resources(f"box{host}", gpus, 10**12, 4 * 10**12, 1.0, 16))
            for run in self.runs:
                found: list[Progress | Evaluation] = [Progress(epoch + 1, 10 * iteration, 1000, 1 / self.points, step_s=0.5)]
                found += [Evaluation(epoch + 1, "bbox", 0.4, 0.6, 0.4, None, 0.4, 0.4)] if iteration == 99 else []
                at = progress.LogPosition(self.points, grown_at=self.now)
                progress.keep(db, attempts.get(db, run.id, 1), found, at, now=self.now)


@contextmanager
def _busy() -> Iterator[_Busy]:
    with tempfile.TemporaryDirectory() as folder:
        made = _Busy(Path(folder))
        yield made
        made.house.store.close()


def measure() -> list[Figure]:
    """The processor time of each look, the first of a runner's life, which reads all there is, and those after it."""
    with _busy() as busy:
        engine = AlertEngine(busy.house)
        first, *later = [_look(busy, engine) for _ in range(LOOKS + 1)]
    return [Figure("alert rules, first look at 100 runs, CPU", [first]), Figure("alert rules, a look at 100 runs, CPU", later)]


def _look(busy: _Busy, engine: AlertEngine) -> float:
    busy.go_on()
    began = time.thread_time()
    engine.look()
    return time.thread_time() - began


if __name__ == "__main__":
    print(table(measure()))
