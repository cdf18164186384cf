"""The verb ``prepare``: a request becomes one whole, proved config and the checkpoint it starts from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .checkpoints import finished_epochs, newest_whole
from .config import frozen_text, resolved
from .finetuning import take_over
from .identity import identify
from .proof import check_files, prove
from .request import check_request
from .resuming import resume, trained_with
from .using import is_use, prepare_use


def prepare(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PrepareRequest to a Prepared (runner/frameworks/base.py)."""
    if is_use(request):
        return prepare_use(request)
    check_request(request)
    spec, dataset, folder = request["spec"], request["dataset"], request["folder"]
    preset, overrides = spec["preset"], {key: value for key, value in spec.get("overrides", {}).items() if value}
    mode = spec.get("start", {}).get("mode", "fresh")
    path, checkpoint, refused = (None, None, [])
    if mode != "fresh":
        path, checkpoint, refused = newest_whole(request["checkpoints"], resumable=mode == "resume")
    if mode == "resume" and "epochs" not in overrides:
        preset = dict(preset, epochs=trained_with(checkpoint)[2])
    cfg, notes = resolved(preset, overrides, spec, dataset)
    check_files(folder, dataset)
    model = prove(cfg, dataset["classes"])
    answer = {"checkpoint": path, "checkpoint_epoch": finished_epochs(checkpoint) if checkpoint else None, "refused": refused}
    if mode == "resume":
        answer["checkpoint"], notes = resume(cfg, path, checkpoint, model=model, overrides=overrides, folder=folder)
    elif mode == "finetune":
        taken, digest, new = take_over(model, checkpoint)
        answer.update(taken_parameters=len(taken), taken_sha256=digest, new_parameters=new)
        cfg.load_from = path
    answer.update(config=frozen_text(cfg), notes=notes, revision=identify({})["revision"], epochs=cfg.train_cfg["max_epochs"])
    answer.update(batch=cfg.train_dataloader["batch_size"], lr=cfg.optim_wrapper["optimizer"]["lr"])
    return answer
