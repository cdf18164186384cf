"""A training's config: from its preset anew, or from what a run was trained with; how far it goes, and from where."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from . import labels as label_maps
from .checkpoints import Checkpoint, newest_whole
from .errors import BadSpecError
from .finetuning import DETECTION, NOTE, TakenOver, take_over
from .identity import identify
from .options import set_texts, set_values
from .pipeline import architecture, base_text, drop_drawing, fit_dataset, frozen_text, parse, prove
from .progress import Position, epochs_at, position
from .records import matching, scan
from .schedule import Steps, base_rate, planned, set_schedule

START = "start"
CONFIG = "pipeline.config"


def train(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PrepareRequest for a training to a Prepared (runner/frameworks/base.py)."""
    spec, dataset = request["spec"], request["dataset"]
    overrides = {key: value for key, value in spec.get("overrides", {}).items() if value}
    resumes = spec.get("start", {}).get("mode") == "resume"
    check_request(spec, dataset)
    labels = label_maps.dataset_labels(request)
    check_data(request, labels)
    whole, refused = started_from(request, resumes=resumes)
    trained = (request.get("trained") or {}) if resumes else {}
    pipeline = resolved(request, trained, overrides)
    highest = max(labels.values())
    check_classes(pipeline, trained, highest)
    notes = unwanted(pipeline, overrides.get("options", ())) + drop_drawing(pipeline)
    fit_dataset(pipeline, dataset["splits"], dataset["splits"]["train"][1], highest)
    at, steps, far = course(request, trained, whole if resumes else None, overrides)
    pipeline.train_config.batch_size = at.batch * max(1, spec.get("gpus", 0))
    wanted_lr = overrides.get("lr") or (None if trained else request.get("lr") or spec["preset"]["lr"])
    set_schedule(pipeline.train_config, steps.last, wanted_lr)
    prove(pipeline)
    answer: dict[str, Any] = {"refused": refused, "notes": notes + far, "checkpoint": whole.prefix if whole else None}
    if whole and not resumes:
        answer.update(begun_from(pipeline, take_over(pipeline, whole, request["folder"]), answer["notes"]))
    values = {
        "labels": labels, "label_map": dataset["splits"]["train"][1], "splits": {name: each[0] for name, each in dataset["splits"].items()},
        "evaluates": bool(pipeline.eval_input_reader), "steps": steps.last, "between_saves": steps.between_saves,
        "first_number": (whole.number or 0) if whole and resumes else 1, **at.values(),
    }  # fmt: skip
    return dict(
        answer, config=frozen_text(pipeline), epochs=max(1, math.ceil(epochs_at(at, steps.last) - 1e-6)), batch=at.batch, values=values,
        lr=base_rate(pipeline.train_config), iterations=max(1, math.ceil(at.steps_per_epoch)),
        checkpoint_epoch=math.floor(at.first_epoch + 1e-6) if whole else None,
        revision=identify({"code": request.get("code_folder")})["revision"],
    )  # fmt: skip


