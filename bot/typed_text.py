"""What chat clients and phones do to a typed command is undone here; then it is split as a shell would."""

from __future__ import annotations

import re
import shlex

from bot.verb import CommandError

_ENTITY = re.compile(r"<(?P<sigil>[@#!]?)(?P<target>[^<>|]*)(?:\|(?P<label>[^<>]*))?>")
_LONG_DASH = re.compile(r"(?<!\S)[\u2012-\u2015\u2212](?P<name>[^\W\d_][\w-]*)?(?=[=\s]|$)")
_DOUBLE_QUOTES = re.compile("[\u201c\u201d\u201e\u201f\u00ab\u00bb]")
_SINGLE_QUOTES = re.compile(r"(?<!\w)[\u2018\u2019\u201a\u201b]|[\u2018\u2019\u201a\u201b](?!\w)")
_BLANKS = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_INVISIBLE = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad\ufe0e\ufe0f]")
_PREFIX = re.compile(r"^\s*(?:/train\b|@?signalbox\b)\s*", re.IGNORECASE)


def as_meant(text: str) -> str:
    """The text as the person meant it: Slack's entities and escapes, long dashes, curly quotes and odd blanks are undone.

    A leading mention, ``/train`` or ``signalbox`` and backticks around the whole line (from copying) are dropped.
    """
    line = re.sub(r"^\s*<@[^<>]*>", "", text)
    line = _unescaped(_ENTITY.sub(_plain_entity, line))
    line = _INVISIBLE.sub("", _BLANKS.sub(" ", line)).replace("…", "...")
    line = _SINGLE_QUOTES.sub("'", _DOUBLE_QUOTES.sub('"', line))
    line = _LONG_DASH.sub(_plain_dash, line).strip()
    if line.startswith("`") and line.endswith("`"):
        line = line.strip("`").strip()
    return _PREFIX.sub("", line)


def split_like_a_shell(line: str) -> list[str]:
    """The words of a line, quoted ones as one; CommandError that shows the quote which is never closed."""
    try:
        return shlex.split(line)
    except ValueError:
        pass
    try:
        return shlex.split(line.replace("\\", "\\\\"))  # a lone backslash is what the person typed, not an escape
    except ValueError:
        opened = min((line.rfind(quote) for quote in "\"'" if line.count(quote) % 2), default=0)
        raise CommandError(
            f"A quote is opened and never closed, here: `{line[opened:opened + 40]}`. Close it, or leave it out.",
            line=(line[:opened] + line[opened + 1 :]).strip(),
        ) from None


def _plain_entity(found: re.Match[str]) -> str:
    target, label = found["target"], found["label"]
    if found["sigil"] == "!":
        return (target.split("^")[1] if target.startswith("subteam^") else label or target).lstrip("@")
    if found["sigil"]:
        return target
    address = re.sub(r"^(?:mailto:|tel:|https?://)", "", target).rstrip("/")
    made_by_slack = label is not None and _unescaped(label).removeprefix("https://").removeprefix("http://").rstrip("/") == address
    return label if made_by_slack and label is not None else target.removeprefix("mailto:")


def _plain_dash(found: re.Match[str]) -> str:
    name = found["name"] or ""
    return ("-" if len(name) == 1 else "--") + name


def _unescaped(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
