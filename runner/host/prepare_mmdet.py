"""Prepares MMDetection 3.x trainings; runs in the training environment's Python (3.8 or newer), alone, next to nothing of ours.

    python prepare_mmdet.py prepare|verify|identify|smoke   < request.json   > answer.json

One JSON object in, one out; whatever the frameworks print goes to stderr. Exit 0: the answer. Exit 3: the request can never
work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit: this program or the environment broke.
Facts used here were read in mmengine 0.10.7 (runner/runner.py, optim/scheduler, hooks/ema_hook.py) and mmdet 3.3.0.
"""

from __future__ import annotations

import copy
import difflib
import hashlib
import inspect
import json
import math
import os
import platform
import re
import sys
import tempfile
import time
import zipfile

BAD_SPEC = 3
WORK_DIR = "work_dir"
CONFIGS = "configs"
KEPT_CHECKPOINTS = 3
INFINITY = 10**9
WARM_UP_SHARE = 10
OPTION = re.compile(r"[A-Za-z_][\w.]*=")
# Keys a raw option may not set, because Signalbox sets them consistently from its own flags.
RESERVED = {
    "train_cfg.max_epochs": "use --epochs",
    "optim_wrapper.optimizer.lr": "use --lr",
    "train_dataloader.batch_size": "use --batch",
    "train_cfg.val_interval": "use --eval-every",
    "randomness.seed": "set the preset's seed",
    "load_from": "use finetune",
    "resume": "use resume",
    "work_dir": "results always go to the run's own folder",
    "launcher": "use --gpus",
}
# Dictionaries without a type, whose keys the framework does not fix.
OPEN_DICTS = {"custom_keys", "metainfo", "data_prefix", "backend_args", "env_cfg", "mp_cfg", "dist_cfg"}
PARAMWISE = (
    "norm_decay_mult", "bias_decay_mult", "bias_lr_mult", "dwconv_decay_mult", "flat_decay_mult", "bypass_duplicate", "custom_keys",
)
# Read by tools/train.py or tools/test.py beside what Runner takes.
EXTRA_TOP_LEVEL = ("custom_imports", "tta_model", "tta_pipeline", "compile", "find_unused_parameters", "runner_type")
SCHEMA = {
    "": ({"spec", "dataset", "checkpoints", "folder"}, set()),
    "spec": ({"preset", "dataset"}, {"kind", "overrides", "start", "gpus", "host"}),
    "spec.preset": (
        {"name", "config", "epochs", "batch", "lr"},
        {"framework", "description", "environment", "eval_every", "seed", "options"},
    ),
    "spec.dataset": ({"name", "version"}, {"fingerprint", "format"}),
    "spec.overrides": (set(), {"epochs", "lr", "batch", "eval_every", "options"}),
    "spec.start": (set(), {"mode", "run_id", "checkpoint"}),
    "dataset": ({"classes", "splits", "images"}, set()),
}


class BadSpecError(Exception):
    """The request can never work; ``sentence`` is for a person, ``where`` names a key or a file."""

    def __init__(self, sentence, where=""):
        super().__init__(sentence)
        self.sentence = sentence
        self.where = where


# --- the request ---------------------------------------------------------------------------------------------------------


def check_request(request):
    """Refuse unknown and missing keys at every level that is ours."""
    for path, (required, optional) in SCHEMA.items():
        part = request
        for key in filter(None, path.split(".")):
            part = part.get(key, {})
        if not isinstance(part, dict):
            raise BadSpecError("The request's %s is not an object." % (path or "body"), path)
        for key in sorted(set(part) - required - optional):
            raise BadSpecError("The request holds an unknown key %r%s." % (key, did_you_mean(key, required | optional)), path)
        for key in sorted(required - set(part)):
            raise BadSpecError("The request lacks the key %r." % key, path)


def did_you_mean(word, known):
    """`` (did you mean x?)`` for a near word, else nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return " (did you mean %r?)" % near[0] if near else ""


def first_line(error):
    """An exception's message as one line without its padding."""
    return " ".join(str(error).split())[:600] or type(error).__name__


