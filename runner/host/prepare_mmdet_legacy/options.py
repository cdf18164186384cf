"""Options of a config by dotted key: a preset's, and raw ones of the form ``key=value``.

mmcv sets a misspelt key as gladly as a right one, and nothing reads it: so each key is looked up first. Its own merging differs from
release to release (lists only since 1.2.3), so it is done here.
"""

import ast
import copy
import inspect
import re
import sys

from .errors import BadSpecError, did_you_mean

RAW_OPTION = re.compile(r"[A-Za-z_][\w.]*=")
# Keys that no option may set, because Signalbox sets them consistently from its own flags.
RESERVED = {
    "total_epochs": "use --epochs",
    "runner.max_epochs": "use --epochs",
    "optimizer.lr": "use --lr",
    "data.imgs_per_gpu": "use --batch",
    "data.samples_per_gpu": "use --batch",
    "evaluation.interval": "use --eval-every",
    "checkpoint_config.max_keep_ckpts": "use --keep",
    "load_from": "use finetune",
    "resume_from": "use resume",
    "auto_resume": "use resume",
    "work_dir": "results always go to the run's own folder",
    "gpu_ids": "use --gpus",
    "dist_params.port": "each attempt has a port of its own",
}
# What tools/train.py and tools/test.py read at the top of a config; all else there are variables of the file.
TOP_LEVEL = {
    "model", "train_cfg", "test_cfg", "data", "optimizer", "optimizer_config", "lr_config", "momentum_config", "runner", "total_epochs",
    "checkpoint_config", "log_config", "custom_hooks", "custom_imports", "dist_params", "log_level", "load_from", "resume_from", "workflow",
    "evaluation", "fp16", "cudnn_benchmark", "find_unused_parameters", "auto_scale_lr", "opencv_num_threads", "mp_start_method", "work_dir",
    "gpu_ids", "auto_resume", "device",
}  # fmt: skip
# Dictionaries whose keys no signature tells.
OPEN = {
    "train_cfg", "test_cfg", "optimizer", "optimizer_config", "lr_config", "momentum_config", "runner", "checkpoint_config", "log_config",
    "evaluation", "fp16", "dist_params", "auto_scale_lr", "paramwise_cfg", "custom_keys",
}  # fmt: skip
LOADERS = {"train_dataloader", "val_dataloader", "test_dataloader"}
DATA = {"train", "val", "test", "workers_per_gpu", "persistent_workers"} | LOADERS
REGISTRIES = tuple("mmdet.%s%s" % (each, module) for each in ("models", "datasets") for module in ("", ".registry", ".builder"))


def raw_options(texts):
    """``key=value`` texts as a mapping; a value that is no Python literal is text, one with commas a list of texts."""
    options = {}
    for text in texts:
        if not RAW_OPTION.match(text):
            raise BadSpecError("The raw option %r is not of the form key=value." % text, "overrides.options")
        key, _, value = text.partition("=")
        try:
            literal = ast.literal_eval(value)
            options[key] = list(literal) if isinstance(literal, tuple) and not value.startswith("(") else literal
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            options[key] = value.split(",") if "," in value else value
    return options


def apply_options(cfg, options, where):
    """Set dotted keys, each of which must exist in the config or be an argument of what stands there."""
    for key, value in options.items():
        for reserved, why in RESERVED.items():
            if key == reserved or key.startswith(reserved + "."):
                raise BadSpecError("The option %s is Signalbox's own: %s." % (key, why), where)
        parts = key.split(".")
        node = cfg
        for depth, part in enumerate(parts[:-1]):
            check_step(node, parts[:depth], part, key, where)
            node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
        check_step(node, parts[:-1], parts[-1], key, where)
        node[int(parts[-1]) if isinstance(node, list) else parts[-1]] = copy.deepcopy(value)


def preset_options(options):
    """A preset's options as a config holds them: below ``pipeline``, lists of numbers are tuples, which transforms insist on."""
    return {key: tuples_in_pipelines(value, key) for key, value in options.items()}


def tuples_in_pipelines(value, key=""):
    """YAML and JSON know no tuples; everywhere else in a config lists of numbers are lists."""
    inside = key.endswith("pipeline")
    if isinstance(value, dict):
        return {name: tuples_in_pipelines(item, key if inside else name) for name, item in value.items()}
    if isinstance(value, list):
        is_numbers = value and all(isinstance(item, (int, float)) for item in value)
        return tuple(value) if inside and is_numbers else [tuples_in_pipelines(item, key) for item in value]
    return value


def check_step(node, path, part, key, where):
    """Refuse a step that leads nowhere, naming the nearest one that exists."""
    names, is_open = known_names(node, path)
    if part not in names and not is_open:
        here = ".".join(path) or "the config"
        raise BadSpecError("There is no option %r: %s has no %r%s." % (key, here, part, did_you_mean(part, names)), where)


def known_names(node, path):
    """(names that may stand below this node, whether any other may too)."""
    if isinstance(node, list):
        return {str(index) for index in range(len(node))}, False
    if not isinstance(node, dict):
        return set(), False
    if not path:
        return set(node) | TOP_LEVEL, False
    if path == ["data"]:
        return set(node) | DATA, False
    if "type" not in node and (OPEN | LOADERS) & set(path):
        return set(node), True
    accepted, is_open = accepted_arguments(node.get("type"))
    return set(node) | accepted, is_open


def accepted_arguments(type_name):
    """(arguments that what is registered under this name takes, whether it takes any other too); of something unknown any."""
    targets = registered(type_name)
    names, is_open = set(), not targets and isinstance(type_name, str)
    for target in targets:
        own, more = arguments_of(target)
        names, is_open = names | own, is_open or more
    return names, is_open


def registered(type_name):
    """The classes that MMDetection's registries hold under a name."""
    found = []
    for held in registries() if isinstance(type_name, str) else ():
        if type_name in held and held[type_name] not in found:
            found.append(held[type_name])
    return found


def registries():
    """What each registry of MMDetection holds: name to class."""
    modules = [sys.modules[name] for name in REGISTRIES if name in sys.modules]
    held = [getattr(value, "module_dict", None) for module in modules for value in vars(module).values()]
    return [each for each in held if isinstance(each, dict)]


def arguments_of(target):
    """A class's arguments, with those of its ancestors as long as each passes on what it does not know."""
    names, passes_on = set(), False
    for ancestor in inspect.getmro(target)[:-1]:
        if "__init__" not in vars(ancestor):
            continue
        parameters = inspect.signature(vars(ancestor)["__init__"]).parameters.values()
        names |= {item.name for item in parameters if item.kind in (item.POSITIONAL_OR_KEYWORD, item.KEYWORD_ONLY)}
        passes_on = any(item.kind == item.VAR_KEYWORD for item in parameters)
        if not passes_on:
            break
    return names - {"self"}, passes_on
