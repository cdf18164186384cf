"""A preset's own modules: laid down in ``code/`` as a run will find them, imported, and its own config found among them."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadSpecError, did_you_mean, first_line

CODE = "code"
# Where own configs lie with their bases found; mmengine looks for a base next to the file that names it, and nowhere else.
OWN_CONFIGS = "own_configs"


def lay_down(code: Mapping[str, str], folder: str) -> None:
    """Write the modules to ``code/`` in the folder and let imports find them. BadSpecError for a path that leads out of it."""
    for path, text in code.items():
        if os.path.isabs(path) or ".." in path.split("/"):
            raise BadSpecError("The preset's module %r does not lie in its folder." % path, "code")
        write(os.path.join(folder, CODE, path), text)
    if code:
        sys.path.insert(0, os.path.join(folder, CODE))


def write(path: str, text: str) -> None:
    """A text file, with the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def modules(preset: Mapping[str, Any], code: Mapping[str, str]) -> list[str]:
    """What is imported before the config is built: as the preset says, else every module that is none of its configs."""
    if preset.get("imports"):
        return list(preset["imports"])
    configs = own_configs(preset["config"], code)
    names = [path[: -len(".py")].replace("/", ".") for path in sorted(code) if path.endswith(".py") and path not in configs]
    return [re.sub(r"\.__init__$", "", name) for name in names if name != "__init__"]


def import_modules(names: Sequence[str], folder: str) -> None:
    """Import each; a BadSpecError names the file and the line that refuses."""
    root = os.path.join(folder, CODE)
    for name in names:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            sentence = "The preset's module %s cannot be imported: %s" % (name, first_line(error))
            raise BadSpecError(sentence, place_of(error, root)) from error


def place_of(error: BaseException, root: str) -> str:
    """``file.py, line 3``: the deepest place below the root that an error came through; "" where there is none."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    own = [(os.path.relpath(path, root), line) for path, line in places if path.startswith(root + os.sep)]
    return "%s, line %s" % own[-1] if own else ""


def own_configs(config: str, code: Mapping[str, str]) -> dict[str, list[str]]:
    """The preset's own config, if it is one of its files, and the files of its own that it is based on; the bases each names."""
    found: dict[str, list[str]] = {}
    waiting = [config]
    while waiting:
        path = waiting.pop()
        if path in code and path not in found:
            found[path] = bases(path, code[path])
            waiting += [beside(path, base) for base in found[path]]
    return found


def beside(path: str, base: str) -> str:
    """A base's path in the preset's folder, named as its config names it."""
    return os.path.normpath(os.path.join(os.path.dirname(path), base))


def bases(path: str, text: str) -> list[str]:
    """What a config's ``_base_`` names, as mmengine reads it: one text or a list of them."""
    statement = base_statement(path, text)
    if statement is None:
        return []
    try:
        value = ast.literal_eval(statement.value)
    except ValueError as error:
        raise BadSpecError("The _base_ of %s is no list of file names." % path, "%s, line %d" % (path, statement.lineno)) from error
    return [str(item) for item in ([value] if isinstance(value, str) else value)]


def base_statement(path: str, text: str) -> ast.Assign | None:
    """The top-level assignment of ``_base_``."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise BadSpecError("The config %s cannot be read: %s" % (path, error.msg), "%s, line %s" % (path, error.lineno)) from error
    for node in tree.body:
        if isinstance(node, ast.With):
            sentence = "The config %s names its bases with read_base(); Signalbox reads those that say _base_ = [...]."
            raise BadSpecError(sentence % path, "%s, line %d" % (path, node.lineno))
        if isinstance(node, ast.Assign) and any(isinstance(target, ast.Name) and target.id == "_base_" for target in node.targets):
            return node
    return None


def laid_config(config: str, code: Mapping[str, str], *, folder: str, known: Mapping[str, str]) -> str:
    """The path of the preset's own config, written so that mmengine finds its bases: beside it, or in the collection (``known``)."""
    found = own_configs(config, code)
    for path, named in found.items():
        resolved = [base_path(path, base, found, folder=folder, known=known) for base in named]
        lines, statement = code[path].splitlines(), base_statement(path, code[path])
        if statement is not None:
            # As many lines as before, so that an error's line is the one that people see.
            blank = [""] * ((statement.end_lineno or statement.lineno) - statement.lineno)
            lines[statement.lineno - 1 : statement.end_lineno] = ["_base_ = %r" % resolved, *blank]
        write(os.path.join(folder, OWN_CONFIGS, path), "\n".join(lines) + "\n")
    return os.path.join(folder, OWN_CONFIGS, config)


def base_path(path: str, base: str, found: Mapping[str, Any], *, folder: str, known: Mapping[str, str]) -> str:
    """Where a base lies; BadSpecError where it is neither beside the config nor in the collection."""
    if "::" in base:
        return base
    if beside(path, base) in found:
        return os.path.abspath(os.path.join(folder, OWN_CONFIGS, beside(path, base)))
    name = re.sub(r"^(\.{1,2}/)+", "", base)
    if name not in known:
        raise BadSpecError("The config %s is based on %r, which is neither beside it nor in MMDetection's collection%s." % (
            path, base, did_you_mean(name, known),
        ), path)  # fmt: skip
    return known[name]
