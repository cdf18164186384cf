"""``python prepare_mmdet prepare|verify|identify|smoke  < request.json  > answer.json``.

One JSON object in, one out; whatever the frameworks print goes to stderr. Exit 0: the answer. Exit 3: the request can never
work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit: this program or the environment broke.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .checkpoints import verify
from .errors import BadSpecError
from .identity import identify
from .preparing import prepare
from .smoke import smoke

BAD_SPEC = 3
VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke}


def run(verb: str, request: Any) -> tuple[int, dict[str, Any]]:
    """(exit code, answer) of a verb."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.", "")
        return 0, VERBS[verb](request)
    except BadSpecError as error:
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def main() -> None:
    """Keep stdout for the answer alone: everything printed meanwhile, by native code too, goes to stderr."""
    if len(sys.argv) != 2 or sys.argv[1] not in VERBS:
        sys.exit("usage: prepare_mmdet %s < request.json" % "|".join(VERBS))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, answer = run(sys.argv[1], json.load(sys.stdin))
    answers.write(json.dumps(answer, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
