"""The one error of a preparing program, and words for its sentences."""

import difflib

LONGEST = 600


class BadSpecError(Exception):
    """The request can never work; ``sentence`` is for a person, ``where`` names a key or a file."""

    def __init__(self, sentence, where=""):
        super().__init__(sentence)
        self.sentence = sentence
        self.where = where


def did_you_mean(word, known):
    """`` (did you mean x?)`` for a near word, else nothing."""
    near = difflib.get_close_matches(word, sorted(known), n=1, cutoff=0.6)
    return " (did you mean %r?)" % near[0] if near else ""


def first_line(error):
    """An exception's message as one line without its padding."""
    return " ".join(str(error).split())[:LONGEST] or type(error).__name__


def listed(items, most=8):
    """``a, b and 3 more``."""
    items = list(items)
    more = " and %d more" % (len(items) - most) if len(items) > most else ""
    return ", ".join(items[:most]) + more
