"""What people ask of trained models: to evaluate, use, export and fetch them, and to see how they learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import TypedDict, Unpack

from recipes.catalog.versions import DatasetVersion
from runner.checkpoints import best, measured, wanted
from runner.entities import Checkpoint, Run
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.frameworks.base import Framework
from runner.service.datasets import frozen, newest_readable
from runner.service.detections import FOUND
from runner.service.given_files import keep_files
from runner.service.hosts import Wish, where_to_run
from runner.service.house import House, Requester
from runner.service.presets import require_free_name
from runner.service.runs import find
from runner.settings import Role
from runner.specs import (
    BoardSpec,
    FetchSpec,
    GivenFile,
    Kind,
    ModelSpec,
    Overrides,
    ResultFile,
    RunSpec,
    Start,
    StartMode,
    TrainSpec,
)
from runner.store import attempts, hosts, progress, runs

LONGEST_BOARD_HOURS = 72.0
WHOLE_RUN = ("config", "log", "tensorboard", "results", "all-checkpoints")
"""What can be fetched beside one checkpoint (``best``, ``latest``, ``epoch_12``)."""
_SPLITS = ("test", "val")
_VERBS = {Kind.EVAL: "evaluate", Kind.PREDICT: "use", Kind.EXPORT: "export"}


@dataclass(frozen=True, slots=True)
class ResultFileView:
    """A file that a run left and that was brought here; ``name`` is its path below the run's results."""

    name: str
    path: Path
    size_bytes: int


@dataclass(frozen=True, slots=True)
class CheckpointView:
    """A checkpoint as lists show it. ``best`` marks one; ``ap`` is the mAP of its epoch; ``there``: it is still on its host."""

    name: str
    epoch: int
    size_bytes: int | None
    best: bool
    ap: float | None
    attempt: int
    there: bool


@dataclass(frozen=True, slots=True)
class _Model:
    """A trained run whose model is used, and the host where the wanted checkpoint lies."""

    run: Run
    spec: TrainSpec
    framework: Framework
    start: Start
    host: str


class Using(TypedDict, total=False):
    """What can be chosen where a model is used; None, or nothing, means the usual.

    ``checkpoint``: the best one, else the newest whole one. ``dataset``: what it trained on. ``split``: test where there is one, else
    val. ``batch``: the framework's. ``gpus``: one. ``devices``: these very GPUs, by UUID. ``host``: that of the model, with the numbers of
    GPUs (``gpu-1:2,3``). ``options``: raw framework options.
    """

    checkpoint: str | None
    dataset: str | None
    split: str | None
    batch: int | None
    gpus: int | None
    devices: Sequence[str]
    host: str | None
    options: Sequence[str]


def submit_eval(
    house: House, who: Requester, run_id: str, **using: Unpack[Using]
) -> Run:
    """Queue the measuring of a model on a split of a dataset."""
    model = _model(house, run_id, Kind.EVAL, using)
    return _submit(house, who, _spec(house, Kind.EVAL, model, using, **_data(house, model, Kind.EVAL, using)), parent_id=model.run.id)


def submit_predict(
    house: House, who: Requester, run_id: str, *, files: Sequence[Path | GivenFile] = (),
    results: Sequence[ResultFile] = (ResultFile.PICTURES,), score: float = 0.3, **using: Unpack[Using],
) -> Run:
    """Queue the use of a model on given pictures or a video, or else on a split of a dataset.

    Large files are better kept before (``given_files.keep_files``), outside of any transaction, and given as what that returned.
    """
    who.must_be(Role.MEMBER, "submit runs")
    if files and (using.get("dataset") or using.get("split")):
        raise RequestError("Give either files or a dataset, not both.")
    model = _model(house, run_id, Kind.PREDICT, using)
    read = {"files": _given(house, files)} if files else _data(house, model, Kind.PREDICT, using)
    spec = _spec(house, Kind.PREDICT, model, using, results=tuple(dict.fromkeys(results)), score=score, **read)
    return _submit(house, who, spec, parent_id=model.run.id)


def submit_export(
    house: House, who: Requester, run_id: str, *, checkpoint: str | None = None, publish_as: str | None = None
) -> Run:
    """Queue the export of a run's best checkpoint (or the one named); ``publish_as`` names a preset that will start from it."""
    if publish_as is not None:
        who.must_be(Role.OPERATOR, "add presets")
        require_free_name(house, publish_as)
    using = Using(checkpoint=checkpoint)
    model = _model(house, run_id, Kind.EXPORT, using)
    spec = _spec(house, Kind.EXPORT, model, using, publish_as=publish_as)
    return _submit(house, who, spec, parent_id=model.run.id)


