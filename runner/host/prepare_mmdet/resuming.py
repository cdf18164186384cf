"""A resume: the config goes on where a checkpoint stands, at its learning rate and schedule or at those asked for."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .checkpoints import finished_epochs, save
from .errors import BadSpecError, first_line
from .schedule import rest_of_schedule

if TYPE_CHECKING:
    from mmengine.config import Config
    from torch.nn import Module


def trained_with(checkpoint: Mapping[str, Any]) -> tuple[Config, float, int]:
    """(config the checkpoint was trained with, its optimizer's base lr, its epochs)."""
    from mmengine.config import Config

    try:
        cfg = Config.fromstring(checkpoint["meta"]["cfg"], ".py")
        return cfg, cfg.optim_wrapper["optimizer"]["lr"], cfg.train_cfg["max_epochs"]
    except Exception as error:
        raise BadSpecError("The checkpoint does not tell the config it was trained with: %s" % first_line(error), "checkpoints") from error


def resume(
    cfg: Config, path: str, checkpoint: dict[str, Any], *, model: Module, overrides: Mapping[str, Any], folder: str,
    trained_lr: float | None = None,
) -> tuple[str, list[str]]:
    """Let the config go on from a checkpoint, which was trained from ``trained_lr`` on. Returns (path to resume from, notes).

    mmengine restores the optimizer (lr and initial_lr of every group) and the schedulers from the checkpoint, whatever the
    config says. So without overrides the config takes over the checkpoint's schedule; with them, the rest of the schedule is
    laid anew in the config, counted from here, and a copy of the checkpoint carries the lr and no scheduler states.
    """
    check_shapes(model, checkpoint)
    done = finished_epochs(checkpoint)
    old, old_lr, old_epochs = trained_with(checkpoint)
    # The config in a checkpoint holds the rate before mmengine scaled it.
    old_lr, epochs, lr = trained_lr or old_lr, overrides.get("epochs") or old_epochs, overrides.get("lr")
    if done >= epochs:
        sentence = "%s already holds all %d epochs; ask for more with --epochs." % (os.path.basename(path), epochs)
        raise BadSpecError(sentence, "overrides.epochs")
    same_batch = old.train_dataloader["batch_size"] == cfg.train_dataloader["batch_size"]
    cfg.train_cfg["max_epochs"] = epochs
    cfg.optim_wrapper["optimizer"]["lr"] = lr or old_lr
    if lr is None and epochs == old_epochs and same_batch:
        cfg.param_scheduler = copy.deepcopy(old.get("param_scheduler") or [])
        return path, []
    iterations = max(1, checkpoint["meta"]["iter"] // done)
    cfg.param_scheduler = rest_of_schedule(cfg.param_scheduler, done, iterations)
    set_lr(checkpoint, lr, old_lr)
    checkpoint["param_schedulers"] = []
    target = os.path.join(folder, "resume_%s" % os.path.basename(path))
    save(checkpoint, target)
    now = checkpoint["optimizer"]["param_groups"][0]["lr"]
    return target, ["Goes on at learning rate %.4g; the schedule was laid anew for epochs %d to %d." % (now, done + 1, epochs)]


def check_shapes(model: Module, checkpoint: Mapping[str, Any]) -> None:
    """A resume needs exactly this model; a fine-tune does not."""
    wanted, held = model.state_dict(), checkpoint["state_dict"]
    for name, value in wanted.items():
        if name not in held or held[name].shape != value.shape:
            shape = tuple(held[name].shape) if name in held else "nothing"
            sentence = "The checkpoint is of another model: %s is %s there and %s here; use finetune." % (name, shape, tuple(value.shape))
            raise BadSpecError(sentence, "checkpoints")


def set_lr(checkpoint: dict[str, Any], lr: float | None, old_lr: float) -> None:
    """Give every parameter group the new rate, keeping its multiple of the base rate."""
    if lr is None:
        return
    state = checkpoint["optimizer"]
    # mmengine keeps a dummy group whose lr it logs as base_lr.
    for group in state["param_groups"] + [state[key] for key in ("base_param_settings",) if state.get(key)]:
        group["lr"] = group["initial_lr"] = lr * group.get("initial_lr", old_lr) / old_lr
