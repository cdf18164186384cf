"""How a preparing program answers: one JSON object in, one out.

Exit 0: the answer. Exit 3: the request can never work, and the answer is {"error": {"sentence": ..., "where": ...}}. Any other exit:
the program or the environment broke.
"""

import json
import os
import sys

from .errors import BadSpecError

BAD_SPEC = 3


def answer(verb, request):
    """(exit code, answer) of what a function makes of a request."""
    try:
        if not isinstance(request, dict):
            raise BadSpecError("The request is not a JSON object.")
        return 0, verb(request)
    except BadSpecError as error:
        return BAD_SPEC, {"error": {"sentence": error.sentence, "where": error.where}}


def serve(verb):
    """Answer stdin on stdout and exit. Stdout is kept for the answer alone: all printed meanwhile, by native code too, goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    code, content = answer(verb, json.loads(sys.stdin.buffer.read().decode("utf-8")))
    answers.write(json.dumps(content, allow_nan=False) + "\n")
    answers.close()
    sys.exit(code)