def submit_fetch(house: House, who: Requester, run_id: str, *, what: str) -> Run:
    """Queue the bringing of a run's files here: ``best``, ``latest``, ``epoch_12``, or one of :data:`WHOLE_RUN`."""
    run = find(house, run_id)
    if run.host is None or not run.attempt:
        raise RequestError(f"{run.id} has left nothing yet: it has not started ({run.reason.in_words}).")
    host = hosts.get(house.store.reading(), run.host).name
    directory, paths = _paths(house, run, what)
    spec = FetchSpec(run_id=run.id, host=host, directory=directory, what=what, paths=paths)
    return _submit(house, who, spec, parent_id=run.id)


def submit_board(house: House, who: Requester, run_id: str, *, hours: float = 4.0) -> Run:
    """Queue a TensorBoard over a training's newest attempt, on its host; the one that shows it already if there is one."""
    run, spec = _training(house, run_id, "see")
    if not 0 < hours <= LONGEST_BOARD_HOURS:
        raise RequestError(f"TensorBoard runs for at most {LONGEST_BOARD_HOURS:g} hours; {hours:g} is not possible.")
    with house.store.writing() as db:
        for live in runs.live(db):
            if isinstance(live.spec, BoardSpec) and live.spec.run_id == run.id and live.stop_requested_by is None:
                return live
        attempt = attempts.get(db, run.id, run.attempt)
        folder = f"{attempt.directory}/{_framework(house, spec).log_folder}"
        board = BoardSpec(
            run_id=run.id, host=hosts.get(db, attempt.host).name, framework=spec.preset.framework, environment=spec.preset.environment,
            folder=folder, hours=hours,
        )
        return _submit(house, who, board, parent_id=run.id)


def results_of(house: House, run_id: str, names: Sequence[str] | None = None) -> list[ResultFileView]:
    """The files of a run that were brought here, by name, or those of these ``names``, without what only pictures are drawn from; none
    once they are too old to be kept."""
    root = house.settings.results / find(house, run_id).id
    paths = root.rglob("*") if names is None else (root / name for name in names)
    files = sorted(path for path in paths if path.is_file())
    shown = ((path.relative_to(root).as_posix(), path) for path in files)
    return [ResultFileView(name, path, path.stat().st_size) for name, path in shown if name != FOUND]


def checkpoints_of(house: House, run_id: str) -> list[CheckpointView]:
    """Every checkpoint that a run wrote, oldest first, those that are gone included."""
    db = house.store.reading()
    run = find(house, run_id)
    written = sorted(progress.checkpoints(db, run.id), key=lambda pair: (pair[0], pair[1].epoch, pair[1].name))
    measures, chosen = measured(progress.evaluations(db, run.id)), best(db, run.id)
    marked = None if chosen is None else (chosen.attempt.number, chosen.checkpoint)
    return [_checkpoint_view(number, item, marked=(number, item) == marked, ap=measures.get(item.epoch)) for number, item in written]


def _checkpoint_view(attempt: int, item: Checkpoint, *, marked: bool, ap: float | None) -> CheckpointView:
    return CheckpointView(item.name, item.epoch, item.size_bytes, marked, ap, attempt, not item.removed)


def _training(house: House, run_id: str, what: str) -> tuple[Run, TrainSpec]:
    run = find(house, run_id)
    if not isinstance(run.spec, TrainSpec):
        raise RequestError(f"{run.id} is {run.kind.value}, not a training; there is nothing to {what}.")
    if run.host is None or not run.attempt:
        raise RequestError(f"{run.id} has not trained yet ({run.reason.in_words}); there is nothing to {what}.")
    return run, run.spec


def _model(house: House, run_id: str, kind: Kind, using: Using) -> _Model:
    checkpoint = using.get("checkpoint")
    run, spec = _training(house, run_id, _VERBS[kind])
    framework = _framework(house, spec)
    if kind not in framework.kinds:
        able = ", ".join(sorted(each.value for each in framework.kinds))
        raise RequestError(f"{kind.value} is not possible with {framework.name}; it can do: {able}.")
    left = wanted(house.store.reading(), run.id, checkpoint, best_first=True)
    if not left:
        raise RequestError(f"{run.id} has not left a checkpoint yet ({run.reason.in_words}); there is nothing to {_VERBS[kind]}.")
    host = hosts.get(house.store.reading(), left[0].attempt.host).name
    return _Model(run, spec, framework, Start(mode=StartMode.FINETUNE, run_id=run.id, checkpoint=checkpoint), host)


def _framework(house: House, spec: TrainSpec) -> Framework:
    return find_framework(spec.preset.framework, house.settings.extensions)


