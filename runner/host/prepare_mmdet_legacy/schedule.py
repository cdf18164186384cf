"""A training's epochs, learning rate and schedule, what it keeps, measures and tells; resolved for another length than the base's."""

import inspect

from .errors import BadSpecError

KEPT_CHECKPOINTS = 3
WARM_UP_SHARE = 10
DEFAULT_WARM_UP = 2000


def set_epochs(cfg, epochs, major):
    """The length of a training, wherever the config has it; returns the base's own."""
    runner = cfg.get("runner") or {}
    if "max_iters" in runner or "Iter" in str(runner.get("type", "")):
        raise BadSpecError("This config counts iterations (%s); choose one that counts epochs." % runner.get("type"), "preset.config")
    old = runner.get("max_epochs") or cfg.get("total_epochs")
    if not old:
        raise BadSpecError("The config says neither runner.max_epochs nor total_epochs.", "preset.config")
    if "max_epochs" in runner:
        runner["max_epochs"] = epochs
    if major == 1 or "total_epochs" in cfg or "max_epochs" not in runner:
        cfg["total_epochs"] = epochs
    return old


def set_schedule(cfg, epochs, old_epochs, lr, iterations):
    """Learning rate, milestones and warm-up of the base config for another length and rate. Returns sentences for people."""
    optimizer, policy = cfg["optimizer"], cfg.get("lr_config") or {}
    if "lr" not in optimizer:
        raise BadSpecError("The config's optimizer has no lr.", "optimizer")
    factor, stretch = lr / optimizer["lr"], epochs / old_epochs
    optimizer["lr"] = lr
    if policy.get("by_epoch", True):
        if isinstance(policy.get("step"), (list, tuple)):
            policy["step"] = sorted({max(1, round(at * stretch)) for at in policy["step"]})
        elif policy.get("step"):
            policy["step"] = max(1, round(policy["step"] * stretch))
    if policy.get("min_lr"):
        policy["min_lr"] = policy["min_lr"] * factor
    for part in [policy, *(cfg.get("custom_hooks") or [])]:
        if "num_last_epochs" in part:
            part["num_last_epochs"] = max(1, round(part["num_last_epochs"] * stretch))
    return shorter_warm_up(policy, epochs, iterations)


def shorter_warm_up(policy, epochs, iterations):
    """A warm-up takes at most a tenth of the training."""
    if not policy.get("warmup"):
        return []
    by_epoch = bool(policy.get("warmup_by_epoch"))
    longest = max(1, (epochs if by_epoch else epochs * iterations) // WARM_UP_SHARE)
    before = policy.get("warmup_iters") or DEFAULT_WARM_UP
    if before <= longest:
        return []
    policy["warmup_iters"] = longest
    unit = "epoch" if by_epoch else "iteration"
    return ["The warm-up takes %d %s%s instead of %d: a tenth of this training." % (longest, unit, "s"[: longest != 1], before)]


def set_checkpoints(cfg, keep):
    """One checkpoint an epoch, of which the newest stay where the others can go. Returns sentences for people."""
    from mmcv.runner import CheckpointHook

    cfg["checkpoint_config"] = {"interval": 1}
    if "max_keep_ckpts" not in inspect.signature(CheckpointHook.__init__).parameters:
        return ["This mmcv deletes no checkpoints: every epoch's stays on the host."]
    if best_hook() and not best_hook().__module__.startswith("mmcv"):
        return ["This MMDetection keeps no copy of its best checkpoint, so every epoch's stays on the host."]
    cfg["checkpoint_config"]["max_keep_ckpts"] = keep or KEPT_CHECKPOINTS
    return []


def set_evaluation(cfg, tasks, eval_every, version):
    """How often and what is measured during the training, and the best checkpoint where the version chooses one."""
    evaluation = {"interval": eval_every}
    if version >= (1, 1):
        evaluation["metric"] = tasks if len(tasks) > 1 else tasks[0]
    if version >= (2, 0) and tasks[0] in ("bbox", "segm") and takes_classwise():
        evaluation["classwise"] = True
    if best_hook():
        evaluation["save_best"] = {"mAP": "mAP", "proposal_fast": "AR@1000"}.get(tasks[0], tasks[0] + "_mAP")
    cfg["evaluation"] = evaluation


def takes_classwise():
    """Whether CocoDataset measures each class (since 1.1)."""
    from mmdet.datasets import CocoDataset

    evaluate = getattr(CocoDataset, "evaluate", None)
    return evaluate is not None and "classwise" in inspect.signature(evaluate).parameters


def best_hook():
    """The class of the evaluation hook that marks the best checkpoint, or None: mmdet's own since 2.5 links it, mmcv's copies it."""
    import mmdet.core

    hook = getattr(mmdet.core, "EvalHook", None)
    ancestors = [each for each in (inspect.getmro(hook) if hook else ()) if "__init__" in vars(each)]
    return next((each for each in ancestors if "save_best" in inspect.signature(vars(each)["__init__"]).parameters), None)


def set_loading(cfg, batch, major, cuda):
    """Images per GPU; without a CUDA device, images are read in the training process."""
    data = cfg["data"]
    for key in ("imgs_per_gpu", "samples_per_gpu"):
        data.pop(key, None)
    data["imgs_per_gpu" if major == 1 else "samples_per_gpu"] = batch
    (data.get("train_dataloader") or {}).pop("samples_per_gpu", None)
    if not cuda:
        data["workers_per_gpu"] = 0
    data.setdefault("workers_per_gpu", 2)


def set_telling(cfg, iterations):
    """Lines in the log often enough to be followed, and curves for TensorBoard where it can be imported."""
    hooks = [{"type": "TextLoggerHook"}]
    if has_tensorboard():
        hooks.append({"type": "TensorboardLoggerHook"})
    cfg["log_config"] = {"interval": max(1, min(50, iterations // 3)), "hooks": hooks}
    cfg["log_level"] = "INFO"
    # The losses of a second workflow stand in the log as if they were of the next epoch (mmcv up to 1.0.5).
    cfg["workflow"] = [("train", 1)]


def has_tensorboard():
    """Whether what mmcv's TensorboardLoggerHook needs is there."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: F401
    except Exception:
        return False
    return True
