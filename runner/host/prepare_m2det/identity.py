"""The verb ``identify``: whether a checkout and its Python can run M2Det, and which sources they are."""

import importlib
import os
import platform
import sys

from .errors import BadSpecError, first_line
from .revisions import fingerprint, revision, source_digest

PROGRAMS = ("train.py", "test.py", "m2det.py", "configs/CC.py", "data/voc0712.py", "utils/core.py")
PACKAGES = ("torch", "numpy", "cv2", "addict", "termcolor", "tqdm")
OWN_MODULES = ("configs.CC", "utils.nms_wrapper", "m2det")
REMOVED_IN_3_10 = "cannot import name 'Iterable' from 'collections'"


def identify(request):
    """{"code": folder} to {python, torch, cuda, code, revision, fingerprint}; BadSpecError names all that is missing."""
    checkout = request.get("code") or ""
    missing = ["the file %s" % each for each in PROGRAMS if not os.path.isfile(os.path.join(checkout, each))]
    if missing:
        raise BadSpecError("%s is no checkout of M2Det: it lacks %s." % (checkout or "The folder", ", ".join(missing)), "code")
    missing = [problem for problem in map(package_problem, PACKAGES) if problem]
    if not missing:
        missing = [problem for problem in (module_problem(checkout, each) for each in OWN_MODULES) if problem]
    if missing:
        sentence = "M2Det cannot run in Python %s of this environment: %s." % (platform.python_version(), "; ".join(missing))
        raise BadSpecError(sentence, "code")
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda}
    sources = source_digest(checkout)
    return dict(versions, code=checkout, revision=revision("M2Det", checkout, sources), fingerprint=fingerprint(versions, sources))


def package_problem(name):
    """What is wrong with a package, or nothing."""
    try:
        importlib.import_module(name)
    except Exception as error:
        return "%s (%s)" % (name, first_line(error))
    return ""


def module_problem(checkout, name):
    """What is wrong with a module of the checkout, and what to do about it, or nothing."""
    before = list(sys.path)
    sys.path.insert(0, checkout)
    try:
        importlib.import_module(name)
    except Exception as error:
        said = first_line(error)
        if REMOVED_IN_3_10 in said:
            return name + " imports collections.Iterable, which Python 3.10 removed; take an older Python or import it from collections.abc"
        hint = "; build it with the checkout's make.sh" if name == "utils.nms_wrapper" else ""
        return "%s does not import (%s)%s" % (name, said, hint)
    finally:
        sys.path[:] = before
    return ""
