"""A preset's own modules, laid where imports find them, and its own config beside the checkout's."""

import importlib
import os
import re
import sys
import traceback

from .errors import BadSpecError, first_line
from .identity import use_checkout

CODE = "code"
# Where an own config lies: as deep as the checkout's own, among links to them, so that bases are found whether they are named from
# the folder of the config ("../_base_/models/x.py") or from the collection's ("mask_rcnn/x.py").
OWN_CONFIGS = "configs/own"
CONFIGS = "configs"
BASE = re.compile(r"^_base_\s*=\s*(\[[^\]]*\]|\([^)]*\)|[^\n]*)", re.MULTILINE)


def use_own_code(request):
    """Lay down and import the preset's modules, with the checkout's own importable; returns their names."""
    use_checkout(request["code_folder"])
    code = request.get("code") or {}
    lay_down(code, request["folder"])
    own = modules(request["spec"]["preset"], code)
    import mmdet.datasets
    import mmdet.models  # noqa: F401

    import_modules(own, request["folder"])
    return own


def lay_down(code, folder):
    """Write the modules to ``code/`` in the folder and let imports find them. BadSpecError for a path that leads out of it."""
    for path, text in code.items():
        if os.path.isabs(path) or ".." in path.split("/"):
            raise BadSpecError("The preset's module %r does not lie in its folder." % path, "code")
        write(os.path.join(folder, CODE, path), text)
    if code:
        sys.path.insert(0, os.path.join(folder, CODE))


def write(path, text):
    """A text file, with the folders above it."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def modules(preset, code):
    """What is imported before the model is built: as the preset says, else every module that is none of its configs."""
    if preset.get("imports"):
        return list(preset["imports"])
    configs = own_configs(preset["config"], code)
    names = [path[: -len(".py")].replace("/", ".") for path in sorted(code) if path.endswith(".py") and path not in configs]
    return [re.sub(r"\.__init__$", "", name) for name in names if name != "__init__"]


def own_configs(config, code):
    """The preset's own config, if it is one of its files, and the files of its own that it is based on."""
    found, waiting = set(), [config]
    while waiting:
        path = waiting.pop()
        if path in code and path not in found:
            found.add(path)
            named = re.findall(r"[\"']([^\"']+)[\"']", "".join(BASE.findall(code[path])))
            waiting += [os.path.normpath(os.path.join(os.path.dirname(path), base)) for base in named]
    return found


def import_modules(names, folder):
    """Import each; a BadSpecError names the file and the line that refuses."""
    root = os.path.join(folder, CODE)
    for name in names:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as error:
            said = "The preset's module %s cannot be imported: %s: %s" % (name, type(error).__name__, first_line(error))
            raise BadSpecError(said, place_of(error, root)) from error


def place_of(error, root):
    """``file.py, line 3``: the deepest place below the root that an error came through; "" where there is none."""
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        places.append((error.filename or "", error.lineno))
    own = [(os.path.relpath(path, root), line) for path, line in places if path.startswith(root + os.sep)]
    return "%s, line %s" % own[-1] if own else ""


def laid_config(config, code, folder, checkout):
    """The path of the preset's own config, written among links to the checkout's."""
    own = os.path.join(folder, OWN_CONFIGS)
    os.makedirs(own, exist_ok=True)
    for path in sorted(own_configs(config, code)):
        write(os.path.join(own, path), code[path])
    beside = os.path.dirname(os.path.join(own, config))
    for place in {beside, os.path.dirname(beside), own, os.path.dirname(own)}:
        for name in os.listdir(os.path.join(checkout, CONFIGS)):
            link = os.path.join(place, name)
            if not os.path.lexists(link):
                os.symlink(os.path.join(os.path.abspath(checkout), CONFIGS, name), link)
    return os.path.join(own, config)
