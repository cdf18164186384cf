"""``python prepare_m2det prepare|verify|identify|smoke < request.json > answer.json``, ``launch PROGRAM ARGUMENTS`` and ``draw``.

The first four: one JSON object in, one out (answering.py); whatever the framework prints goes to stderr.
The other two run in an attempt's directory, beside ``m2det.json``; their output is the attempt's log.
"""

import json
import sys

from .answering import serve
from .checkpoints import verify
from .drawing import draw
from .errors import BadSpecError
from .identity import identify
from .launching import launch
from .preparing import prepare
from .proof import smoke

VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke}
PROGRAMS = {"launch": launch, "draw": draw}
PLAN = "m2det.json"


def run(program, arguments):
    """Carry out a program; what it refuses is the last line of the log."""
    with open(PLAN, encoding="utf-8") as file:
        plan = json.load(file)
    try:
        PROGRAMS[program](plan, arguments)
    except BadSpecError as error:
        sys.exit("signalbox refuses: %s (%s)" % (error.sentence, error.where))


def main():
    """Answer what the argument asks for, or carry out a program."""
    verb = sys.argv[1] if len(sys.argv) > 1 else ""
    if verb in PROGRAMS:
        run(verb, sys.argv[2:])
        return
    if len(sys.argv) != 2 or verb not in VERBS:
        sys.exit("usage: prepare_m2det %s < request.json, or %s" % ("|".join(VERBS), "|".join(PROGRAMS)))
    serve(VERBS[verb])


if __name__ == "__main__":
    main()
