"""One whole config out of the framework's own, a preset's options, the dataset, and what the run overrides."""

from __future__ import annotations

import importlib.util
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .datasets import best_score, measured_tasks, repeats, set_dataset
from .epochs import by_epochs
from .errors import BadSpecError, did_you_mean, first_line
from .options import apply_options, preset_options, raw_options, runner_arguments
from .own_code import OWN_CONFIGS, laid_config, modules
from .processes import set_processes
from .schedule import kept_checkpoints, set_checkpoints, set_schedule

if TYPE_CHECKING:
    from mmengine.config import Config

CONFIGS = "configs"
NEEDED = ("model", "train_dataloader", "val_dataloader", "val_evaluator", "train_cfg", "optim_wrapper")


@dataclass
class Resolved:
    """A config and what was found out while it was made; ``lr`` is the rate that a training really begins with."""

    cfg: Config
    lr: float
    iterations: int
    notes: list[str]
    values: dict[str, Any]


def resolved(request: Mapping[str, Any], preset: Mapping[str, Any], overrides: Mapping[str, Any], own: list[str]) -> Resolved:
    """Base config, then the preset's options, then what the run sets, then raw options. ``own`` are the preset's imported modules."""
    from mmdet.utils import register_all_modules

    spec, dataset = request["spec"], request["dataset"]
    cfg = base_config(preset["config"], request)
    register_all_modules(init_default_scope=True)
    set_imports(cfg, own)
    apply_options(cfg, preset_options(preset.get("options") or {}), "preset.options")
    set_dataset(cfg, dataset, "%s@%s" % (spec["dataset"]["name"], spec["dataset"]["version"]), own_modules=own)
    set_classes(cfg.model, len(dataset["classes"]))
    batch, processes = overrides.get("batch") or preset["batch"], max(1, spec.get("gpus", 1))
    set_loading(cfg, batch, preset.get("seed", 0))
    images = dataset["images"].get("train", 0) * repeats(cfg.train_dataloader)
    iterations = math.ceil(images / (batch * processes)) or 1
    epochs, lr = overrides.get("epochs") or preset["epochs"], overrides.get("lr") or request.get("lr") or preset["lr"]
    by_epochs(cfg, epochs * iterations)
    eval_every = overrides.get("eval_every") or preset.get("eval_every", 1)
    notes = set_schedule(cfg, epochs=epochs, lr=lr, iterations=iterations, eval_every=eval_every)
    set_checkpoints(cfg, keep=overrides.get("keep"), save_best=best_score(measured_tasks(cfg)))
    set_curves(cfg)
    values = {**set_processes(cfg, processes), **set_scaling(cfg, preset, lr=lr, asked=overrides.get("lr"))}
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    values.update(kept_checkpoints(cfg))
    return Resolved(only_what_counts(cfg), lr, iterations, notes, values)


def collection(code_folder: str = "") -> str:
    """The folder with ``configs`` and ``tools``: the environment's checkout where it has them, else what mmdet installs."""
    import mmdet

    if code_folder and os.path.isdir(os.path.join(code_folder, CONFIGS)):
        return os.path.abspath(code_folder)
    return os.path.join(os.path.dirname(os.path.abspath(mmdet.__file__)), ".mim")


def base_config(name: str, request: Mapping[str, Any]) -> Config:
    """The preset's own config of this name, else the framework's, relative to its collection."""
    from mmengine.config import Config

    root, code = Path(collection(request.get("code_folder", "")), CONFIGS).resolve(), request.get("code") or {}
    known = {str(path.relative_to(root)): str(path) for path in root.rglob("*.py")}
    if name not in code and name not in known:
        sentence = "There is no config %r, neither in the preset nor in MMDetection's collection%s."
        raise BadSpecError(sentence % (name, did_you_mean(name, [*known, *code])), "preset.config")
    path = laid_config(name, code, folder=request["folder"], known=known) if name in code else known[name]
    try:
        cfg = Config.fromfile(path)
    except (Exception, SystemExit) as error:
        said = first_line(error).replace(os.path.join(request["folder"], OWN_CONFIGS) + os.sep, "")
        raise BadSpecError("The config %s cannot be read: %s" % (name, said), "preset.config") from error
    lacking = [key for key in NEEDED if cfg.get(key) is None]
    if lacking:
        hint = " It looks like one of MMDetection 2.x." if "data" in cfg else ""
        raise BadSpecError("The config %s says nothing of %s.%s" % (name, ", ".join(lacking), hint), "preset.config")
    return cfg


