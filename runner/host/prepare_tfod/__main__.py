"""``python prepare_tfod prepare|verify|identify|smoke|check  < request.json  > answer.json``.

One JSON object in, one out (answering.py); whatever TensorFlow prints goes to stderr.
``check`` runs at launch, in the attempt's directory and before the training; its error is said to stderr as well, which is the log.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Mapping
from typing import Any

from .answering import serve
from .checkpoints import verify
from .errors import BadSpecError
from .identity import identify
from .records import check
from .smoke import smoke
from .training import train
from .using import use


def prepare(request: Mapping[str, Any]) -> dict[str, Any]:
    """Any kind of run."""
    return train(request) if request["spec"].get("kind", "train") == "train" else use(request)


def find_api(code: Any) -> None:
    """Let a checkout be imported, and the slim beside it, as its own guide has people set PYTHONPATH."""
    if isinstance(code, str) and code:
        above = os.path.dirname(os.path.abspath(code))
        sys.path += [folder for folder in (above, os.path.join(above, "slim")) if folder not in sys.path]


VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke, "check": check}


def carry_out(verb: str, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of a verb; what ``check`` refuses is said in the log as well."""
    find_api(request.get("code_folder") or request.get("code") or "")
    try:
        return VERBS[verb](request)
    except BadSpecError as error:
        if verb == "check":
            print("DATA_ERROR: %s (%s)" % (error.sentence, error.where), file=sys.stderr)
        raise


def main() -> None:
    """Answer what the one argument asks for."""
    if len(sys.argv) != 2 or sys.argv[1] not in VERBS:
        sys.exit("usage: prepare_tfod %s < request.json" % "|".join(VERBS))
    # Preparing takes no GPU: trainings run on them.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    serve(functools.partial(carry_out, sys.argv[1]))


if __name__ == "__main__":
    main()
