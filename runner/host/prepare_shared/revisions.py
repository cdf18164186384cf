"""Which sources a framework's code is: an edited installation or checkout is another revision."""

import hashlib
import json
import os
import subprocess

GIT_S = 20


def source_digest(*roots):
    """A sha256 over every Python file below some folders, but for what lies in folders that begin with a dot."""
    digest = hashlib.sha256()
    for root in roots:
        for at, folders, files in os.walk(root):
            folders[:] = sorted(each for each in folders if not each.startswith(".") and each != "__pycache__")
            for name in sorted(each for each in files if each.endswith(".py")):
                path = os.path.join(at, name)
                digest.update(os.path.relpath(path, root).encode("utf-8", "surrogateescape") + b"\0")
                with open(path, "rb") as file:
                    digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def fingerprint(versions, sources):
    """What one environment's versions and sources are known by."""
    return hashlib.sha256((json.dumps(versions, sort_keys=True) + sources).encode()).hexdigest()[:16]


def revision(name, checkout, sources):
    """The name with its version, the commit where git knows it, and the sources as they are."""
    return " ".join(each for each in (name, commit_of(checkout), "(%s)" % sources[:8]) if each)


def commit_of(checkout):
    """The short commit of a checkout, or nothing where git does not know it."""
    if not os.path.exists(os.path.join(checkout, ".git")):  # git would ask the folders above
        return ""
    command = ["git", "-C", checkout, "rev-parse", "--short", "HEAD"]
    try:
        found = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=GIT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.decode("ascii", "replace").strip() if found.returncode == 0 else ""
