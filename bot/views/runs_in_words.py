"""What a run is, in a few words, and the command lines that act on it."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from urllib.parse import urlsplit

from bot.views.blocks import Button, quoted
from bot.views.words import count, name
from runner.entities import Remedy, Run
from runner.service.views import RunView
from runner.specs import (
    BoardSpec,
    BootstrapSpec,
    ConvertSpec,
    FetchSpec,
    IngestSpec,
    Kind,
    ModelSpec,
    Origin,
    StartMode,
    TrainSpec,
    Turn,
    VersionsSpec,
)
from runner.states import Reason, State

_NOUNS = {Kind.EVAL: "evaluation", Kind.PREDICT: "prediction", Kind.EXPORT: "export"}


def title(run: Run) -> str:
    """``rtmdet-nano on fish@2``, ``vatic-to-coco of fish@1``, ``upload of fish.zip``: escaped, ready for a message."""
    match run.spec:
        case TrainSpec() as spec:
            return f"{name(spec.preset.name)} on {name(str(spec.dataset))}"
        case ConvertSpec() as spec:
            return f"{name(spec.recipe)} of {name(str(spec.source))}{' (dry run)' if spec.dry_run else ''}"
        case VersionsSpec() as spec:
            return f"{spec.kind.value} of {name(' and '.join(map(str, spec.versions)) or 'every dataset')}"
        case IngestSpec() as spec:
            return f"{_file(spec)} → {name(spec.dataset)}"
        case ModelSpec() as spec:
            return f"{_NOUNS[spec.kind]} of {name(spec.preset.name)}{_used_on(spec)}"
        case FetchSpec() as spec:
            return f"files of {spec.run_id} ({name(spec.what)})"
        case BoardSpec() as spec:
            return f"TensorBoard of {spec.run_id}"
        case BootstrapSpec() as spec:
            return f"environment {name(spec.environment)} on {name(spec.host)}"


def origin(run: Run) -> str:
    """What a run was made from: ``goes on from r-…``, ``with epoch_12.pth of r-…``; empty where it began by itself."""
    if isinstance(run.spec, ModelSpec):
        chosen = str((run.prepared or {}).get("checkpoint") or "").rpartition("/")[2] or run.spec.model.checkpoint
        return f"with {name(chosen) if chosen else 'the best checkpoint'} of `{run.spec.model.run_id}`"
    if not isinstance(run.spec, TrainSpec):
        return ""
    if run.parent_id is None:
        return "from the preset's start checkpoint" if run.spec.start.mode is StartMode.FINETUNE else ""
    checkpoint = f" at {name(run.spec.start.checkpoint)}" if run.spec.start.checkpoint else ""
    verb = "goes on from" if run.spec.start.mode is StartMode.RESUME else "fine-tuned from"
    return f"{verb} `{run.parent_id}`{checkpoint}"


def again(run: Run, **changed: str) -> str:
    """The line that asks for the same once more, with options changed (``batch="4"``); empty where it takes an upload."""
    match run.spec:
        case TrainSpec() as spec:
            return _train_again(run, spec, changed)
        case ConvertSpec() as spec:
            renamed = ["--as", spec.dataset] if spec.dataset != spec.source.name else []
            parameters = [f"{key}={value}" for key, value in spec.parameters.items()]
            dry_run = ["--dry-run"] if spec.dry_run else []
            return quoted(["convert", str(spec.source), spec.recipe, *renamed, *dry_run, *parameters])
        case VersionsSpec() as spec:
            return _versions_again(spec)
        case ModelSpec() as spec:
            return _use_again(spec)
        case FetchSpec() as spec:
            return quoted(["fetch", spec.run_id, spec.what])
        case BoardSpec() as spec:
            return quoted(["tensorboard", spec.run_id, "--hours", f"{spec.hours:g}"])
        case BootstrapSpec() as spec:
            if spec.declared:
                return quoted(["host", "verify", spec.host, spec.environment])
            return quoted(["host", "bootstrap", spec.host, "--environment", spec.environment])
        case IngestSpec() as spec:
            return _import_again(spec)


def _used_on(spec: ModelSpec) -> str:
    if spec.kind is Kind.EXPORT:
        return f" as {name(spec.publish_as)}" if spec.publish_as else ""
    if spec.files:
        return f" on {name(spec.files[0].name) if len(spec.files) == 1 else count(len(spec.files), 'file')}"
    split = f" ({name(spec.split)})" if spec.split else ""
    return f" on {name(str(spec.dataset))}{split}" if spec.dataset else ""


def _use_again(spec: ModelSpec) -> str:
    """Files that were given are not given once more."""
    if spec.files or spec.model.run_id is None:
        return ""
    words = [spec.kind.value, spec.model.run_id]
    words += ["on", str(spec.dataset)] if spec.dataset else []
    given = {"split": spec.split, "checkpoint": spec.model.checkpoint, "batch": spec.overrides.batch, "as": spec.publish_as}
    if spec.kind is Kind.PREDICT:
        words += ["--score", f"{spec.score:g}", *(word for result in spec.results for word in ("--as", result.value))]
    words += [word for key, value in given.items() if value is not None for word in (f"--{key}", str(value))]
    raw = ["--", *spec.overrides.options] if spec.overrides.options else []
    gpus = ["--gpus", str(spec.gpus)] if spec.gpus != 1 and not spec.devices else []
    return quoted([*words, *gpus, *(_at(spec) if spec.devices else []), *raw])


def _versions_again(spec: VersionsSpec) -> str:
    if spec.kind is Kind.REMOVE and len(spec.versions) > 1:  # every version of one dataset
        return quoted(["data", "remove", spec.versions[0].name])
    boxes = ["--boxes"] if spec.kind is Kind.DIFF else []
    return quoted(["data", spec.kind.value, *map(str, spec.versions), *boxes])


def _file(spec: IngestSpec) -> str:
    """What is read; of a URL its last part and its server, for a whole one would become a link."""
    parts = urlsplit(spec.file_name) if spec.origin is Origin.URL else None
    return name(f"{parts.path.rpartition('/')[2]} from {parts.netloc}".strip() if parts else spec.file_name, 60)


def _import_again(spec: IngestSpec) -> str:
    """An upload is gone; of a URL, what grants access is not put into a button."""
    if spec.origin is Origin.INBOX or (spec.origin is Origin.URL and spec.archive != spec.file_name):
        return ""
    told = [f"--{key}={value}" for key, value in (("sha256", spec.sha256), ("format", spec.format)) if value]
    return quoted(["data", "add", spec.dataset, spec.file_name, *told])


def model_buttons(view: RunView) -> list[Button]:
    """What can be done with the model that a run trained or used."""
    run = view.run
    match run.spec:
        case TrainSpec() as spec if view.checkpoints:
            lines = {
                "Evaluate": f"eval {run.id}", "Predict": f"predict {run.id}", "Export": f"export {run.id}",
                **_fetch(view),
            }
            return [*(Button(label, line) for label, line in lines.items()), _fine_tune(run, spec)]
        case ModelSpec(kind=Kind.EXPORT) as spec:
            start = [spec.publish_as] if spec.publish_as else [str(spec.model.run_id), *_from(spec.model.checkpoint)]
            tune = Button("Fine-tune from it", quoted(["finetune", start[0], "on", spec.trained_on.name, *start[1:]]))
            return [Button("Fetch", f"fetch {run.id} results"), tune]
        case ModelSpec() as spec:
            return [Button("The training", f"show {spec.model.run_id}")]
    return []


def _fetch(view: RunView) -> dict[str, str]:
    best = any(checkpoint.best and not checkpoint.removed for _, checkpoint in view.checkpoints)
    return {"Fetch best": f"fetch {view.run.id} best"} if best else {"Fetch newest": f"fetch {view.run.id} latest"}


def buttons(view: RunView) -> list[Button]:
    """What can be done with a run in its state, the likeliest first. A failure's begin with what mends it."""
    run = view.run
    log = [Button("Log", f"log {run.id}")] if run.attempt else []
    plot = [Button("Plot", f"plot {run.id}")] if isinstance(run.spec, TrainSpec) and view.progress else []
    if not run.state.final:
        why = [Button("Why", f"why {run.id}")] if run.state is State.PENDING or view.stale else []
        stop = [] if run.stop_requested_by else [Button("Stop", f"stop {run.id}", "danger")]
        return [*log, *plot, *why, *stop]
    if run.state is State.FAILED:
        return [*remedies(view), *plot]
    if isinstance(run.spec, ModelSpec) and run.state is State.SUCCEEDED:
        return [*model_buttons(view), *log]
    again_line = again(run) if run.state is State.CANCELLED else ""
    resume = [Button("Resume", f"resume {run.id}")] if again_line and view.checkpoints and isinstance(run.spec, TrainSpec) else []
    retry = [Button("Run again", again_line)] if again_line else []
    return [*resume, *retry, *_with_the_model(view), *plot, *log]


