"""The one error of this program, and words for its sentences."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BadSpecError(Exception):
    """The request can never work; ``sentence`` is for a person, ``where`` names a key or a file."""

    def __init__(self, sentence: str, where: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.where = where


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`` (did you mean x?)`` for a near word, else nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return " (did you mean %r?)" % near[0] if near else ""


def first_line(error: Exception) -> str:
    """An exception's message as one line without its padding."""
    return " ".join(str(error).split())[:600] or type(error).__name__
