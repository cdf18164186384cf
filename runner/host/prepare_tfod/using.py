"""What is done with a trained model: evaluated, used on records or files, exported. Its config is the one it was trained with."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from . import labels as label_maps
from .checkpoints import newest_whole
from .errors import BadSpecError
from .identity import identify
from .options import set_texts
from .pipeline import EVALUATED, drop_drawing, fit_evaluation, frozen_text, parse
from .progress import epochs_at, position
from .records import matching
from .training import CONFIG


def use(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PrepareRequest for an evaluation, a prediction or an export to a Prepared (runner/frameworks/base.py)."""
    trained, spec = request.get("trained"), request["spec"]
    if not trained:
        raise BadSpecError("What the run was trained with is not known, so its model cannot be built.", "model")
    whole, refused = newest_whole(request["checkpoints"])
    if whole.step is None:
        raise BadSpecError("%s holds no step, so no training wrote it." % whole.prefix, "checkpoints")
    pipeline = parse(trained["config"], CONFIG)
    set_texts(pipeline, spec.get("overrides", {}).get("options", ()))
    labels = trained["values"]["labels"]
    notes = drop_drawing(pipeline)
    records = records_of(request, labels, notes)
    if records:
        fit_evaluation(pipeline, records, label_maps.FILE)
    at = position(trained["values"])
    values = {"labels": labels, "label_map_text": label_maps.text(labels), "records": records, "step": whole.step, **at.values()}
    return {
        "config": frozen_text(pipeline), "epochs": trained["epochs"], "batch": trained["batch"], "lr": trained["lr"],
        "iterations": trained.get("iterations"), "revision": identify({"code": request.get("code_folder")})["revision"], "refused": refused,
        "checkpoint": whole.prefix, "checkpoint_epoch": int(epochs_at(at, whole.step) + 1e-6), "notes": notes, "values": values,
    }  # fmt: skip


def records_of(request: Mapping[str, Any], labels: Mapping[str, int], notes: list[str]) -> str:
    """The glob of the records that a run reads; "" for one that reads none."""
    dataset, spec = request.get("dataset"), request["spec"]
    if dataset is None:
        if spec["kind"] == "eval":
            raise BadSpecError("An evaluation needs a dataset.", "dataset")
        return ""
    known = dataset["splits"]
    split = spec.get("split") or next((each for each in (*EVALUATED, "train") if each in known), "")
    if split not in known:
        raise BadSpecError("The dataset has no split called %r; it has: %s." % (split, ", ".join(known) or "none"), "split")
    if spec["kind"] == "eval":
        check_classes(dataset["classes"], labels, notes)
    if os.path.isdir(os.path.join(request["folder"], "data")):
        matching(known[split][0], request["folder"])
    return str(known[split][0])


def check_classes(classes: Sequence[str], labels: Mapping[str, int], notes: list[str]) -> None:
    """A model is measured on classes that it knows; the evaluation drops boxes of others."""
    foreign = [name for name in classes if name not in labels]
    if len(foreign) == len(classes):
        raise BadSpecError("The model knows none of the dataset's classes: it knows %s." % ", ".join(labels), "dataset.classes")
    if foreign:
        notes.append("The model does not know %s; boxes of these classes do not count." % ", ".join(foreign))