def _with_the_model(view: RunView) -> list[Button]:
    run = view.run
    if not isinstance(run.spec, TrainSpec) or not view.checkpoints:
        return []
    return [Button("Evaluate", f"eval {run.id}"), _fine_tune(run, run.spec)]


def _fine_tune(run: Run, spec: TrainSpec) -> Button:
    return Button("Fine-tune…", f"finetune {run.id} on {spec.dataset.name}", form=True)


def links(view: RunView) -> list[Button]:
    """What belongs to a run: where it came from, what it reads, what it left."""
    run = view.run
    if isinstance(run.spec, TrainSpec):
        parent = [Button(f"Parent {run.parent_id}", f"show {run.parent_id}")] if run.parent_id else []
        against = [Button("Compare with its parent", f"compare {run.parent_id} {run.id}")] if run.parent_id and view.evaluations else []
        silence = [] if run.state.final else [Button("Silence its alerts 1 h", f"silence run={run.id} --for 1h")]
        left = [Button("Checkpoints", f"checkpoints {run.id}")] if view.checkpoints else []
        dataset = Button(f"Dataset {run.spec.dataset}", f"data show {run.spec.dataset}")
        return [*silence, *parent, *([] if silence else against), dataset, *left, Button("What happened", f"why {run.id}")]
    if isinstance(run.spec, ModelSpec) and run.spec.model.run_id:
        return [Button(f"Training {run.spec.model.run_id}", f"show {run.spec.model.run_id}"), Button("What happened", f"why {run.id}")]
    return [Button("What happened", f"why {run.id}")]


