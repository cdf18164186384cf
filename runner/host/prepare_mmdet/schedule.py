"""A training's epochs, learning rate and schedulers: for another length, and for what is left of one."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError

if TYPE_CHECKING:
    from mmengine.config import Config

KEPT_CHECKPOINTS = 3
WARM_UP_SHARE = 10
# What mmengine takes for a scheduler's end where none is given.
INFINITY = 10**9


def set_schedule(cfg: Config, *, epochs: int, lr: float, iterations: int, eval_every: int) -> list[str]:
    """Epochs, learning rate and all that was written for the base config's. Returns sentences for people."""
    if "max_epochs" not in cfg.train_cfg:
        raise BadSpecError("This config counts iterations instead of epochs, which Signalbox does not prepare yet.", "preset.config")
    old_epochs, old_lr = cfg.train_cfg["max_epochs"], cfg.optim_wrapper["optimizer"]["lr"]
    cfg.train_cfg.update(max_epochs=epochs, val_interval=eval_every)
    cfg.train_cfg.pop("dynamic_intervals", None)
    cfg.optim_wrapper["optimizer"]["lr"] = lr
    cfg.param_scheduler, notes = scaled_schedulers(
        cfg.get("param_scheduler") or [], epochs / old_epochs, lr / old_lr, epochs=epochs, iterations=iterations
    )
    for hook in cfg.get("custom_hooks") or []:
        for key in {"switch_epoch", "num_last_epochs"} & set(hook):
            hook[key] = max(1, round(hook[key] * epochs / old_epochs))
    hooks = cfg.setdefault("default_hooks", {})
    hooks.setdefault("logger", {"type": "LoggerHook"})["interval"] = max(1, min(50, iterations // 3))
    hooks.setdefault("checkpoint", {"type": "CheckpointHook"}).update(
        interval=1, by_epoch=True, max_keep_ckpts=KEPT_CHECKPOINTS, save_best="coco/bbox_mAP", rule="greater", save_last=True
    )
    return notes


def scaled_schedulers(
    schedulers: Any, stretch: float, lr_factor: float, *, epochs: int, iterations: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The schedule of the base config for other epochs and another learning rate; a warm-up takes at most a tenth of it."""
    result, notes = [], []
    for scheduler in copy.deepcopy(schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]):
        if scheduler.get("by_epoch", True):
            for key in {"begin", "end", "T_max"} & set(scheduler):
                scheduler[key] = round(scheduler[key] * stretch)
            if "milestones" in scheduler:
                scheduler["milestones"] = sorted({max(1, round(at * stretch)) for at in scheduler["milestones"]})
        elif scheduler.get("start_factor", 1) < 1 and scheduler.get("end", 0) > epochs * iterations // WARM_UP_SHARE:
            shorter = max(1, epochs * iterations // WARM_UP_SHARE)
            notes.append("The warm-up takes %d iterations instead of %d: a tenth of this training." % (shorter, scheduler["end"]))
            scheduler["end"] = shorter
        if "eta_min" in scheduler:
            scheduler["eta_min"] = scheduler["eta_min"] * lr_factor
        if scheduler.get("end", INFINITY) > scheduler.get("begin", 0):
            if "T_max" in scheduler:
                scheduler["T_max"] = max(1, scheduler["T_max"])
            result.append(scheduler)
    return result, notes


def rest_of_schedule(schedulers: Sequence[dict[str, Any]], done: int, iterations: int) -> list[dict[str, Any]]:
    """What is left of a schedule after ``done`` epochs, counted from there.

    What already runs pauses for one epoch, so that the first learning rate that people see is the one it goes on from.
    """
    result = []
    for scheduler in copy.deepcopy(schedulers):
        if scheduler["type"] in ("OneCycleLR", "CosineRestartLR"):
            raise BadSpecError("A %s cannot be changed in the middle; start a new run or fine-tune." % scheduler["type"], "overrides")
        scale = 1 if scheduler.get("by_epoch", True) else iterations
        passed, begin, end = done * scale, scheduler.get("begin", 0), scheduler.get("end", INFINITY)
        running = begin <= passed
        if end <= passed or (running and "start_factor" in scheduler):
            continue
        first = begin - passed if not running else (0 if "milestones" in scheduler else scale)
        if "milestones" in scheduler:
            shift = passed - begin if running else 0
            scheduler["milestones"] = [at - shift for at in scheduler["milestones"] if at > shift]
        scheduler["begin"] = first
        if end != INFINITY:
            scheduler["end"] = end - passed
            if "T_max" in scheduler:
                scheduler["T_max"] = end - passed - first
        if scheduler.get("end", INFINITY) > first:
            result.append(scheduler)
    return result
