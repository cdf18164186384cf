"""``python prepare_m2det prepare|verify|identify|smoke < request.json > answer.json``, ``launch PROGRAM ARGUMENTS`` and ``draw``.

The first four: one JSON object in, one out; whatever the framework prints goes to stderr. Exit 0: the answer. Exit 3: the request
can never work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit: this program or the environment broke.
The other two run in an attempt's directory, beside ``m2det.json``; their output is the attempt's log.
"""

import json
import os
import sys

from .checkpoints import verify
from .drawing import draw
from .errors import BadSpecError
from .identity import identify
from .launching import launch
from .preparing import prepare
from .proof import smoke

BAD_SPEC = 3
VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke}
PROGRAMS = {"launch": launch, "draw": draw}
PLAN = "m2det.json"


def answer(verb, request):
    """(exit code, answer) of a verb."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.")
        return 0, VERBS[verb](request)
    except BadSpecError as error:
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def run(program, arguments):
    """Carry out a program; what it refuses is the last line of the log."""
    with open(PLAN, encoding="utf-8") as file:
        plan = json.load(file)
    try:
        PROGRAMS[program](plan, arguments)
    except BadSpecError as error:
        sys.exit("signalbox refuses: %s (%s)" % (error.sentence, error.where))


def main():
    """Keep stdout for the answer alone: everything printed meanwhile, by native code too, goes to stderr."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb in PROGRAMS:
        run(verb, sys.argv[2:])
        return
    if len(sys.argv) != 2 or verb not in VERBS:
        sys.exit("usage: prepare_m2det %s < request.json, or %s" % ("|".join(VERBS), "|".join(PROGRAMS)))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, content = answer(verb, json.load(sys.stdin))
    answers.write(json.dumps(content, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
