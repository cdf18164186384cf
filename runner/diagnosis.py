"""Says why a run failed: one sentence, the last lines of its log, and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from runner.entities import Diagnosis, Remedy
from runner.signatures import Signature, known
from runner.states import Reason
from runner.tracebacks import Traceback, signs_of_life, tracebacks, unlabelled

TAIL_LINES = 15
_LONGEST_LINE = 300
_LONGEST_MESSAGE = 400
_SEARCHED = 128 * 1024
_LONGEST_SEARCHED_LINE = 2000
_NEAR = 3
_SIGNALS = 128
_EMPTY_END = re.compile(r"[: ]*\.+$")
_ESCAPE = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-_])")
_NOISE = re.compile(r"^\s*(?:[~^]+\s*)+$|^\s*$|^\{\"phase\"|^\[[> ]+\] \d+/\d+")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a failed attempt beside its exit and its log; None where it is not known.

    ``oom_kills`` as in ExitSeen; ``batch`` (images a GPU) and ``lr`` are what the run trained with.
    """

    oom_kills: int | None = None
    batch: int | None = None
    lr: float | None = None

    @property
    def smaller(self) -> str:
        """What to try after running out of memory, in words: half the batch, and the learning rate by the linear rule."""
        if self.batch is None:
            return "half the batch and half the learning rate"
        if self.batch < 2:
            return "smaller images, for the batch is one image already"
        half = self.batch // 2
        return f"batch {half} and learning rate " + (f"{self.lr * half / self.batch:.3g}" if self.lr else "halved")


UNKNOWN = Circumstances()


@dataclass(frozen=True, slots=True)
class _Ending:
    """A log's end: its ``lines``, the exceptions in it, and the lines from which its ``last`` words and those ``near`` them begin.

    Words before the last sign of life ended nothing. But a rank that still lived may have printed one or two such signs after
    another had died of the cause, so where the last words only tell of a death elsewhere, those near them count too.
    """

    lines: tuple[str, ...]
    exceptions: tuple[Traceback, ...]
    last: int
    near: int

    def text(self, start: int) -> str:
        return "\n".join(self.lines[start:])

    def primary(self, start: int) -> Traceback | None:
        return next((found for found in self.exceptions if found.end >= start and not found.secondary), None)

    def root(self, start: int) -> Traceback | None:
        return self.primary(start) or next((found for found in self.exceptions if found.end >= start), None)


@dataclass(frozen=True, slots=True)
class _Found:
    """What was recognised in the lines from ``start`` on."""

    start: int
    signature: Signature | None = None
    groups: Mapping[str, str] = field(default_factory=dict)


def diagnose(*, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
    """The cause of a failure, from the shell's exit code (128 + n for signal n) and the end of the log. Never raises."""
    said = _lines(tail)
    plain = tuple(unlabelled(line) for line in said)
    alive = signs_of_life(plain)
    ending = _Ending(plain, tuple(tracebacks(said)), alive[-1] + 1 if alive else 0, alive[-_NEAR:][0] + 1 if alive else 0)
    found = _recognised(ending, exit_code=exit_code, oom_kills=circumstances.oom_kills)
    traceback, signature = ending.root(found.start), found.signature
    shown = _shown(plain, traceback)
    if signature is None:
        return _unknown(traceback, exit_code=exit_code, shown=shown)
    words = {name: _short(value) for name, value in found.groups.items()} | {"smaller": circumstances.smaller}
    # A group that matched nothing leaves ": ." behind, one that ends in a full stop two.
    sentence = _EMPTY_END.sub(".", signature.sentence.format(**words))
    if signature.pattern and traceback and not traceback.secondary:
        sentence = _located(sentence, traceback)
    return Diagnosis(signature.reason, sentence, signature.remedy.format(**words), shown, signature.action)


def _recognised(ending: _Ending, *, exit_code: int, oom_kills: int | None) -> _Found:
    """What the end is known as; without a signature where an exception that none knows is nearer to the cause, or nothing is known."""

    def first(start: int, *, secondary: bool) -> _Found | None:
        text = ending.text(start)
        tried = (one for one in known() if one.pattern and one.secondary is secondary)
        matches = ((one, one.match(text, exit_code=exit_code, oom_kills=oom_kills)) for one in tried)
        return next((_Found(start, one, groups) for one, groups in matches if groups is not None), None)

    def cause(start: int) -> _Found | None:
        return first(start, secondary=False) or (_Found(start) if ending.primary(start) else None)

    found = cause(ending.last)
    if found:
        return found
    elsewhere = first(ending.last, secondary=True)
    if exit_code <= _SIGNALS and (elsewhere or ending.root(ending.last)) and (found := cause(ending.near)):
        return found
    silent = (one for one in known() if one.pattern is None and one.match("", exit_code=exit_code, oom_kills=oom_kills) is not None)
    return elsewhere or next((_Found(ending.last, one, {"oom_kills": str(oom_kills)}) for one in silent), _Found(ending.last))


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
    """The lines a person would see: the last state of each progress bar, no colours, no control characters."""
    text = _ESCAPE.sub("", tail[-_SEARCHED:].decode("utf-8", "replace"))
    seen = (_spoken(line.rstrip("\r").rsplit("\r", 1)[-1]) for line in text.split("\n"))
    return ["".join(c if c.isprintable() else " " for c in line[:_LONGEST_SEARCHED_LINE]).rstrip() for line in seen]


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
