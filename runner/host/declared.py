"""Looks at an environment that somebody declared on this host: ``declared.py declared.json``. Standard library only, Python >= 3.6.

``declared.json`` is {"framework", "python", "code"}; ``prepare_program`` beside this file is the framework's own. What its verb
``identify`` says becomes the environment's fingerprint; then its verb ``smoke``, where it has one, tries it. Set-up lines and variables
were carried out before this program began, as before every launch. Progress goes to stdout as JSON lines; the last is
``{"summary": {...}}``, or begins with ``ENVIRONMENT_ERROR:`` and names everything that is missing.
"""

import json
import os
import subprocess
import sys

IDENTIFY_S, SMOKE_S = 300.0, 900.0
BAD_SPEC = 3
SHOWN_LINES = 40


class DeclaredError(Exception):
    """The environment cannot be used; the message says all that is wrong with it."""


def main():
    """0 when the environment can be used."""
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            summary = look(json.load(file))
    except DeclaredError as error:
        print("ENVIRONMENT_ERROR: %s" % error, flush=True)
        return 1
    print(json.dumps({"summary": summary}), flush=True)
    return 0


def look(declared):
    """What the environment holds. DeclaredError."""
    python, code = declared["python"], declared["code"]
    missing = []
    if not (os.path.isfile(python) and os.access(python, os.X_OK)):
        missing.append("there is no Python at %s" % python)
    if code and not os.path.isdir(code):
        missing.append("there is no folder %s" % code)
    if missing:
        raise DeclaredError("On this host %s." % " and ".join(missing))
    say("look at the environment")
    found = ask(python, "identify", {"code": code}, IDENTIFY_S)
    if found is None or not found.get("fingerprint"):
        raise DeclaredError("%s does not say what it holds of %s; the log has its own words." % (python, declared["framework"]))
    say("try the environment")
    tried = ask(python, "smoke", {"code": code}, SMOKE_S)
    versions = {name: value for name, value in found.items() if isinstance(value, str) and name not in ("code", "revision", "fingerprint")}
    return {
        "fingerprint": found["fingerprint"], "revision": found.get("revision", ""), "code": found.get("code") or code,
        "versions": versions, "tried": tried is not None,
    }


def ask(python, verb, request, timeout_s):
    """The program's answer; None where it has no such verb. DeclaredError in its own words."""
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "prepare_program")
    try:
        ended = subprocess.run(
            [python, program, verb], input=json.dumps(request).encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DeclaredError("%s did not answer within %d seconds (%s)." % (python, timeout_s, verb)) from None
    except OSError as error:
        raise DeclaredError("%s cannot be run: %s." % (python, error.strerror)) from error
    said = ended.stderr.decode("utf-8", "replace").strip().splitlines()
    if ended.returncode and said and said[-1].startswith("usage:"):
        return None
    try:
        answer = json.loads(ended.stdout.decode("utf-8"))
    except ValueError:
        answer = {}
    if ended.returncode == BAD_SPEC and "error" in answer:
        raise DeclaredError(answer["error"]["sentence"])
    if ended.returncode or not isinstance(answer, dict):
        print("\n".join(said[-SHOWN_LINES:]), flush=True)
        last = said[-1] if said else "it said nothing"
        raise DeclaredError("%s failed with exit code %d (%s): %s" % (python, ended.returncode, verb, last))
    return answer


def say(phase):
    """A step of progress."""
    print(json.dumps({"phase": phase, "done": 0}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
