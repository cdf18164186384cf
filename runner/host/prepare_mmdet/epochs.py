"""A config that counts iterations becomes one that counts epochs, as Signalbox shows, resumes and stretches trainings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config


def by_epochs(cfg: Config, total: int) -> None:
    """Where ``train_cfg`` counts iterations (``max_iters``): the same schedule over ``total`` iterations, told in epochs.

    Each part keeps its share of the training, but for a warm-up, which keeps its length. An endless sampler becomes one that ends with
    the images. What the number of epochs decides (``max_epochs``, ``val_interval``) is set later.
    """
    old = cfg.train_cfg.get("max_iters")
    if old is None:
        return
    cfg.train_cfg = {"type": "EpochBasedTrainLoop", "max_epochs": 1, "val_interval": 1}
    if cfg.train_dataloader.get("sampler", {}).get("type") in ("InfiniteSampler", "mmdet.InfiniteSampler"):
        cfg.train_dataloader["sampler"] = {"type": "DefaultSampler", "shuffle": True}
    if cfg.get("log_processor"):
        cfg.log_processor["by_epoch"] = True
    schedulers = cfg.get("param_scheduler") or []
    for scheduler in schedulers if isinstance(schedulers, (list, tuple)) else [schedulers]:
        stretch(scheduler, total / old)


def stretch(scheduler: dict[str, Any], factor: float) -> None:
    """Iterations of a part of the schedule, multiplied."""
    if scheduler.get("by_epoch", True) or scheduler.get("start_factor", 1) < 1:
        return
    for key in {"begin", "end", "T_max"} & set(scheduler):
        scheduler[key] = round(scheduler[key] * factor)
    if "milestones" in scheduler:
        scheduler["milestones"] = sorted({max(1, round(at * factor)) for at in scheduler["milestones"]})
