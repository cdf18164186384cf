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
# mmengine's LinearLR comes to its end at the last step before ``end``: with one step alone it stays where it starts, for good.
SHORTEST_WARM_UP = 2
# What mmengine takes for a scheduler's end where none is given.
INFINITY = 10**9


def set_schedule(cfg: Config, *, epochs: int, lr: float, iterations: int, eval_every: int) -> list[str]:
    """Epochs, learning rate and all that was written for the base config's. Returns sentences for people."""
    if "max_epochs" not in cfg.train_cfg:
        raise BadSpecError("The config's train_cfg names neither max_epochs nor max_iters.", "preset.config")
    # A schedule that counts iterations was stretched as a whole (epochs.py) and says 1.
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
    logger = cfg.setdefault("default_hooks", {}).setdefault("logger", {"type": "LoggerHook"})
    logger["interval"] = max(1, min(50, iterations // 3))
    return notes


def set_checkpoints(cfg: Config, *, keep: int | None, save_best: str) -> None:
    """One an epoch, of which the newest stay, and the best by a number of the evaluation."""
    cfg.setdefault("default_hooks", {}).setdefault("checkpoint", {"type": "CheckpointHook"}).update(
        interval=1, by_epoch=True, max_keep_ckpts=keep or KEPT_CHECKPOINTS, save_best=save_best, rule="greater", save_last=True
    )


def kept_checkpoints(cfg: Config) -> dict[str, int]:
    """How many of the newest stay, for whoever lists them: their deletion is told nowhere."""
    hook = cfg.default_hooks.get("checkpoint") or {}
    keep = hook.get("max_keep_ckpts")
    every_epoch = hook.get("by_epoch") is True and hook.get("interval") == 1
    return {"keep": keep} if every_epoch and isinstance(keep, int) and keep > 0 else {}


def scaled_schedulers(
    schedulers: Any, stretch: float, lr_factor: float, *, epochs: int, iterations: int
) -> tuple[list[dict[str, Any]], list[str]]:
    """The schedule of the base config for other epochs and another learning rate; a warm-up takes at most a tenth of it."""
    result, notes = [], []
    warm_until = 0
    for scheduler in copy.deepcopy(schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]):
        if is_warm_up(scheduler) and scheduler.get("by_epoch", True):
            warm_until = scheduler["end"] = min(scheduler["end"], max(SHORTEST_WARM_UP, epochs // WARM_UP_SHARE))
        elif is_warm_up(scheduler):
            notes += shorten(scheduler, epochs * iterations // WARM_UP_SHARE)
        elif scheduler.get("by_epoch", True):
            stretch_epochs(scheduler, stretch, warm_until)
        if "eta_min" in scheduler:
            scheduler["eta_min"] = scheduler["eta_min"] * lr_factor
        if scheduler.get("end", INFINITY) > scheduler.get("begin", 0):
            if "T_max" in scheduler:
                scheduler["T_max"] = max(1, scheduler["T_max"])
            result.append(scheduler)
    return result, notes


def is_warm_up(scheduler: dict[str, Any]) -> bool:
    """Whether a part of the schedule raises the learning rate at the start."""
    rises = "WarmupLR" in scheduler["type"] or scheduler.get("start_factor", 1) < 1
    return rises and scheduler.get("begin", 0) == 0 and "end" in scheduler


def shorten(scheduler: dict[str, Any], longest: int) -> list[str]:
    """A warm-up of so many iterations at most; says so."""
    before, longest = scheduler["end"], max(SHORTEST_WARM_UP, longest)
    if before <= longest:
        return []
    scheduler["end"] = longest
    return ["The warm-up takes %d iterations instead of %d: a tenth of this training." % (longest, before)]


def stretch_epochs(scheduler: dict[str, Any], factor: float, warm_until: int) -> None:
    """Epochs of a part of the schedule, multiplied; what followed a warm-up still does."""
    follows = scheduler.get("begin", 0) > 0
    for key in {"begin", "end", "T_max"} & set(scheduler):
        scheduler[key] = round(scheduler[key] * factor)
    if follows:
        scheduler["begin"] = max(scheduler["begin"], warm_until)
    if "milestones" in scheduler:
        scheduler["milestones"] = sorted({max(1, round(at * factor)) for at in scheduler["milestones"]})


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
