"""Configs as plain dictionaries: read by mmcv, changed here, frozen as text that holds literals alone.

So what is frozen imports nothing, inherits nothing, and stays what it was whatever happens to the checkout.
"""

import ast
import os
import pprint

from .errors import BadSpecError, did_you_mean, first_line
from .options import TOP_LEVEL
from .own_code import CONFIGS, laid_config

NEEDED = ("model", "data", "optimizer")
WIDTH = 100


def base_config(preset, code, folder, checkout):
    """The config that a preset names: a file of its own code, else one of the checkout's ``configs/``."""
    name, root = preset["config"], os.path.join(checkout, CONFIGS)
    known = {os.path.relpath(os.path.join(at, each), root) for at, _, files in os.walk(root) for each in files if each.endswith(".py")}
    if name not in code and name not in known:
        sentence = "There is no config %r, neither in the preset nor in the checkout's configs%s."
        raise BadSpecError(sentence % (name, did_you_mean(name, known | set(code))), "preset.config")
    cfg = read(laid_config(name, code, folder, checkout) if name in code else os.path.join(root, name), name)
    lacking = [key for key in NEEDED if not isinstance(cfg.get(key), dict)]
    if lacking:
        hint = " It looks like one of MMDetection 3.x." if "train_dataloader" in cfg else ""
        raise BadSpecError("The config %s says nothing of %s.%s" % (name, ", ".join(lacking), hint), "preset.config")
    return cfg


def read(path, name):
    """A config as mmcv reads it, without the variables of its file."""
    from mmcv import Config

    try:
        content = plain(Config.fromfile(path)._cfg_dict)
    except (Exception, SystemExit) as error:
        raise BadSpecError("The config %s cannot be read: %s" % (name, first_line(error)), "preset.config") from error
    return {key: value for key, value in content.items() if key in TOP_LEVEL}


def plain(value):
    """mmcv's dictionaries, which invent what they lack, as Python's own."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    return value


def frozen_text(cfg):
    """The config as Python text; equal configs are equal texts."""
    text = "".join("%s = %s\n" % (key, pprint.pformat(cfg[key], width=WIDTH)) for key in sorted(cfg))
    try:
        same = parsed(text) == cfg
    except (ValueError, SyntaxError):
        same = False
    if not same:
        raise BadSpecError("The config holds something else than numbers, texts, lists and dictionaries.", "preset.config")
    return text


def parsed(text):
    """What ``frozen_text`` wrote. Raises ValueError or SyntaxError for any other program."""
    settings = {}
    for statement in ast.parse(text).body:
        names = [each.id for each in getattr(statement, "targets", ()) if isinstance(each, ast.Name)]
        if not names:
            raise ValueError("no assignment")
        settings[names[0]] = ast.literal_eval(statement.value)
    return settings


def walk(node, path=""):
    """(path, dictionary) of every dictionary below a node, itself among them."""
    if isinstance(node, dict):
        yield path, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, (dict, list, tuple)):
            for found in walk(value, "%s.%s" % (path, key) if path else str(key)):
                yield found
