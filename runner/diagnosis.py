"""Says why a run failed: one sentence, the last lines of its log, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from runner.entities import Diagnosis, Remedy
from runner.signatures import known
from runner.states import Reason
from runner.tracebacks import Traceback, root

TAIL_LINES = 15
_LONGEST_LINE = 300
_LONGEST_MESSAGE = 400
_SEARCHED = 128 * 1024
_LONGEST_SEARCHED_LINE = 2000
_EMPTY_END = re.compile(r"[: ]+\.$")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_RANK = re.compile(r"^\[rank\d+\]: ?")
_NOISE = re.compile(r"^\s*(?:[~^]+\s*)+$|^\s*$|^\{\"phase\"|^\[[> ]+\] \d+/\d+")


def diagnose(*, exit_code: int, tail: bytes) -> Diagnosis:
    """The cause of a failure, from the shell's exit code (128 + n for signal n) and the end of the log. Never raises."""
    lines = _lines(tail)
    traceback = root(lines)
    shown = _shown(lines, traceback)
    text = "\n".join(lines)
    for signature in known():
        groups = signature.match(text, exit_code=exit_code)
        if groups is not None:
            brief = {name: _short(value) for name, value in groups.items()}
            # A group that matched nothing leaves ": ." behind.
            sentence = _located(_EMPTY_END.sub(".", signature.sentence.format(**brief)), traceback if signature.pattern else None)
            return Diagnosis(signature.reason, sentence, signature.remedy.format(**brief), shown, signature.action)
    return _unknown(traceback, exit_code=exit_code, shown=shown)


def _unknown(traceback: Traceback | None, *, exit_code: int, shown: tuple[str, ...]) -> Diagnosis:
    if traceback is None:
        return Diagnosis(
            Reason.NONZERO_EXIT,
            f"The program ended with exit code {exit_code} and left no error message that is known.",
            "Read the last lines of the log, mend what they name, and retry.",
            shown, Remedy.RETRY,
        )  # fmt: skip
    said = f"{traceback.exception}: {traceback.message}" if traceback.message else traceback.exception
    return Diagnosis(
        Reason.CODE_ERROR,
        _located(f"The program failed with {_short(said).rstrip('.')}.", traceback),
        "Mend the code or the option at that place and retry; if epochs were finished, resume goes on from the last whole checkpoint.",
        shown, Remedy.RESUME,
    )  # fmt: skip


def _located(sentence: str, traceback: Traceback | None) -> str:
    if traceback is None or not traceback.file:
        return sentence
    return f"{sentence} It was raised in {traceback.where}."


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_MESSAGE else text[: _LONGEST_MESSAGE - 1] + "…"


def _lines(tail: bytes) -> list[str]:
    """The lines a person would see: the last state of each progress bar, no colours, no control characters, no rank labels."""
    text = _ESCAPE.sub("", tail[-_SEARCHED:].decode("utf-8", "replace"))
    seen = (_spoken(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in text.split("\n"))
    return [_RANK.sub("", "".join(c if c.isprintable() else " " for c in line[:_LONGEST_SEARCHED_LINE])).rstrip() for line in seen]


def _spoken(line: str) -> str:
    """The sentence inside an error that a recipe reports as JSON; any other line as it is."""
    if not line.startswith('{"error"'):
        return line
    try:
        return f"DATA_ERROR: {' '.join(str(json.loads(line)['error']['text']).split())}"
    except (ValueError, LookupError, TypeError, RecursionError):
        return line


def _shown(lines: Sequence[str], traceback: Traceback | None) -> tuple[str, ...]:
    """The last meaningful lines; where an exception was found, those up to it, and not what launchers say after it."""
    end = traceback.end + 1 if traceback else len(lines)
    meaningful = [line for line in lines[:end] if not _NOISE.match(line)]
    return tuple(line if len(line) <= _LONGEST_LINE else line[: _LONGEST_LINE - 1] + "…" for line in meaningful[-TAIL_LINES:])
