"""A training: the framework's own program on a host, over a tree of links to the dataset."""

from __future__ import annotations

from sqlite_utils import Database

from recipes.catalog.versions import DatasetVersion
from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.frameworks.base import DatasetOnHost, Framework, LogParser, PrepareRequest
from runner.kinds.base import Needs, Work
from runner.preparing import prepared_from
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import Kind, Start, StartMode, TrainSpec
from runner.store import progress, runs

DATA = "data"


class Train:
    """Trains a preset on a dataset."""

    name = Kind.TRAIN

    def needs(self, run: Run) -> Needs:
        """Devices on a host that has the framework's environment; for a later attempt the one where its checkpoints lie."""
        spec = _spec(run)
        host = spec.host or (run.host if run.attempt else None)
        return Needs(host, spec.gpus, framework=spec.preset.framework, environment=spec.preset.environment, prepares=True)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The framework's launch line and the dataset's files under ``data/``."""
        assert environment is not None
        prepared = prepared_from(run.prepared or {})
        plan = _framework(house, run).train(starting_spec(house, run), prepared, environment)
        version = dataset_of(house, run)
        files = {path: entry.digest for path, entry in version.files.items()}
        objects = {entry.digest: house.catalog.objects.path(entry.digest) for entry in version.files.values()}
        return Work(plan, files, objects)

    def log_parser(self, house: House, run: Run) -> LogParser:
        """The framework's."""
        return _framework(house, run).log_parser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The best mAP, in words."""
        known = [item for item in progress.evaluations(db, run.id) if item.ap is not None]
        best = max(known, key=lambda item: item.ap or 0.0, default=None)
        return "" if best is None else f"best mAP {best.ap:.3f} at epoch {best.epoch}"

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


def prepare_request(house: House, run: Run, *, folder: str) -> PrepareRequest:
    """Everything that resolving this run's config depends on; the checkpoints lie on the host that prepares."""
    spec = starting_spec(house, run)
    return PrepareRequest(spec=spec, dataset=dataset_on_host(dataset_of(house, run)), checkpoints=candidates(house, spec), folder=folder)


def starting_spec(house: House, run: Run) -> TrainSpec:
    """The frozen spec; for a later attempt that left checkpoints, going on from its own."""
    spec = _spec(run)
    earlier = progress.checkpoints(house.store.reading(), run.id)
    if not earlier:
        return spec
    overrides = spec.overrides.model_copy(update={"lr": None, "epochs": None})
    return spec.model_copy(update={"start": Start(mode=StartMode.RESUME, run_id=run.id), "overrides": overrides})


def candidates(house: House, spec: TrainSpec) -> tuple[str, ...]:
    """Absolute paths of the checkpoints a run may start from, newest first."""
    start = spec.start
    if start.mode is StartMode.FRESH or start.run_id is None:
        return ()
    db = house.store.reading()
    directories = {attempt.number: attempt.directory for attempt in runs.attempts(db, start.run_id)}
    written = progress.checkpoints(db, start.run_id)
    if start.checkpoint is not None:
        chosen = [(number, item) for number, item in written if item.name.removesuffix(".pth") == start.checkpoint.removesuffix(".pth")]
        if not chosen:
            names = ", ".join(item.name.removesuffix(".pth") for _, item in written) or "none"
            raise RequestError(f"{start.run_id} has no checkpoint {start.checkpoint}; it wrote: {names}.")
        written = chosen
    newest_first = sorted(written, key=lambda pair: (pair[1].epoch, pair[0], not pair[1].best), reverse=True)
    return tuple(f"{directories[number]}/work_dir/{item.name}" for number, item in newest_first)


def dataset_on_host(version: DatasetVersion) -> DatasetOnHost:
    """Where an attempt finds the splits of a COCO version."""
    splits = {split: f"annotations/instances_{split}.json" for split in version.summary.splits}
    return DatasetOnHost(
        classes=tuple(version.summary.classes),
        splits={split: (f"{DATA}/{name}", f"{DATA}/images") for split, name in splits.items() if name in version.files},
        images={split: count.images for split, count in version.summary.splits.items()},
    )


def dataset_of(house: House, run: Run) -> DatasetVersion:
    """The frozen version a run trains on; RequestError when its content is no longer what was frozen."""
    return frozen(house, _spec(run).dataset)


def _spec(run: Run) -> TrainSpec:
    assert isinstance(run.spec, TrainSpec)
    return run.spec


def _framework(house: House, run: Run) -> Framework:
    return find_framework(_spec(run).preset.framework, house.settings.extensions)


kind = Train()