# --- the config ----------------------------------------------------------------------------------------------------------


def collection():
    """The folder with ``configs`` and ``tools`` that mmdet installs."""
    import mmdet

    return os.path.join(os.path.dirname(os.path.abspath(mmdet.__file__)), ".mim")


def base_config(name):
    """The framework's own config of this name, relative to its collection."""
    from mmengine.config import Config

    root = os.path.join(collection(), CONFIGS)
    path = os.path.realpath(os.path.join(root, name))
    if not path.startswith(os.path.realpath(root) + os.sep) or not name.endswith(".py") or not os.path.isfile(path):
        known = [os.path.relpath(os.path.join(at, file), root) for at, _, files in os.walk(root) for file in files if file.endswith(".py")]
        raise BadSpecError("MMDetection's collection has no config %r%s." % (name, did_you_mean(name, known)), "preset.config")
    try:
        return Config.fromfile(path)
    except Exception as error:
        raise BadSpecError("The config %s cannot be read: %s" % (name, first_line(error)), "preset.config") from error


def apply_options(cfg, options, where):
    """Set dotted keys, each of which must exist in the config or be an argument of what stands there."""
    for key in options:
        check_key(cfg, key, where)
    try:
        cfg.merge_from_dict(copy.deepcopy(options))
    except (KeyError, TypeError, ValueError) as error:
        raise BadSpecError("The options do not fit the config: %s" % first_line(error), where) from error


def tuples_in_pipelines(value, key=""):
    """The value with every list of numbers below a key ending in ``pipeline`` as a tuple, which transforms insist on.

    YAML and JSON know no tuples; everywhere else in a config lists of numbers are lists.
    """
    inside = key.endswith("pipeline")
    if isinstance(value, dict):
        return {name: tuples_in_pipelines(item, key if inside else name) for name, item in value.items()}
    if isinstance(value, list):
        is_numbers = value and all(isinstance(item, (int, float)) for item in value)
        return tuple(value) if inside and is_numbers else [tuples_in_pipelines(item, key) for item in value]
    return value


def check_key(cfg, key, where):
    """Walk to the key's parent; refuse a step that leads nowhere, naming the nearest one that exists."""
    node, parts = cfg._cfg_dict, key.split(".")
    for depth, part in enumerate(parts):
        names, is_open = known_names(node, parts[:depth])
        if part not in names and not is_open:
            here = ".".join(parts[:depth]) or "the config"
            raise BadSpecError("There is no option %r: %s has no %r%s." % (key, here, part, did_you_mean(part, names)), where)
        if is_open or (isinstance(node, dict) and part not in node):
            return
        node = node[int(part)] if isinstance(node, (list, tuple)) else node[part]


def known_names(node, path):
    """(names that may stand below this node, whether any other may too)."""
    if isinstance(node, (list, tuple)):
        return {str(index) for index in range(len(node))}, False
    if not isinstance(node, dict):
        return set(), False
    names = set(node)
    if not path:
        return names | runner_arguments(), False
    if path[-1] in OPEN_DICTS:
        return names, True
    if path[-1] == "paramwise_cfg":
        return names | set(PARAMWISE), False
    if path[-1].endswith("_dataloader"):
        from torch.utils.data import DataLoader

        return names | set(inspect.signature(DataLoader.__init__).parameters), False
    accepted, is_open = accepted_arguments(node.get("type")) or (set(), False)
    return names | accepted, is_open


def runner_arguments():
    from mmengine.runner import Runner

    return (set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}) | set(EXTRA_TOP_LEVEL)


def accepted_arguments(type_name):
    """(arguments that what is registered under this name takes, whether it takes any other too); None where nothing is."""
    import mmdet.registry
    from mmengine.registry import Registry

    if not type_name or not isinstance(type_name, str):
        return None
    registries = [registry for registry in vars(mmdet.registry).values() if isinstance(registry, Registry)]
    targets = [target for target in (registry.get(type_name) for registry in registries) if target]
    if not targets:
        return None
    names = set()
    for target in targets:
        own, is_open = arguments_of(target)
        names |= own
        if is_open:
            return names, True
    return names, False


