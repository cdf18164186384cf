"""Lays files that a run left on this host below results/. One stdlib file for Python >= 3.6, alone on the host.

``python gather.py gather.json`` in an attempt's directory; the JSON object holds ``directory`` and ``paths``, patterns below it (``**``
for any folders between). A file is called as below the pattern's fixed folder, or by its whole path where that name is taken. Hard links
are made, so that nothing that is deleted meanwhile is lost; copies where there can be none. Of a checkpoint that several files hold
(TensorFlow's), all have to be there.

stdout: {"summary": {"files", "size_bytes"}}, or {"error": {"sentence", "remedy"}} and exit code 1.
"""

import errno
import glob
import itertools
import json
import os
import re
import shutil
import sys
import time

RESULTS = "results"
FRESH_S, WAIT_S, LOOK_S = 10.0, 120.0, 1.0
NO_HARD_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)
ESCAPED = re.compile(r"\[([*?[])\]")
SHARD = re.compile(r"(.+)\.data-\d{5}-of-(\d{5})")


class GatherError(Exception):
    """What is said before the program ends."""

    def __init__(self, sentence, remedy):
        super().__init__(sentence)
        self.said = {"sentence": sentence, "remedy": remedy}


def found(directory, pattern):
    """(name in results, path) of the plain files that a pattern finds; links are passed over."""
    parts = pattern.split("/")[:-1]
    fixed = [glob_free(part) for part in itertools.takewhile(lambda part: not glob.has_magic(ESCAPED.sub("", part)), parts)]
    for path in sorted(glob.glob(os.path.join(glob.escape(directory), pattern), recursive=True)):
        inside = os.path.realpath(path) == os.path.join(os.path.realpath(directory), os.path.relpath(path, directory))
        if inside and os.path.isfile(path):
            yield os.path.relpath(path, os.path.join(directory, *fixed)), path


def glob_free(text):
    """What ``glob.escape`` was given."""
    return ESCAPED.sub(r"\1", text)


def wanted(directory, patterns):
    """Files by their names in results."""
    names = {}
    for pattern in patterns:
        for name, path in found(directory, pattern):
            taken = names.get(name, path) != path
            names[os.path.relpath(path, directory) if taken else name] = path
    return names


def require_whole(names):
    """A checkpoint that several files hold has them all; GatherError names what is missing."""
    indexes = {name[: -len(".index")] for name in names if name.endswith(".index")}
    shards = {}
    for match in filter(None, map(SHARD.match, names)):
        shards.setdefault(match.group(1), []).append(int(match.group(2)))
    for prefix in sorted(indexes | set(shards)):
        known = shards.get(prefix, [])
        if prefix not in indexes or not known or len(known) < known[0]:
            raise GatherError("The checkpoint %s is not whole: some of its files are gone." % prefix, "Choose another one.")


def settle(path):
    """Wait until a file that somebody has just written stops growing."""
    until = time.time() + WAIT_S
    while time.time() < until:
        before = os.stat(path)
        if time.time() - before.st_mtime > FRESH_S:
            return
        time.sleep(LOOK_S)
        if os.stat(path).st_size == before.st_size:
            return


def lay(path, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.lexists(target):
        os.unlink(target)
    try:
        os.link(path, target)
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        settle(path)
        shutil.copy2(path, target)


def gather(plan):
    if not os.path.isdir(plan["directory"]):
        raise GatherError("The folder %s is not there any more." % plan["directory"], "Nothing of that run is left on this host.")
    names = wanted(plan["directory"], plan["paths"])
    if not names:
        asked = ", ".join(map(glob_free, plan["paths"]))
        raise GatherError("There is no such file in %s: %s." % (plan["directory"], asked), "It was never written, or deleted meanwhile.")
    require_whole(names)
    targets = [os.path.join(RESULTS, name) for name in sorted(names)]
    for target, (_, path) in zip(targets, sorted(names.items())):  # noqa: B905 - strict came with Python 3.10
        lay(path, target)
    # Only now: while one is waited for, another may be deleted.
    for target in targets:
        settle(target)
    return {"files": len(names), "size_bytes": sum(map(os.path.getsize, targets))}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    try:
        print(json.dumps({"summary": gather(plan)}))
    except GatherError as error:
        said = error.said
    except OSError as error:
        said = {"sentence": "It cannot be laid out to be sent: %s." % error, "remedy": "Look at the disk of this host, then try again."}
    else:
        return 0
    print(json.dumps({"error": said}))
    return 1


if __name__ == "__main__":
    sys.exit(main())
