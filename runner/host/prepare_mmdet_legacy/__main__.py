"""``python prepare_mmdet_legacy prepare|verify|identify < request.json > answer.json``, and ``predict predict.json``.

The first three: one JSON object in, one out (answering.py); whatever the framework prints goes to stderr.
``predict`` runs in an attempt's directory; its output is the attempt's log.
"""

import json
import sys

from .answering import serve
from .checkpoints import verify
from .identity import identify
from .predicting import predict
from .preparing import prepare

VERBS = {"prepare": prepare, "verify": verify, "identify": identify}


def main():
    """Answer what the arguments ask for, or predict."""
    arguments = sys.argv[1:]
    if len(arguments) == 2 and arguments[0] == "predict":
        with open(arguments[1], encoding="utf-8") as file:
            sys.exit(predict(json.load(file)))
    if len(arguments) != 1 or arguments[0] not in VERBS:
        sys.exit("usage: prepare_mmdet_legacy %s < request.json, or predict FILE" % "|".join(VERBS))
    serve(VERBS[arguments[0]])


if __name__ == "__main__":
    main()
