"""The verb ``identify``: whether a checkout and its Python can run MMDetection 1.x or 2.x, and which sources they are."""

import importlib
import os
import platform
import re
import subprocess
import sys

from .errors import BadSpecError, first_line
from .revisions import fingerprint, revision, source_digest

PROGRAMS = ("tools/train.py", "tools/test.py")
PACKAGES = ("torch", "mmcv", "mmdet")
FLAG = re.compile(r"(?<![\w-])--[A-Za-z][\w-]*")
ASKING_S = 120


def identify(request):
    """{"code": folder} to {python, torch, mmcv, mmdet, cuda, code, revision, fingerprint}; BadSpecError names all that is missing."""
    checkout = request.get("code") or ""
    missing = ["the file %s" % each for each in PROGRAMS if not os.path.isfile(os.path.join(checkout, each))]
    missing += [] if os.path.isdir(os.path.join(checkout, "configs")) else ["the folder configs"]
    problems = ["%s is no checkout of MMDetection: it lacks %s" % (checkout or "The folder", ", ".join(missing))] if missing else []
    use_checkout(checkout)
    problems += [problem for problem in map(package_problem, PACKAGES) if problem]
    if problems:
        said = "; ".join(problems)
        raise BadSpecError("MMDetection cannot run with Python %s of this environment: %s." % (platform.python_version(), said), "code")
    import mmcv
    import mmdet
    import torch

    require_generation(mmdet.__version__)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "mmcv": mmcv.__version__, "mmdet": mmdet.__version__}
    versions["cuda"] = torch.version.cuda
    sources = source_digest(os.path.dirname(os.path.abspath(mmdet.__file__)), os.path.join(checkout, "tools"))
    known_as = revision("mmdet %s" % mmdet.__version__, checkout, sources)
    return dict(versions, code=checkout, revision=known_as, fingerprint=fingerprint(versions, sources))


def use_checkout(folder):
    """Imports find the checkout first, as they do at the launch."""
    if folder and folder not in sys.path:
        sys.path.insert(0, folder)


def package_problem(name):
    """What is wrong with a package, or nothing."""
    try:
        importlib.import_module(name)
    except Exception as error:
        return "%s cannot be imported (%s)" % (name, first_line(error))
    return ""


def numbers(version):
    """``2.25.0+abc`` as (2, 25, 0); a release candidate counts as what it leads to."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    return tuple(int(each or 0) for each in found.groups()) if found else (0, 0, 0)


def require_generation(version):
    """Refuse what this program knows nothing of."""
    major = numbers(version)[0]
    if major >= 3:
        raise BadSpecError("This is MMDetection %s; declare it as the framework mmdet." % version, "code")
    if major < 1:
        raise BadSpecError("This is MMDetection %s; Signalbox runs 1.0 and newer." % version, "code")


def flags_of(checkout, tool):
    """The flags that a program of the checkout knows, in its own words: they differ from release to release."""
    variables = dict(os.environ, PYTHONPATH=os.pathsep.join([checkout, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    try:
        asked = subprocess.run(
            [sys.executable, os.path.join(checkout, tool), "--help"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, env=variables, timeout=ASKING_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BadSpecError("%s does not answer to --help within %d s." % (tool, ASKING_S), "code") from None
    if asked.returncode:
        said = asked.stderr.decode("utf-8", "replace").strip().splitlines() or ["exit code %d" % asked.returncode]
        raise BadSpecError("%s of the checkout does not start: %s" % (tool, said[-1]), "code")
    # What stands before the first empty line is the usage; behind it, flags are also spoken of.
    usage = asked.stdout.decode("utf-8", "replace").partition("\n\n")[0]
    return sorted(set(FLAG.findall(usage)) - {"--help"})
