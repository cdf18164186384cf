"""The verb ``prepare``: a request becomes one whole, proved config and the checkpoint it starts from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checkpoints import finished_epochs, newest_whole, save
from .config import frozen_text, own_modules, resolved
from .datasets import check_splits, measured_tasks
from .errors import BadSpecError
from .finetuning import take_over
from .foreign import is_plain
from .identity import identify
from .own_code import import_modules, lay_down
from .pretrained import leave_out, load_pretrained
from .proof import check_files, checkpoint_bytes, prove
from .request import check_request
from .resuming import resume, trained_with
from .using import is_use, prepare_use

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch.nn import Module


def prepare(request: Mapping[str, Any]) -> dict[str, Any]:
    """A PrepareRequest to a Prepared (runner/frameworks/base.py)."""
    if is_use(request):
        return prepare_use(request)
    check_request(request)
    spec, dataset, folder = request["spec"], request["dataset"], request["folder"]
    preset, overrides = spec["preset"], {key: value for key, value in spec.get("overrides", {}).items() if value}
    check_wishes(spec, dataset)
    start = spec.get("start") or {}
    mode = start.get("mode", "fresh")
    ours = mode == "resume" or bool(start.get("run_id"))
    path, checkpoint, refused = (None, None, [])
    if mode != "fresh":
        path, checkpoint, refused = newest_whole(request["checkpoints"], resumable=mode == "resume", own=ours)
    if mode == "resume" and "epochs" not in overrides:
        preset = dict(preset, epochs=trained_with(checkpoint)[2])
    own = own_modules(preset, request)
    lay_down(request.get("code") or {}, folder)
    import_modules(own, folder)
    made = resolved(request, preset, overrides, own)
    cfg = made.cfg
    check_files(folder, dataset, masks="segm" in measured_tasks(cfg))
    model = prove(cfg, dataset["classes"])
    answer = {"checkpoint": path, "checkpoint_epoch": finished_epochs(checkpoint) if checkpoint else None, "refused": refused}
    made.values["checkpoint_bytes"] = checkpoint_bytes(model, cfg)
    answer.update(notes=made.notes, values=made.values, iterations=made.iterations, lr=made.lr)
    if mode == "resume":
        go_on(cfg, answer, checkpoint, model=model, overrides=overrides, request=request)
    elif mode == "finetune":
        begin_with(cfg, answer, checkpoint, model=model, copy_to=None if ours else folder)
    answer["notes"] = [*answer["notes"], *load_pretrained(cfg)]
    answer.update(config=frozen_text(cfg), revision=identify({})["revision"], epochs=cfg.train_cfg["max_epochs"])
    answer.update(batch=cfg.train_dataloader["batch_size"])
    return answer


def check_wishes(spec: Mapping[str, Any], dataset: Mapping[str, Any]) -> None:
    """What is asked for can be had of this framework and this dataset, as far as no config says more."""
    check_splits(dataset, "%s@%s" % (spec["dataset"]["name"], spec["dataset"]["version"]))
    if (spec.get("start") or {}).get("at_epoch"):
        raise BadSpecError("MMDetection counts a fine-tune from epoch 0; leave --at-epoch out.", "start.at_epoch")
    if spec.get("gpus", 1) > 1 and not spec.get("overrides", {}).get("distributed", True):
        sentence = "MMDetection 3.x drives several GPUs with a process for each; leave --no-distributed out."
        raise BadSpecError(sentence, "overrides.distributed")


def go_on(
    cfg: Config, answer: dict[str, Any], checkpoint: dict[str, Any], *, model: Module, overrides: Mapping[str, Any],
    request: Mapping[str, Any],
) -> None:
    """The config and the answer of a resume: all weights, the schedule and the learning rate are the checkpoint's, or as asked."""
    leave_out(cfg)
    answer["values"].pop("auto_scale_lr", None)
    trained_lr = (request.get("trained") or {}).get("lr")
    answer["checkpoint"], answer["notes"] = resume(
        cfg, answer["checkpoint"], checkpoint, model=model, overrides=overrides, folder=request["folder"], trained_lr=trained_lr
    )
    answer["lr"] = cfg.optim_wrapper["optimizer"]["lr"]


def begin_with(cfg: Config, answer: dict[str, Any], checkpoint: dict[str, Any], *, model: Module, copy_to: str | None) -> None:
    """The config and the answer of a fine-tune. Of a checkpoint that no run of ours wrote, the weights alone are loaded; where it holds
    more, from a copy without that."""
    taken, digest, new = take_over(model, checkpoint)
    answer.update(taken_parameters=len(taken), taken_sha256=digest, new_parameters=new)
    leave_out(cfg, unless=new)
    cfg.load_from = answer["checkpoint"]
    if copy_to is not None and not is_plain(answer["checkpoint"]):
        cfg.load_from = answer["checkpoint"] = os.path.join(copy_to, "weights_%s.pth" % digest[:16])
        save(checkpoint, cfg.load_from)
