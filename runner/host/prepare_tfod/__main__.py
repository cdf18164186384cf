"""``python prepare_tfod prepare|verify|identify|smoke|check  < request.json  > answer.json``.

One JSON object in, one out; whatever TensorFlow prints goes to stderr. Exit 0: the answer. Exit 3: the request can never
work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit: this program or the environment broke.
``check`` runs at launch, in the attempt's directory and before the training; its error is said to stderr as well, which is the log.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from .checkpoints import verify
from .errors import BadSpecError
from .identity import identify
from .records import check
from .smoke import smoke
from .training import train
from .using import use

BAD_SPEC = 3


def prepare(request: Mapping[str, Any]) -> dict[str, Any]:
    """Any kind of run."""
    return train(request) if request["spec"].get("kind", "train") == "train" else use(request)


def find_api(code: Any) -> None:
    """Let a checkout be imported, and the slim beside it, as its own guide has people set PYTHONPATH."""
    if isinstance(code, str) and code:
        above = os.path.dirname(os.path.abspath(code))
        sys.path += [folder for folder in (above, os.path.join(above, "slim")) if folder not in sys.path]


VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke, "check": check}


def run(verb: str, request: Any) -> tuple[int, dict[str, Any]]:
    """(exit code, answer) of a verb."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.", "")
        find_api(request.get("code_folder") or request.get("code") or "")
        return 0, VERBS[verb](request)
    except BadSpecError as error:
        if verb == "check":
            print("DATA_ERROR: %s (%s)" % (error.sentence, error.where), file=sys.stderr)
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def main() -> None:
    """Keep stdout for the answer alone: everything printed meanwhile, by native code too, goes to stderr."""
    if len(sys.argv) != 2 or sys.argv[1] not in VERBS:
        sys.exit("usage: prepare_tfod %s < request.json" % "|".join(VERBS))
    # Preparing takes no GPU: trainings run on them.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, answer = run(sys.argv[1], json.load(sys.stdin))
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
