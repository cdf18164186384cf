"""Matchers over labels, spans of time and label sets, as Alertmanager 0.25 writes them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, PlainValidator

Labels = Mapping[str, str]

_MATCHER = re.compile(r'\s*([A-Za-z_:][A-Za-z0-9_:]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^",{}]*?)\s*', re.DOTALL)
_SPAN = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?")
_UNITS = (timedelta(days=365), timedelta(weeks=1), timedelta(days=1), timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1),
          timedelta(milliseconds=1))
_MOST_LETTERS = 500


class Matcher:
    """``name = "value"``, ``!=``, ``=~`` or ``!~`` (anchored at both ends). A label that is missing is the same as an empty one."""

    __slots__ = ("_pattern", "name", "operator", "value")

    def __init__(self, name: str, operator: str, value: str) -> None:
        self.name = name
        self.operator = operator
        self.value = value
        self._pattern = re.compile(value) if "~" in operator else None

    def matches(self, labels: Labels) -> bool:
        """Whether a label set has what is asked for."""
        said = labels.get(self.name, "")
        found = said == self.value if self._pattern is None else self._pattern.fullmatch(said) is not None
        return found != self.operator.startswith("!")

    def __str__(self) -> str:
        return f"{self.name}{self.operator}{json.dumps(self.value, ensure_ascii=False)}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Matcher) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def matcher(text: str) -> Matcher:
    """Read one matcher; ValueError says what is wrong with it."""
    match = _MATCHER.fullmatch(text) if len(text) <= _MOST_LETTERS else None
    if match is None:
        raise ValueError(f'{text[:80]!r} is no matcher; matchers look like host = "gpu1", severity != "info" or run =~ "r-.+"')
    value = match[3]
    try:
        plain = str(json.loads(value, strict=False)) if value.startswith('"') else value
        return Matcher(match[1], match[2], plain)
    except (ValueError, re.error, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} is no matcher: {error}") from error


def all_match(matchers: Iterable[Matcher], labels: Labels) -> bool:
    """Whether every one of the matchers matches."""
    return all(each.matches(labels) for each in matchers)


def span(text: object) -> timedelta:
    """``30s``, ``5m``, ``4h``, ``1d12h``: Prometheus' spans of time. ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    match = _SPAN.fullmatch(text) if isinstance(text, str) and text and len(text) < 40 else None
    if match is None and text != "0":
        raise ValueError(f"{str(text)[:40]!r} is no span of time; write 30s, 5m, 4h or 1d")
    parts = match.groups() if match else ()
    try:
        return sum((unit * int(part) for part, unit in zip(parts, _UNITS, strict=False) if part), timedelta())
    except OverflowError as error:
        raise ValueError(f"{str(text)[:40]!r} is longer than any span of time") from error


def span_text(value: timedelta) -> str:
    """The inverse of :func:`span`."""
    text, left = "", value
    for unit, name in zip(_UNITS[2:], ("d", "h", "m", "s", "ms"), strict=True):
        count, left = divmod(left, unit)
        text += f"{count}{name}" if count else ""
    return text or "0s"


def fingerprint(labels: Labels) -> str:
    """The same text for the same labels, whatever their order. Empty labels count as missing."""
    return json.dumps({name: labels[name] for name in sorted(labels) if labels[name]}, ensure_ascii=False, separators=(",", ":"))


def _as_matcher(value: Any) -> Matcher:
    if isinstance(value, Matcher):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{str(value)[:80]!r} is no matcher; matchers are text")  # noqa: TRY004 - pydantic wants ValueError
    return matcher(value)


MatcherText = Annotated[Matcher, PlainValidator(_as_matcher), PlainSerializer(str)]
"""A matcher in a model."""
Span = Annotated[timedelta, BeforeValidator(span), PlainSerializer(span_text)]
"""A span of time in a model, written as Prometheus does."""