def menu(view: RunView) -> list[Button]:
    """What a list offers for a run, where there is no room for a row of buttons. A menu's entries open no forms."""
    return [Button("Show", f"show {view.run.id}"), *(button for button in buttons(view) if not button.form)]


def remedies(view: RunView) -> list[Button]:
    """What mends a failure: the remedy of its diagnosis first, painted green; then whatever else can be done."""
    action = view.diagnosis.action if view.diagnosis else None
    first = action or _USUAL_REMEDY.get(view.run.reason, Remedy.RESUME)
    offered = [_REMEDIES[remedy](view) for remedy in dict.fromkeys((first, Remedy.RESUME, Remedy.RETRY))]
    found = [button for button in offered if button is not None]
    log = [Button("Log", f"log {view.run.id}")] if view.run.attempt else []
    return [*(replace(button, style="primary") for button in found[:1]), *found[1:], *log]


def _resume(view: RunView) -> Button | None:
    """Go on from the newest checkpoint; where the loss ran away, with a tenth of the learning rate."""
    run, lr = view.run, view.progress.lr if view.progress else None
    if not isinstance(run.spec, TrainSpec) or not view.checkpoints:
        return None
    if run.reason is Reason.DIVERGED and lr is not None and isfinite(lr) and lr > 0:
        return Button(f"Resume with lr {lr / 10:.3g}", f"resume {run.id} --lr {lr / 10:.3g}")
    return Button("Resume", f"resume {run.id}")