def arguments_of(target):
    """A callable's or a class's arguments, with those of its ancestors as long as each passes on what it does not know."""
    names, passes_on = set(), False
    callees = [target]
    if inspect.isclass(target):
        callees = [vars(ancestor)["__init__"] for ancestor in inspect.getmro(target)[:-1] if "__init__" in vars(ancestor)]
    for callee in callees:
        parameters = inspect.signature(callee).parameters.values()
        names |= {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
        passes_on = any(item.kind == item.VAR_KEYWORD for item in parameters)
        if not passes_on:
            break
    return names - {"self"}, passes_on


def raw_options(texts):
    """``key=value`` texts as MMDetection's own --cfg-options reads them."""
    check_raw_options(texts)
    from argparse import Namespace

    from mmengine.config import DictAction

    parsed = Namespace()
    try:
        DictAction([], dest="options")(None, parsed, list(texts))
    except Exception as error:
        raise BadSpecError("The raw options cannot be read: %s" % first_line(error), "overrides.options") from error
    return parsed.options


def check_raw_options(texts):
    """Refuse what is no option, and what Signalbox sets itself."""
    for text in texts:
        if not OPTION.match(text):
            raise BadSpecError("The raw option %r is not of the form key=value." % text, "overrides.options")
        key = text.split("=", 1)[0]
        if key in RESERVED:
            raise BadSpecError("The raw option %s is Signalbox's own: %s." % (key, RESERVED[key]), "overrides.options")


def set_dataset(cfg, dataset, dataset_name):
    """Classes (a tuple even for one), annotation files, image folders and evaluators."""
    for split in ("train", "val"):
        if split not in dataset["splits"]:
            sentence = "The dataset %s has no %s split; convert it with a recipe that splits." % (dataset_name, split)
            raise BadSpecError(sentence, "dataset.splits")
    classes = tuple(dataset["classes"])
    if not classes:
        raise BadSpecError("The dataset %s names no classes." % dataset_name, "dataset.classes")
    test = "test" if "test" in dataset["splits"] else "val"
    cfg.test_dataloader = copy.deepcopy(cfg.val_dataloader)
    for loader, split in (("train_dataloader", "train"), ("val_dataloader", "val"), ("test_dataloader", test)):
        annotations, images = dataset["splits"][split]
        leaf = leaf_dataset(cfg[loader])
        leaf.update(type="CocoDataset", data_root="", ann_file=annotations, data_prefix={"img": images.rstrip("/") + "/"})
        leaf["metainfo"] = {"classes": classes}
    old = cfg.val_evaluator[0] if isinstance(cfg.val_evaluator, list) else cfg.val_evaluator
    evaluator = dict(old) if old.get("type") == "CocoMetric" else {"type": "CocoMetric", "metric": "bbox"}
    for name, split in (("val_evaluator", "val"), ("test_evaluator", test)):
        prefix = "%s/%s" % (WORK_DIR, name.split("_")[0])
        cfg[name] = dict(evaluator, ann_file=dataset["splits"][split][0], classwise=True, format_only=False, outfile_prefix=prefix)


def leaf_dataset(loader):
    """The dataset that reads files, below wrappers such as RepeatDataset; of several it becomes the only one."""
    node = loader["dataset"]
    while "dataset" in node or "datasets" in node:
        if "datasets" in node:
            only = node["datasets"][0]
            node.clear()
            node.update(only)
        else:
            node = node["dataset"]
    return node


def set_classes(node, count, path=""):
    """Every num_classes of the model, in heads single or listed; a backbone's own and a class-agnostic RPN's stay."""
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in list(items):
        if key == "num_classes":
            if not (path.endswith("rpn_head") and value == 1):
                node[key] = count
        elif isinstance(value, (dict, list, tuple)) and key != "backbone":
            set_classes(value, count, "%s.%s" % (path, key))


def set_loading(cfg, batch, seed):
    """Batch and seed; without a CUDA device, images are read in the training process (forking costs more than it saves)."""
    import torch

    cfg.train_dataloader["batch_size"] = batch
    cfg.randomness = {"seed": seed}
    if not torch.cuda.is_available():
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.update(num_workers=0, persistent_workers=False, pin_memory=False)


def set_schedule(cfg, *, epochs, lr, iterations, eval_every):
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


def scaled_schedulers(schedulers, stretch, lr_factor, *, epochs, iterations):
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


def only_what_counts(cfg):
    """The config without the variables of the base files, which tools/train.py never reads."""
    from mmengine.config import Config

    keep = runner_arguments() - {"work_dir", "load_from", "resume", "launcher"}
    return Config({key: value for key, value in cfg.to_dict().items() if key in keep})


# --- proof ---------------------------------------------------------------------------------------------------------------


def prove(cfg, classes):
    """Build everything that needs no data, run the model once, and return it. A BadSpecError says what refuses."""
    import torch
    from mmdet import registry
    from mmdet.models.detectors import SingleStageDetector
    from mmengine.model import revert_sync_batchnorm
    from mmengine.optim import build_optim_wrapper

    model = built("model", registry.MODELS, cfg.model)
    model = revert_sync_batchnorm(model)
    check_heads(model, len(classes))
    model.eval()
    try:
        with torch.no_grad():
            image = torch.zeros(1, 3, 128, 128)
            # Heads of other families ask for proposals or for sizes of real images.
            model(image, mode="tensor") if isinstance(model, SingleStageDetector) else model.extract_feat(image)
    except Exception as error:
        raise BadSpecError("The model's parts do not fit together: %s" % first_line(error), "model") from error
    try:
        build_optim_wrapper(model, copy.deepcopy(cfg.optim_wrapper))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's optim_wrapper: %s" % first_line(error), "optim_wrapper") from error
    for name in ("train_dataloader", "val_dataloader"):
        built(name + ".dataset", registry.DATASETS, dict(cfg[name]["dataset"], lazy_init=True))
    for name, hook in list((cfg.get("default_hooks") or {}).items()) + [("custom_hooks", hook) for hook in cfg.get("custom_hooks") or []]:
        if isinstance(hook, dict):
            check_hook(name, hook)
    return model


def check_hook(name, hook):
    """A hook's type and arguments, without making it: some ask for a running training."""
    accepted = accepted_arguments(hook.get("type", ""))
    if accepted is None:
        raise BadSpecError("The hook %s has an unknown type %r." % (name, hook.get("type")), name)
    names, is_open = accepted
    for key in sorted(set(hook) - names - {"type", "priority"}) if not is_open else ():
        raise BadSpecError("The hook %s (%s) takes no %r%s." % (name, hook["type"], key, did_you_mean(key, names)), name)


def built(key, registry, config):
    """The object that a registry makes of a config, or a BadSpecError with the framework's own words."""
    try:
        return registry.build(copy.deepcopy(config))
    except Exception as error:
        raise BadSpecError("MMDetection cannot build the config's %s: %s" % (key, first_line(error)), key) from error


def check_heads(model, count):
    """As mmdet's NumClassCheckHook does when the training already runs."""
    for name, module in model.named_modules():
        is_head = hasattr(module, "num_classes") and not name.endswith("rpn_head") and not name.startswith("backbone")
        if is_head and module.num_classes != count:
            sentence = "%s is made for %d classes and the dataset has %d." % (name or type(module).__name__, module.num_classes, count)
            raise BadSpecError(sentence, "model.%s.num_classes" % name)


def check_files(folder, dataset):
    """Where the data tree lies beside, its annotation files must be there and list the classes in this order.

    mmdet numbers labels in the order of the file's categories: in another order, names are swapped silently.
    """
    if not os.path.isdir(os.path.join(folder, "data")):
        return
    for split, (listing, images) in sorted(dataset["splits"].items()):
        for path in (listing, images):
            if not os.path.exists(os.path.join(folder, path)):
                raise BadSpecError("The %s split of the dataset lacks %s." % (split, path), path)
        try:
            with open(os.path.join(folder, listing), encoding="utf-8") as file:
                names = [category["name"] for category in json.load(file)["categories"]]
        except (ValueError, KeyError, TypeError) as error:
            raise BadSpecError("%s is not a COCO annotation file: %s" % (listing, first_line(error)), listing) from error
        if names != list(dataset["classes"]):
            raise BadSpecError("%s lists the categories %s, the dataset says %s." % (listing, names, list(dataset["classes"])), listing)


# --- checkpoints ---------------------------------------------------------------------------------------------------------


def load_whole(path):
    """(checkpoint, "") of a file proved whole by loading all of it on the CPU; else (None, why not).

    Unpickles without restriction, as mmengine's checkpoints hold objects of its own: for files that Signalbox's runs wrote.
    """
    import torch

    if not os.path.isfile(path):
        return None, "there is no such file"
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        is_zip = file.read(2) == b"PK"
    if size == 0 or (is_zip and not zipfile.is_zipfile(path)):
        return None, "the file is truncated: its %s bytes end before the archive does" % format(size, ",")
    try:
        if is_zip:
            with zipfile.ZipFile(path) as archive:
                damaged = archive.testzip()
            if damaged:
                return None, "its part %s is damaged" % damaged
        checkpoint = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:
        return None, "it cannot be loaded: %s" % first_line(error)
    if os.path.getsize(path) != size:
        return None, "it is still being written"
    return checked_content(checkpoint)


def checked_content(checkpoint):
    import torch

    weights = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not weights:
        return None, "it holds no weights (no state_dict)"
    for name, value in weights.items():
        if torch.is_tensor(value) and value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return None, "its weights are not finite numbers (%s)" % name
    return checkpoint, ""


def finished_epochs(checkpoint):
    """Epochs that a checkpoint holds; None for published weights."""
    epoch = (checkpoint.get("meta") or {}).get("epoch")
    return epoch if isinstance(epoch, int) else None


def newest_whole(paths, *, resumable):
    """(path, checkpoint, refused): the first whole one, and the broken ones before it with the reason.

    mmengine's best_*.pth hold weights alone: a resume passes over them, and they are no less whole for that.
    """
    refused, passed = [], []
    for path in paths:
        checkpoint, why = load_whole(path)
        if checkpoint is None:
            refused.append((path, why))
        elif resumable and (finished_epochs(checkpoint) is None or "optimizer" not in checkpoint):
            passed.append((path, "it holds weights only, no optimizer to resume"))
        else:
            return path, checkpoint, refused
    reasons = "; ".join("%s: %s" % (os.path.basename(path), why) for path, why in refused + passed) or "there is none"
    raise BadSpecError("No checkpoint can be used (%s)." % reasons, "checkpoints")


# --- resume --------------------------------------------------------------------------------------------------------------


def trained_with(checkpoint):
    """(config the checkpoint was trained with, its optimizer's base lr, its epochs)."""
    from mmengine.config import Config

    try:
        cfg = Config.fromstring(checkpoint["meta"]["cfg"], ".py")
        return cfg, cfg.optim_wrapper["optimizer"]["lr"], cfg.train_cfg["max_epochs"]
    except Exception as error:
        raise BadSpecError("The checkpoint does not tell the config it was trained with: %s" % first_line(error), "checkpoints") from error


def resume(cfg, path, checkpoint, *, model, overrides, folder):
    """Let the config go on from a checkpoint. Returns (path to resume from, notes).

    mmengine restores the optimizer (lr and initial_lr of every group) and the schedulers from the checkpoint, whatever the
    config says. So without overrides the config takes over the checkpoint's schedule; with them, the rest of the schedule is
    laid anew in the config, counted from here, and a copy of the checkpoint carries the lr and no scheduler states.
    """
    check_shapes(model, checkpoint)
    done = finished_epochs(checkpoint)
    old, old_lr, old_epochs = trained_with(checkpoint)
    epochs, lr = overrides.get("epochs") or old_epochs, overrides.get("lr")
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


def check_shapes(model, checkpoint):
    """A resume needs exactly this model; a fine-tune does not."""
    wanted, held = model.state_dict(), checkpoint["state_dict"]
    for name, value in wanted.items():
        if name not in held or held[name].shape != value.shape:
            shape = tuple(held[name].shape) if name in held else "nothing"
            sentence = "The checkpoint is of another model: %s is %s there and %s here; use finetune." % (name, shape, tuple(value.shape))
            raise BadSpecError(sentence, "checkpoints")


def rest_of_schedule(schedulers, done, iterations):
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


def set_lr(checkpoint, lr, old_lr):
    """Give every parameter group the new rate, keeping its multiple of the base rate."""
    if lr is None:
        return
    state = checkpoint["optimizer"]
    # mmengine keeps a dummy group whose lr it logs as base_lr.
    for group in state["param_groups"] + [state[key] for key in ("base_param_settings",) if state.get(key)]:
        group["lr"] = group["initial_lr"] = lr * group.get("initial_lr", old_lr) / old_lr


def save(checkpoint, path):
    """Write whole or not at all."""
    import torch

    temporary = path + ".part"
    with open(temporary, "wb") as file:
        torch.save(checkpoint, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


# --- fine-tune -----------------------------------------------------------------------------------------------------------


def take_over(model, checkpoint):
    """Load what fits into the model, as mmengine's load_from does; (names taken, their sha256, names that stay new)."""
    import torch
    from mmengine.runner.checkpoint import load_state_dict

    held = {re.sub(r"^module\.", "", name): value for name, value in checkpoint["state_dict"].items()}
    load_state_dict(model, held, strict=False)
    digest, taken, new = hashlib.sha256(), [], []
    for name, value in sorted(model.state_dict().items()):
        if name in held and held[name].shape == value.shape and torch.equal(held[name], value):
            digest.update(name.encode() + b"\0" + value.contiguous().numpy().tobytes())
            taken.append(name)
        else:
            new.append(name)
    if not taken:
        raise BadSpecError("Nothing of the checkpoint fits this model.", "checkpoints")
    return taken, digest.hexdigest(), new


# --- the verbs -----------------------------------------------------------------------------------------------------------


def prepare(request):
    """A PrepareRequest to a Prepared (runner/frameworks/base.py)."""
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


def resolved(preset, overrides, spec, dataset):
    """(config, notes): base config, then the preset's options, then what the run sets, then raw options."""
    from mmdet.utils import register_all_modules

    cfg = base_config(preset["config"])
    register_all_modules(init_default_scope=True)
    options = {key: tuples_in_pipelines(value, key) for key, value in (preset.get("options") or {}).items()}
    apply_options(cfg, options, "preset.options")
    set_dataset(cfg, dataset, "%s@%s" % (spec["dataset"]["name"], spec["dataset"]["version"]))
    set_classes(cfg.model, len(dataset["classes"]))
    batch = overrides.get("batch") or preset["batch"]
    set_loading(cfg, batch, preset.get("seed", 0))
    iterations = math.ceil(dataset["images"].get("train", 0) / (batch * max(1, spec.get("gpus", 1)))) or 1
    notes = set_schedule(
        cfg,
        epochs=overrides.get("epochs") or preset["epochs"],
        lr=overrides.get("lr") or preset["lr"],
        iterations=iterations,
        eval_every=overrides.get("eval_every") or preset.get("eval_every", 1),
    )
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    return only_what_counts(cfg), notes


def frozen_text(cfg):
    """The config as a Python file, proved to read back as what it was."""
    from mmengine.config import Config

    text = cfg.pretty_text
    if Config.fromstring(text, ".py").to_dict() != cfg.to_dict():
        raise RuntimeError("the resolved config does not survive being written")
    return text


def verify(request):
    """{"paths": [...]} to {"checkpoints": [{path, whole, why, epoch, size_bytes}]}."""
    answers = []
    for path in request["paths"]:
        checkpoint, why = load_whole(path)
        size = os.path.getsize(path) if os.path.isfile(path) else None
        epoch = finished_epochs(checkpoint) if checkpoint else None
        answers.append({"path": path, "whole": checkpoint is not None, "why": why, "epoch": epoch, "size_bytes": size})
    return {"checkpoints": answers}


def identify(_request):
    """{} to {python, torch, mmcv, mmengine, mmdet, cuda, code, revision, fingerprint}."""
    import mmcv
    import mmdet
    import mmengine
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "mmcv": mmcv.__version__}
    versions.update(mmengine=mmengine.__version__, mmdet=mmdet.__version__, cuda=torch.version.cuda, code=collection())
    sources = source_digest(os.path.dirname(os.path.abspath(mmdet.__file__)))
    text = json.dumps({key: value for key, value in versions.items() if key != "code"}, sort_keys=True)
    fingerprint = hashlib.sha256((text + sources).encode()).hexdigest()[:16]
    return dict(versions, revision="mmdet %s (%s)" % (mmdet.__version__, sources[:8]), fingerprint=fingerprint)


def source_digest(root):
    """A sha256 over every Python file below a folder: an edited installation is another revision."""
    digest = hashlib.sha256()
    for at, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(name for name in files if name.endswith(".py")):
            path = os.path.join(at, name)
            digest.update(os.path.relpath(path, root).encode() + b"\0")
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


SMOKE_PRESET = {
    "name": "smoke", "config": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "epochs": 2, "batch": 2, "lr": 0.001,
    "options": {
        "model.backbone.widen_factor": 0.125, "model.backbone.init_cfg": None,
        "model.neck.in_channels": [32, 64, 128], "model.neck.out_channels": 32,
        "model.bbox_head.in_channels": 32, "model.bbox_head.feat_channels": 32,
    },
}


def smoke(_request):
    """Train a tiny model for two epochs on four generated images: proves that torch, mmcv's operators and mmdet work together."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    begun, home = time.monotonic(), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            write_squares(folder)
            splits = {"train": ["data/all.json", "data"], "val": ["data/all.json", "data"]}
            dataset = {"classes": ["square"], "splits": splits, "images": {"train": 4, "val": 4}}
            spec = {"preset": SMOKE_PRESET, "dataset": {"name": "smoke", "version": 1}}
            answer = prepare({"spec": spec, "dataset": dataset, "checkpoints": [], "folder": folder})
            cfg = Config.fromstring(answer["config"], ".py")
            cfg.work_dir = WORK_DIR
            runner = Runner.from_cfg(cfg)
            runner.train()
            loss = float(runner.message_hub.get_scalar("train/loss").current())
        finally:
            os.chdir(home)
    if not math.isfinite(loss):
        raise RuntimeError("the loss of the smoke test is %s" % loss)
    return dict(identify({}), iterations=runner.iter, loss=loss, seconds=round(time.monotonic() - begun, 1))


def write_squares(folder):
    import cv2
    import numpy

    os.mkdir(os.path.join(folder, "data"))
    images, annotations = [], []
    for number in range(4):
        picture = numpy.full((96, 96, 3), 40 * number, numpy.uint8)
        picture[20:60, 30:70] = 255
        cv2.imwrite(os.path.join(folder, "data", "%d.png" % number), picture)
        images.append({"id": number, "file_name": "%d.png" % number, "width": 96, "height": 96})
        box = {"bbox": [30, 20, 40, 40], "area": 1600, "iscrowd": 0, "category_id": 1}
        annotations.append(dict(box, id=number + 1, image_id=number))
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}
    with open(os.path.join(folder, "data", "all.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)


VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke}


def run(verb, request):
    """(exit code, answer) of a verb."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.", "")
        return 0, VERBS[verb](request)
    except BadSpecError as error:
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def main():
    """Keep stdout for the answer alone: everything printed meanwhile, by native code too, goes to stderr."""
    if len(sys.argv) != 2 or sys.argv[1] not in VERBS:
        sys.exit("usage: prepare_mmdet.py %s < request.json" % "|".join(VERBS))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, answer = run(sys.argv[1], json.load(sys.stdin))
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
