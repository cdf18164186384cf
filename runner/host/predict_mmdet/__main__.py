"""``python predict_mmdet predict.json`` in an attempt's directory; writes below ``results/`` and tells in the log how far it is.

The request: {config, checkpoint, classes, listing, images, files: [{name, path}], batch, score, results, cityscapes}; ``listing`` is a
COCO annotation file or null. Exit 1 with a sentence where not one picture could be read.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from itertools import islice
from typing import Any

from .model import Model
from .results import Results
from .sources import frames_of, sources_of, total_of

TOLD_EVERY_S = 1.0
LONGEST_REASON = 300


def say(**values: Any) -> None:
    """One line of ours in the log, whose first key is ``signalbox``."""
    print(json.dumps(values, ensure_ascii=True), flush=True)


def predict(request: Mapping[str, Any]) -> Results:
    """Every picture through the model, a batch at a time."""
    sources = sources_of(request)
    model, results = Model(request["config"], request["checkpoint"]), Results(request)
    total, told_at, done = total_of(sources), 0.0, 0

    def leave_out(name: str, why: str) -> None:
        print("left out: %s: %s" % (name, why), flush=True)
        results.leave_out(name, why)

    frames = frames_of(sources, model.load, leave_out)
    while batch := list(islice(frames, request["batch"])):
        samples = model.ask(batch)
        for index, frame in enumerate(batch):
            results.add(frame, samples[index])
        done += len(batch)
        if time.monotonic() - told_at >= TOLD_EVERY_S or done == total:
            told_at = time.monotonic()
            say(signalbox="step", phase="predicting", done=done, total=total)
    results.close()
    return results


def main() -> None:
    """The request is the one argument's content."""
    with open(sys.argv[1], encoding="utf-8") as file:
        results = predict(json.load(file))
    summary = results.summary()
    if not summary["images"]:
        first = ", ".join("%s (%s)" % (item["name"], item["why"]) for item in summary["left_out"][:3]) or "there was none"
        sys.exit("failed to load image: %s" % first[:LONGEST_REASON])
    say(signalbox="result", summary=summary)


if __name__ == "__main__":
    main()