def _retry(view: RunView) -> Button | None:
    line = again(view.run)
    return Button("Start over" if view.checkpoints else "Run again", line) if line else None


def _retry_smaller_batch(view: RunView) -> Button | None:
    """Half the batch, and the learning rate by the linear rule."""
    run = view.run
    if not isinstance(run.spec, TrainSpec):
        return None
    batch = run.spec.overrides.batch or run.spec.preset.batch
    lr = float(str((run.prepared or {}).get("lr") or run.spec.overrides.lr or run.spec.preset.lr)) * (batch // 2) / batch
    return Button(f"Run with batch {batch // 2} and lr {lr:.3g}", again(run, batch=str(batch // 2), lr=f"{lr:.3g}")) if batch > 1 else None


def _drop_unreadable(view: RunView) -> Button | None:
    """A version of the dataset without what cannot be decoded; its card says how many images those were."""
    spec = view.run.spec
    if not isinstance(spec, TrainSpec) or spec.dataset.format != "coco":
        return None
    return Button("Drop unreadable images", quoted(["convert", str(spec.dataset), "drop-unreadable"]))


_REMEDIES = {
    Remedy.RESUME: _resume, Remedy.RETRY: _retry, Remedy.RETRY_SMALLER_BATCH: _retry_smaller_batch,
    Remedy.DROP_UNREADABLE: _drop_unreadable,
}
_USUAL_REMEDY = {
    Reason.OUT_OF_MEMORY: Remedy.RETRY_SMALLER_BATCH, Reason.BAD_SPEC: Remedy.RETRY, Reason.ENVIRONMENT_ERROR: Remedy.RETRY,
}


def _train_again(run: Run, spec: TrainSpec, changed: dict[str, str]) -> str:
    given = spec.overrides
    asked = {
        "epochs": given.epochs, "lr": given.lr, "batch": given.batch, "eval-every": given.eval_every, "keep": given.keep,
        "at-epoch": spec.start.at_epoch,
    }
    options = {key: f"{value:g}" for key, value in asked.items() if value is not None} | changed
    words = [word for key, value in options.items() for word in (f"--{key}", value)]
    words += [*([] if given.distributed else ["--no-distributed"]), *_turn(spec.turn)]
    raw = ["--", *given.options] if given.options else []
    if spec.start.mode is StartMode.FINETUNE and run.parent_id:
        checkpoint = [*_from(spec.start.checkpoint), *(_at(spec) if spec.devices or spec.among else [])]
        return quoted(["finetune", run.parent_id, "on", str(spec.dataset), *checkpoint, *words, *raw])
    each = spec.gpus // spec.hosts
    place = ["--gpus", str(each)] if each != 1 and not spec.devices else []
    place += ["--hosts", str(spec.hosts)] if spec.hosts > 1 else []
    place += _at(spec) if run.parent_id is None else []
    verb = "finetune" if spec.start.at_epoch is not None and run.parent_id is None else "run"
    return quoted([verb, spec.preset.name, "on", str(spec.dataset), *place, *words, *raw])


def _turn(turn: Turn) -> list[str]:
    """What was asked of the queue; what it waited for has ended."""
    asked = {
        "priority": f"{turn.priority}" if turn.priority else "", "mem": f"{turn.memory_mib}M" if turn.memory_mib else "",
        "time": f"{turn.limit_s / 3600:g}h" if turn.limit_s else "",
    }
    return [word for key, value in asked.items() if value for word in (f"--{key}", value)]


def _at(spec: TrainSpec | ModelSpec) -> list[str]:
    """The host that was asked for, and the very devices."""
    if isinstance(spec, TrainSpec) and spec.among:
        return ["--host", ",".join(spec.among)]
    return ["--host", f"{spec.host}:{','.join(spec.devices)}" if spec.devices else spec.host] if spec.host else []


def _from(checkpoint: str | None) -> list[str]:
    return ["--from", checkpoint] if checkpoint else []
