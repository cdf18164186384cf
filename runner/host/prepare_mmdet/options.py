"""Options of a config by dotted key: a preset's, and raw ones as MMDetection's --cfg-options takes them.

mmengine sets a misspelt key as gladly as a right one, and nothing reads it: so each key is looked up first.
"""

from __future__ import annotations

import copy
import inspect
import re
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .errors import BadSpecError, did_you_mean, first_line

if TYPE_CHECKING:
    from mmengine.config import Config

RAW_OPTION = re.compile(r"[A-Za-z_][\w.]*=")
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
EXTRA_TOP_LEVEL = (
    "custom_imports", "tta_model", "tta_pipeline", "compile", "find_unused_parameters", "runner_type", "model_wrapper_cfg", "sync_bn",
    "activation_checkpointing", "efficient_conv_bn_eval",
)


def apply_options(cfg: Config, options: Mapping[str, Any], where: str) -> None:
    """Set dotted keys, each of which must exist in the config or be an argument of what stands there."""
    for key in options:
        check_key(cfg, key, where)
    try:
        cfg.merge_from_dict(copy.deepcopy(options))
    except (KeyError, TypeError, ValueError) as error:
        raise BadSpecError("The options do not fit the config: %s" % first_line(error), where) from error


def preset_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's options as a config holds them."""
    return {key: tuples_in_pipelines(value, key) for key, value in options.items()}


def tuples_in_pipelines(value: Any, key: str = "") -> Any:
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


def raw_options(texts: Sequence[str]) -> dict[str, Any]:
    """``key=value`` texts as MMDetection's own --cfg-options reads them."""
    check_raw_options(texts)
    from mmengine.config import DictAction

    parsed = Namespace()
    try:
        DictAction([], dest="options")(None, parsed, list(texts))
    except Exception as error:
        raise BadSpecError("The raw options cannot be read: %s" % first_line(error), "overrides.options") from error
    return parsed.options


def check_raw_options(texts: Iterable[str]) -> None:
    """Refuse what is no option, and what Signalbox sets itself."""
    for text in texts:
        if not RAW_OPTION.match(text):
            raise BadSpecError("The raw option %r is not of the form key=value." % text, "overrides.options")
        key = text.split("=", 1)[0]
        if key in RESERVED:
            raise BadSpecError("The raw option %s is Signalbox's own: %s." % (key, RESERVED[key]), "overrides.options")


def check_key(cfg: Config, key: str, where: str) -> None:
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


def known_names(node: Any, path: Sequence[str]) -> tuple[set[str], bool]:
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


def runner_arguments() -> set[str]:
    """The keys at the top of a config that a training reads."""
    from mmengine.runner import Runner

    return (set(inspect.signature(Runner.__init__).parameters) - {"self", "cfg"}) | set(EXTRA_TOP_LEVEL)


def accepted_arguments(type_name: Any) -> tuple[set[str], bool] | None:
    """(arguments that what is registered under this name takes, whether it takes any other too); None where nothing is."""
    import mmdet.registry
    from mmengine.registry import Registry

    if not type_name or not isinstance(type_name, str):
        return None
    registries = [registry for registry in vars(mmdet.registry).values() if isinstance(registry, Registry)]
    targets = [target for target in (registry.get(type_name) for registry in registries) if target]
    if not targets:
        return None
    names: set[str] = set()
    for target in targets:
        own, is_open = arguments_of(target)
        names |= own
        if is_open:
            return names, True
    return names, False


def arguments_of(target: Callable[..., Any]) -> tuple[set[str], bool]:
    """A callable's or a class's arguments, with those of its ancestors as long as each passes on what it does not know."""
    names: set[str] = set()
    passes_on = False
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