def _devices(house: House, model: _Model, using: Using) -> tuple[tuple[str, ...], int | None]:
    """(these very devices, or so many) of the host where the model lies."""
    host = using.get("host")
    if host is None:
        return tuple(using.get("devices", ())), using.get("gpus")
    where = where_to_run(house, Wish(host, using.get("gpus")))
    if where.host != model.host:
        raise RequestError(f"The checkpoint of {model.run.id} lies on {model.host}, so it is used there; choose GPUs as {model.host}:2,3.")
    return where.devices, where.gpus


def _spec(house: House, kind: Kind, model: _Model, using: Using, **asked: object) -> ModelSpec:
    devices, gpus = _devices(house, model, using)
    return ModelSpec.model_validate({
        "kind": kind, "preset": model.spec.preset, "model": model.start, "trained_on": model.spec.dataset, "host": model.host,
        "overrides": Overrides(batch=using.get("batch"), options=tuple(using.get("options", ()))),
        "devices": devices, "gpus": len(devices) or (1 if gpus is None else gpus), **asked,
    })


def _data(house: House, model: _Model, kind: Kind, using: Using) -> dict[str, object]:
    """The dataset and the split that are read."""
    dataset, split = using.get("dataset"), using.get("split")
    reference = newest_readable(house, dataset or str(model.spec.dataset), model.framework.formats)
    version = frozen(house, reference if dataset else model.spec.dataset)
    return {"dataset": reference, "split": split_to_read(version, split, kind)}


def split_to_read(version: DatasetVersion, split: str | None, kind: Kind) -> str:
    """The split that is meant, or the usual one; RequestError where there is none, of an evaluation none with boxes."""
    there = [name for name, count in version.summary.splits.items() if (count.boxes if kind is Kind.EVAL else count.images)]
    chosen = split or next((name for name in _SPLITS if name in there), None)
    if chosen is None or chosen not in there:
        missing = f"no split {split}" if split else "neither a test nor a val split"
        needed = " with boxes to measure against" if kind is Kind.EVAL else ""
        raise RequestError(f"{version.reference} has {missing}{needed}; it has: {', '.join(there) or 'none'}. Name one with `--split`.")
    return chosen


def _given(house: House, files: Sequence[Path | GivenFile]) -> tuple[GivenFile, ...]:
    paths = [file for file in files if isinstance(file, Path)]
    kept = [file for file in files if isinstance(file, GivenFile)]
    return (*kept, *keep_files(house, paths))


def _paths(house: House, run: Run, what: str) -> tuple[str, tuple[str, ...]]:
    """(directory, patterns below it) of what is wanted of a run, as the host's own program takes them (runner/host/gather.py)."""
    db = house.store.reading()
    newest = attempts.get(db, run.id, run.attempt).directory
    match what:
        case "config":
            # Not spec.json and command.sh: these may hold tokens, of a start checkpoint's URL and of an environment's variables.
            return newest, ("config.*", "run_config.*", "*.config", "code/**")
        case "results":
            return newest, ("results/**",)
        case "log" if not isinstance(run.spec, TrainSpec):
            return newest, ("log",)
    spec = _training(house, run.id, "fetch")[1]
    framework = _framework(house, spec)
    whole_run = newest.rpartition("/")[0]
    match what:
        case "log":
            return newest, ("log", f"{framework.log_folder}/**/*.log", f"{framework.log_folder}/**/*.json")
        case "tensorboard":
            return whole_run, (f"*/{framework.log_folder}/**/events.out.tfevents.*",)
        case "all-checkpoints":
            left = wanted(db, run.id)
            files = [_files(f"{item.attempt.number}/{framework.checkpoint_folder}", item.checkpoint) for item in left]
            paths = tuple(pattern for patterns in files for pattern in patterns)
        case _:
            left = wanted(db, run.id, what)
            whole_run, paths = left[0].attempt.directory, _files(framework.checkpoint_folder, left[0].checkpoint)
    if not paths:
        raise RequestError(f"{run.id} has not left a checkpoint yet; there is nothing to fetch.")
    return whole_run, paths


def _files(folder: str, checkpoint: Checkpoint) -> tuple[str, str]:
    """A checkpoint's own file, or what its prefix begins (TensorFlow)."""
    path = escape(f"{folder}/{checkpoint.name}")
    return path, f"{path}.*"


def _submit(house: House, who: Requester, spec: RunSpec, *, parent_id: str) -> Run:
    who.must_be(Role.MEMBER, "submit runs")
    if isinstance(spec, ModelSpec) and spec.overrides.options:
        who.must_be(Role.OPERATOR, "pass raw framework options (after --)")
    with house.store.writing() as db:
        return runs.submit(
            db, spec, owner=who.person, place=who.place, now=house.now(), parent_id=parent_id, request_id=who.request_id
        )