def set_imports(cfg: Config, own: list[str]) -> None:
    """The preset's modules are imported wherever the config is read."""
    if own:
        earlier = (cfg.get("custom_imports") or {}).get("imports", [])
        imports = [earlier] if isinstance(earlier, str) else list(earlier)
        cfg.custom_imports = {"imports": [*imports, *(name for name in own if name not in imports)], "allow_failed_imports": False}


def set_classes(node: Any, count: int, path: str = "") -> None:
    """Every number of classes of the model, in heads single or listed; a backbone's own and a class-agnostic RPN's stay.

    Mask2Former counts things and stuff apart, and weighs every class alike and what is none of them less, in one list.
    """
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if key in ("num_classes", "num_things_classes"):
            if not (path.endswith("rpn_head") and value == 1):
                node[key] = count
        elif key == "num_stuff_classes":
            node[key] = 0
        elif key == "class_weight" and isinstance(value, (list, tuple)):
            if len(value) not in (count, count + 1) and len(set(value[:-1])) == 1:
                node[key] = [value[0]] * count + [value[-1]]
        elif isinstance(value, (dict, list, tuple)) and key != "backbone":
            set_classes(value, count, "%s.%s" % (path, key))


def set_loading(cfg: Config, batch: int, seed: int) -> None:
    """Batch and seed; without a CUDA device, images are read in the training process (forking costs more than it saves)."""
    import torch

    cfg.train_dataloader["batch_size"] = batch
    cfg.randomness = {"seed": seed}
    if not torch.cuda.is_available():
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False, pin_memory=False)


def set_scaling(cfg: Config, preset: Mapping[str, Any], *, lr: float, asked: float | None) -> dict[str, Any]:
    """The linear scaling rule by the framework's own ``--auto-scale-lr`` where its config has one and nobody asked for a rate.

    The config then holds the preset's rate and what it belongs to, and mmengine multiplies (Runner.scale_lr). Off it is said to be
    in any case: a config that switches it on by itself would scale what is scaled already.
    """
    if cfg.get("auto_scale_lr") is None:
        return {}
    cfg.auto_scale_lr = {"enable": False, "base_batch_size": preset["batch"] * preset.get("gpus", 1)}
    if asked is not None or lr == preset["lr"]:
        return {}
    cfg.optim_wrapper["optimizer"]["lr"] = preset["lr"]
    return {"auto_scale_lr": True}


def set_curves(cfg: Config) -> None:
    """Curves for TensorBoard beside the log, where it can be imported."""
    if importlib.util.find_spec("tensorboard") is None:
        return
    visualizer = cfg.setdefault("visualizer", {"type": "DetLocalVisualizer", "name": "visualizer"})
    backends = list(visualizer.get("vis_backends") or [{"type": "LocalVisBackend"}])
    if not any(backend["type"] == "TensorboardVisBackend" for backend in backends):
        visualizer["vis_backends"] = [*backends, {"type": "TensorboardVisBackend"}]


def own_modules(preset: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    """The names of the preset's own modules."""
    return modules(preset, request.get("code") or {})


def only_what_counts(cfg: Config) -> Config:
    """The config without the variables of the base files, which tools/train.py never reads."""
    from mmengine.config import Config

    keep = runner_arguments() - {"work_dir", "load_from", "resume", "launcher"}
    return Config({key: value for key, value in cfg.to_dict().items() if key in keep})


def frozen_text(cfg: Config) -> str:
    """The config as a Python file, proved to read back as what it was."""
    from mmengine.config import Config

    text = cfg.pretty_text
    if Config.fromstring(text, ".py").to_dict() != cfg.to_dict():
        raise RuntimeError("the resolved config does not survive being written")
    return text
