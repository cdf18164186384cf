"""How much disk a run takes on a host: what of its dataset is not there yet, and the checkpoints that a training keeps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlite_utils import Database

from recipes.catalog.versions import lacking
from recipes.errors import DatasetError
from runner.entities import Host, Lease, Run
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.queueing.facts import Disk
from runner.service.house import House
from runner.specs import DatasetRef, ModelSpec, Preset, TrainSpec
from runner.start_checkpoints import start_checkpoints
from runner.store import hosts, progress, runs, usage

SPARE = 2
"""Checkpoints beside the newest that are kept: the best one, and the one that is being written before the oldest goes."""
CHECKPOINT_BYTES = "checkpoint_bytes"
"""The value of a prepared run that says how large its checkpoints will be, where its framework can tell."""


@dataclass(frozen=True, slots=True)
class CheckpointSize:
    """How large a checkpoint of a preset is, and how that is known; ``size_bytes`` None: it is not."""

    size_bytes: int | None
    why: str


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """What a run takes on a host: ``dataset_bytes`` have to be sent, and ``checkpoints`` of ``checkpoint`` lie there at a time."""

    dataset_bytes: int
    checkpoints: int
    checkpoint: CheckpointSize

    @property
    def size_bytes(self) -> int:
        """All that is known of it."""
        return self.dataset_bytes + self.checkpoints * (self.checkpoint.size_bytes or 0)


UNKNOWN_SIZE = CheckpointSize(None, "no run of this preset has told it yet")


@dataclass(slots=True)
class DiskNeeds:
    """What runs take, each preset, dataset and host asked once."""

    house: House
    _sizes: dict[str, CheckpointSize] = field(default_factory=dict)
    _lacking: dict[tuple[str, str], int] = field(default_factory=dict)
    _left: dict[tuple[str, str], int] = field(default_factory=dict)
    _of_many: dict[tuple[object, ...], Mapping[str, int]] = field(default_factory=dict)

    @property
    def db(self) -> Database:
        """This thread's."""
        return self.house.store.reading()

    def on(self, run: Run, host: str) -> DiskNeed:
        """What a run takes on a host if it starts there anew."""
        spec = run.spec
        if not isinstance(spec, TrainSpec | ModelSpec) or spec.dataset is None:
            return DiskNeed(0, 0, UNKNOWN_SIZE)
        dataset_bytes = self._to_send(spec.dataset, host)
        if isinstance(spec, ModelSpec):
            return DiskNeed(dataset_bytes, 0, UNKNOWN_SIZE)
        return DiskNeed(dataset_bytes, self._kept(spec), self._size(run, spec.preset))

    def on_each(self, run: Run, names: Sequence[str]) -> Mapping[str, int]:
        """Bytes by host; the same mapping for all runs that want the same."""
        spec = run.spec
        if not isinstance(spec, TrainSpec | ModelSpec):
            return {}
        dataset = spec.dataset.fingerprint if spec.dataset else None  # a hash of the whole takes a multiple of this, ten thousand times
        key = (spec.preset.name, dataset, spec.overrides.keep, spec.overrides.epochs, _told(run), spec.kind, tuple(names))
        if key not in self._of_many:
            self._of_many[key] = {name: self.on(run, name).size_bytes for name in names}
        return self._of_many[key]

    def left_on(self, run_id: str, host: str) -> int:
        """What a run at work on a host will still write there, as far as that is known."""
        if (run_id, host) not in self._left:
            run = runs.get(self.db, run_id)
            need = self.on(run, host)
            written = sum(1 for attempt, item in progress.checkpoints(self.db, run.id) if attempt == run.attempt and not item.removed)
            self._left[run_id, host] = need.dataset_bytes + max(0, need.checkpoints - written) * (need.checkpoint.size_bytes or 0)
        return self._left[run_id, host]

    def _to_send(self, dataset: DatasetRef, host: str) -> int:
        """Contents are known by their digests: those of any version of the dataset that was sent there lie there."""
        key = (str(dataset), host)
        if key not in self._lacking:
            self._lacking[key] = 0 if str(dataset) in hosts.sent(self.db, host) else self._lacked(dataset, host)
        return self._lacking[key]

    def _lacked(self, dataset: DatasetRef, host: str) -> int:
        there: set[str] = set()
        try:
            for reference in hosts.sent(self.db, host):
                if reference.partition("@")[0] == dataset.name:
                    there |= {file.digest for file in self.house.catalog.get(reference).contents}
            return sum(file.size_bytes for file in lacking(self.house.catalog.get(str(dataset)), there))
        except DatasetError:  # a version that was removed since; whoever needs this one is told so when it starts
            return 0

    def _kept(self, spec: TrainSpec) -> int:
        epochs = spec.overrides.epochs or spec.preset.epochs
        try:
            usual = find_framework(spec.preset.framework, self.house.settings.extensions).usually_kept
        except RequestError:
            usual = None
        return min(epochs, spec.overrides.keep or usual or epochs) + SPARE

    def _size(self, run: Run, preset: Preset) -> CheckpointSize:
        told = _told(run)
        if told is not None:
            return CheckpointSize(told, "as preparing counted it")
        if preset.name not in self._sizes:
            self._sizes[preset.name] = self._seen(preset) or self._of_start(preset) or UNKNOWN_SIZE
        return self._sizes[preset.name]

    def _seen(self, preset: Preset) -> CheckpointSize | None:
        run_id, size_bytes = usage.checkpoint_bytes(self.db, preset.name) or ("", 0)
        return CheckpointSize(size_bytes, f"as in {run_id}") if run_id else None

    def _of_start(self, preset: Preset) -> CheckpointSize | None:
        """Weights alone are often published: what a training writes holds its optimizer too."""
        known = start_checkpoints(self.house).known(preset.start) if preset.start else None
        if known is None:
            return None
        files = [self.house.catalog.objects.path(digest) for digest in known.digests]
        return CheckpointSize(sum(file.stat().st_size for file in files), "at least, as its start checkpoint is")


def disks_of(db: Database, needs: DiskNeeds, leases: Iterable[Lease], known: Mapping[str, Host]) -> tuple[Disk, ...]:
    """What is free on each host's disk for runs that are not there yet; hosts that have not said are left out."""
    at_work = {(lease.run_id, lease.host) for lease in leases}
    measured = {name: hosts.disk(db, name) for name in known}
    return tuple(
        Disk(name, known[name].root, max(0, found.free_bytes - sum(needs.left_on(*each) for each in at_work if each[1] == name)))
        for name, found in measured.items() if found
    )


def _told(run: Run) -> int | None:
    values = (run.prepared or {}).get("values")
    told = values.get(CHECKPOINT_BYTES) if isinstance(values, Mapping) else None
    return told if isinstance(told, int) else None
