"""One whole config as Python text: the checkout's own, a preset's options, the dataset, and what the run overrides.

What comes out holds literals alone, imports nothing, and so stays what it was whatever happens to the checkout.
"""

import ast
import os
import pprint
import runpy
import sys
import tempfile

from .errors import BadSpecError, did_you_mean, first_line

SECTIONS = ("model", "train_cfg", "test_cfg", "loss", "optimizer", "dataset")
ROOTS = ("VOCroot", "COCOroot")


def base_config(preset, code, checkout):
    """The config that a preset names: one of the checkout's ``configs/``, or a file of the preset's own code."""
    name = preset["config"]
    folder = os.path.join(checkout, "configs")
    if name in code:
        with tempfile.TemporaryDirectory() as own:
            path = os.path.join(own, os.path.basename(name))
            with open(path, "w", encoding="utf-8") as file:
                file.write(code[name])
            return executed(path, name, (own, folder, checkout))
    known = sorted(each for each in os.listdir(folder) if each.endswith(".py")) if os.path.isdir(folder) else []
    if name not in known:
        sentence = "M2Det's checkout has no config %r%s; it has: %s." % (name, did_you_mean(name, known), ", ".join(known) or "none")
        raise BadSpecError(sentence, "preset.config")
    return executed(os.path.join(folder, name), name, (folder, checkout))


def executed(path, name, folders):
    """The settings that a config file defines, which is a program."""
    before = list(sys.path)
    sys.path[:0] = folders
    try:
        defined = runpy.run_path(path)
    except Exception as error:
        sentence = "The config %s cannot be read: %s: %s" % (name, type(error).__name__, first_line(error))
        raise BadSpecError(sentence, "preset.config") from error
    finally:
        sys.path[:] = before
    return checked({key: defined[key] for key in SECTIONS + ROOTS if key in defined}, name)


def checked(cfg, name):
    """The config, where it has all that M2Det reads and what it has can be written down."""
    missing = [key for key in SECTIONS if not isinstance(cfg.get(key), dict)]
    if missing:
        raise BadSpecError("The config %s does not define %s." % (name, ", ".join(missing)), "preset.config")
    try:
        return parsed(rendered(cfg))
    except (ValueError, SyntaxError) as error:
        sentence = "The config %s holds something else than numbers, texts, lists and dictionaries." % name
        raise BadSpecError(sentence, "preset.config") from error


def rendered(cfg):
    """The config as Python text; equal configs are equal texts."""
    return "".join("%s = %s\n" % (key, pprint.pformat(cfg[key], width=100)) for key in sorted(cfg))


def parsed(text):
    """What ``rendered`` wrote. Raises ValueError or SyntaxError where a value is no literal."""
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in ast.parse(text).body}
