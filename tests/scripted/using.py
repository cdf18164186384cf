"""Uses a checkpoint of the scripted program: ``using.py eval|predict|export request.json``, in an attempt's directory.

Says what it made as programs of ours do, and leaves below ``results/`` what every framework leaves there.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path

from presence import note_presence

RESULTS = Path("results")
PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def say(kind: str, **content: object) -> None:
    print(json.dumps({"signalbox": kind, **content}), flush=True)


def evaluate(request: dict) -> None:
    kept = json.loads(Path(request["checkpoint"]).read_text())
    epoch, learned = kept["epoch"], kept.get("learned") or {}
    ap = learned.get("ap", min(0.9, 0.2 * epoch))
    for task in request["scenario"].get("tasks", ["bbox"]):
        per_class = learned.get("per_class", {"fish": ap})
        say("evaluation", epoch=epoch, task=task, ap=ap, ap50=min(1.0, ap + 0.1), ap75=None, per_class=per_class)
    if "found" in learned:
        Path("found.bbox.json").write_text(json.dumps(learned["found"]))


def predict(request: dict) -> None:
    """One box in every picture; ``results/pictures`` holds the pictures as they were."""
    folder = RESULTS / "pictures"
    folder.mkdir(parents=True)
    found = []
    for number, path in enumerate(request["pictures"], start=1):
        time.sleep(request["scenario"]["step_s"])
        say("step", phase="predicting", done=number, total=len(request["pictures"]))
        name = Path(path).name
        if name.lower().endswith(PICTURES):
            shutil.copyfile(path, folder / f"{Path(name).stem}.jpg")
        else:
            shutil.copyfile(path, RESULTS / "video.mp4")
        found.append({"image_id": number, "file_name": name, "category_id": 1, "category": "fish", "bbox": [2, 3, 10, 8], "score": 0.9})
    (RESULTS / "predictions.json").write_text(json.dumps(found))
    say("result", summary={"images": len(found), "boxes": len(found), "per_class": {"fish": len(found)}, "files": ["predictions.json"]})


def export(request: dict) -> None:
    model = RESULTS / "model"
    model.mkdir(parents=True)
    shutil.copyfile(request["checkpoint"], model / f"{request['name']}.pth")
    say("result", summary={"file": f"model/{request['name']}.pth"})


def leave_more(scenario: dict) -> None:
    """What a scenario wants below ``results/`` besides: links, strange names, sparse files by their sizes."""
    RESULTS.mkdir(exist_ok=True)
    for name, target in scenario.get("links", {}).items():
        (RESULTS / name).symlink_to(target)
    for name, size in scenario.get("sparse", {}).items():
        with (RESULTS / name).open("wb") as file:
            file.truncate(size)


def main() -> int:
    request = json.loads(Path(sys.argv[2]).read_text())
    if request["scenario"].get("presence"):
        note_presence(Path(request["scenario"]["presence"]))
    {"eval": evaluate, "predict": predict, "export": export}[sys.argv[1]](request)
    leave_more(request["scenario"])
    return int(request["scenario"].get("exit_code", 0))


if __name__ == "__main__":
    sys.exit(main())
