"""``python publish_mmdet.py publish.json``: MMDetection's own publish_model.py, unmodified, and what its file needs beside it.

Leaves in ``folder``: ``<name>-<first 8 digits of its sha256>.pth`` (weights and meta alone), the config and ``.json`` (classes, epoch,
sha256, versions) under the same name, and ``code/`` where the preset has modules of its own. Standard library only, and torch inside
the tool. Python 3.6 or newer.
"""

import glob
import hashlib
import json
import os
import runpy
import shutil
import sys

CODE = "code"


def main():
    """The request: {tool, checkpoint, config, folder, name, epoch, revision, classes}."""
    with open(sys.argv[1], encoding="utf-8") as file:
        request = json.load(file)
    made = publish(request)
    stem, size = os.path.splitext(made)[0], os.path.getsize(made)
    shutil.copyfile(request["config"], stem + ".py")
    if os.path.isdir(CODE):
        shutil.copytree(CODE, os.path.join(request["folder"], CODE), ignore=shutil.ignore_patterns("__pycache__"))
    about = {"file": os.path.basename(made), "sha256": sha256(made), "size_bytes": size}
    about.update({key: request[key] for key in ("classes", "epoch", "revision")})
    with open(stem + ".json", "w", encoding="utf-8") as file:
        json.dump(about, file, indent=1, ensure_ascii=False)
    print(json.dumps({"signalbox": "result", "summary": dict(about, file=made)}), flush=True)


def publish(request):
    """The path of the published weights."""
    os.makedirs(request["folder"], exist_ok=True)
    wanted = os.path.join(request["folder"], request["name"])
    sys.argv = [request["tool"], request["checkpoint"], wanted + ".pth"]
    runpy.run_path(request["tool"], run_name="__main__")
    # The tool leaves its last step, a mv that puts the digest into the name, to a process that it does not wait for.
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
    made = glob.glob(glob.escape(wanted) + "-*.pth")
    if len(made) != 1:
        sys.exit("publish_model.py left no %s-<digest>.pth." % wanted)
    return made[0]


def sha256(path):
    """Of a file's content."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
