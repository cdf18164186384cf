"""``python prepare_mmdet_legacy prepare|verify|identify < request.json > answer.json``, and ``predict predict.json``.

The first three: one JSON object in, one out; whatever the framework prints goes to stderr. Exit 0: the answer. Exit 3: the request
can never work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit: this program or the environment broke.
``predict`` runs in an attempt's directory; its output is the attempt's log.
"""

import json
import os
import sys

from .checkpoints import verify
from .errors import BadSpecError
from .identity import identify
from .predicting import predict
from .preparing import prepare

BAD_SPEC = 3
VERBS = {"prepare": prepare, "verify": verify, "identify": identify}


def answer(verb, request):
    """(exit code, answer) of a verb."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.")
        return 0, VERBS[verb](request)
    except BadSpecError as error:
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def main():
    """Keep stdout for the answer alone: everything printed meanwhile, by native code too, goes to stderr."""
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "predict":
        with open(arguments[1], encoding="utf-8") as file:
            sys.exit(predict(json.load(file)))
    if len(arguments) != 1 or arguments[0] not in VERBS:
        sys.exit("usage: prepare_mmdet_legacy %s < request.json, or predict FILE" % "|".join(VERBS))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, content = answer(arguments[0], json.loads(sys.stdin.buffer.read().decode("utf-8")))
    answers.write(json.dumps(content, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