def check_request(spec: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """What needs no TensorFlow to be refused."""
    if spec.get("start", {}).get("at_epoch"):
        raise BadSpecError("TensorFlow's detection API counts a fine-tune from step 0; leave --at-epoch out.", "start.at_epoch")
    if not dataset["images"].get("train") or "train" not in dataset["splits"]:
        raise BadSpecError("The dataset has no images in a split called train.", "dataset.splits")


def started_from(request: Mapping[str, Any], *, resumes: bool) -> tuple[Checkpoint | None, list[tuple[str, str]]]:
    """(the checkpoint that the training begins with, those refused before it)."""
    if not request["checkpoints"] and request["spec"].get("start", {}).get("mode", "fresh") == "fresh":
        return None, []
    whole, refused = newest_whole(request["checkpoints"])
    if resumes and whole.step is None:
        raise BadSpecError("%s holds weights but no step to go on from; fine-tune instead of resuming." % whole.prefix, "checkpoints")
    return whole, refused


def check_classes(pipeline: Any, trained: Mapping[str, Any], highest: int) -> None:
    """A resumed model keeps its heads."""
    known = architecture(pipeline).num_classes
    if trained and known != highest:
        sentence = "The checkpoint's model has %d classes and the dataset %d; fine-tune instead of resuming."
        raise BadSpecError(sentence % (known, highest), "dataset.classes")


def check_data(request: Mapping[str, Any], labels: Mapping[str, int]) -> None:
    """Where the data lies in the folder already: a file for every glob, and boxes that can be trained on."""
    if os.path.isdir(os.path.join(request["folder"], "data")):
        for records, _ in request["dataset"]["splits"].values():
            scan(matching(records, request["folder"]), labels)


def resolved(request: Mapping[str, Any], trained: Mapping[str, Any], overrides: Mapping[str, Any]) -> Any:
    """The config a resumed run was trained with, else the preset's with its options; then what a person set."""
    preset = request["spec"]["preset"]
    if trained:
        pipeline = parse(trained["config"], CONFIG)
    else:
        text = base_text(preset["config"], request.get("code", {}), request.get("code_folder", ""))
        pipeline = parse(text, preset["config"])
        if pipeline.train_config.use_bfloat16:
            pipeline.train_config.use_bfloat16 = False
        set_values(pipeline, preset.get("options", {}))
    set_texts(pipeline, overrides.get("options", ()))
    return pipeline


def unwanted(pipeline: Any, texts: Any) -> list[str]:
    """What no GPU or CPU can do is refused where somebody asks for it; a start checkpoint in the config is no run's. Returns notes."""
    config, notes = pipeline.train_config, []
    if config.use_bfloat16:
        where = "overrides.options" if any("use_bfloat16" in text for text in texts) else "preset.options"
        raise BadSpecError("train_config.use_bfloat16 needs a TPU; leave it out.", where)
    if config.fine_tune_checkpoint and "PATH_TO" not in config.fine_tune_checkpoint and not config.fine_tune_checkpoint.startswith(START):
        notes.append("The config's own start checkpoint %s is not used; a preset names its start." % config.fine_tune_checkpoint)
    for field in ("fine_tune_checkpoint", "fine_tune_checkpoint_type", "fine_tune_checkpoint_version", "from_detection_checkpoint"):
        config.ClearField(field)
    return notes


def begun_from(pipeline: Any, start: TakenOver, notes: list[str]) -> dict[str, Any]:
    """Let the training begin with a checkpoint's weights, which lie at ``start/`` when it is launched."""
    from object_detection.protos import train_pb2

    config = pipeline.train_config
    config.fine_tune_checkpoint = "%s/%s" % (START, os.path.basename(start.prefix))
    config.fine_tune_checkpoint_type = start.kind
    config.fine_tune_checkpoint_version = train_pb2.CheckpointVersion.V2
    if start.kind == DETECTION:
        notes.append(NOTE)
    return {
        "checkpoint": start.prefix, "taken_parameters": len(start.taken), "taken_sha256": start.sha256, "new_parameters": start.new,
    }  # fmt: skip


def course(
    request: Mapping[str, Any], trained: Mapping[str, Any], whole: Checkpoint | None, overrides: Mapping[str, Any]
) -> tuple[Position, Steps, list[str]]:
    """(where the training begins, its steps, notes): so many epochs of so many images, in steps of the whole batch."""
    spec, images = request["spec"], request["dataset"]["images"]["train"]
    preset, earlier = spec["preset"], trained.get("values", {})
    batch = overrides.get("batch") or trained.get("batch") or preset["batch"]
    per_epoch = images / (batch * max(1, spec.get("gpus", 0)))
    asked = overrides.get("epochs") or earlier.get("asked_epochs") or preset["epochs"]
    done = whole.step or 0 if whole else 0
    begun = epochs_at(position(earlier), done) if earlier else done / per_epoch
    wanted = done + math.ceil((asked - begun) * per_epoch - 1e-6)
    if not overrides.get("epochs") and earlier.get("steps_per_epoch") == per_epoch:
        wanted = earlier["steps"]
    if whole and wanted <= done:
        sentence = "%s already holds all %g epochs (step %d); ask for more with --epochs."
        raise BadSpecError(sentence % (os.path.basename(whole.prefix), asked, done), "overrides.epochs")
    steps = planned(done, wanted, (overrides.get("eval_every") or preset.get("eval_every", 1)) * per_epoch)
    at = Position(done, begun, per_epoch, asked, batch)
    return at, steps, rounded(at, steps, wanted)


def rounded(at: Position, steps: Steps, wanted: int) -> list[str]:
    """What the stock program's hundreds of steps make of the epochs, in words."""
    notes = []
    if steps.last != wanted:
        said = "The stock program trains and saves in hundreds of steps: %d steps (%.4g epochs) instead of %d."
        notes.append(said % (steps.last, epochs_at(at, steps.last), wanted))
    notes.append("A checkpoint comes every %d steps, %.3g epochs." % (steps.between_saves, steps.between_saves / at.steps_per_epoch))
    return notes
