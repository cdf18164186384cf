"""Text for people: names from outside made harmless, long things cut, numbers and times in words."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, tzinfo

BREAK = "\u2060"  # a word joiner: invisible, and Slack's markup does not begin or end beside it
_MARK = re.compile(r"(?<![^\W_])[*_~`]|[*_~`](?![^\W_])")
_EMOJI = re.compile(r":(?=[a-z0-9_+'-]+:)", re.IGNORECASE)
_SOMEBODY = re.compile(r"\b(?:[UWC][A-Z0-9]{8,20}|terminal:[\w.@-]*\w)\b")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def escaped(text: str) -> str:
    """Slack's three control characters escaped: nothing in the text can address people or make a link."""
    return _CONTROL.sub("", text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def name(text: str, limit: int = 80) -> str:
    """A name from outside as plain words: shown, never acted on; cut in the middle where too long."""
    return _inert(escaped(shortened(" ".join(text.split()), limit)))


def prose(text: str, limit: int = 900) -> str:
    """A sentence from the runner or from outside: code spans stay, anything else that Slack would act on does not."""
    kept = re.sub("`+", "`", shortened(" ".join(text.split()), limit))
    spans = kept.split("`")
    if len(spans) % 2 == 0:  # a backtick without its partner is a character like any other
        return name(kept, limit)
    return "`".join(escaped(span) if place % 2 else _inert(escaped(span)) for place, span in enumerate(spans))


def code(text: str, limit: int = 300) -> str:
    """Text in a code span; backticks inside are shown as what cannot end it."""
    plain = escaped(shortened(" ".join(text.split()), limit)).replace("`", "\u02cb")
    return f"`{plain or ' '}`"


def code_block(text: str, limit: int = 2800) -> str:
    """Lines in a code block, at most ``limit`` characters once escaped; the last lines are kept, for those say why."""
    kept: list[str] = []
    room = limit
    for line in reversed(text.splitlines()):
        plain = escaped(shortened(line.rstrip().expandtabs(4), 400)).replace("```", "``\u02cb")
        room -= len(plain) + 1
        if room < 0:
            kept.append("…")
            break
        kept.append(plain)
    return "```\n" + "\n".join(reversed(kept)) + "\n```"


def shortened(text: str, limit: int) -> str:
    """The text with its middle left out where it is longer than ``limit``: both ends of a name tell it apart."""
    if len(text) <= limit:
        return text
    tail = limit // 3
    return f"{text[: limit - tail - 1]}…{text[-tail:]}"


def sentence(text: str) -> str:
    """The text with a full stop, and a capital first letter unless it begins with a name such as ``gpu1`` or ``fish@2``."""
    plain = text.strip()
    if not plain:
        return ""
    begun = plain[0].upper() + plain[1:] if plain.split()[0].isalpha() else plain
    return begun if begun[-1] in ".!?…" else f"{begun}."


def person(who: str) -> str:
    """Someone as a message names them: a Slack member by mention, others (``terminal:ana``) in words."""
    return f"<@{who}>" if is_member(who) else name(who.replace("terminal:", "", 1) + " (terminal)" if who.startswith("terminal:") else who)


def naming(text: str, limit: int = 900) -> str:
    """A sentence of the queue, with people and channels in it as :func:`person` and links show them. For private answers and edits
    only: in a new message it would call them."""
    return _SOMEBODY.sub(lambda found: f"<#{found[0]}>" if found[0][0] == "C" else person(found[0]), prose(text, limit))


def is_member(who: str) -> bool:
    """Whether Slack knows this person."""
    return re.fullmatch(r"[UW][A-Z0-9]{2,20}", who) is not None


def count(number: int, noun: str, plural: str | None = None) -> str:
    """``1 image``, ``1,204 images``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number(value: float | None, digits: int = 4) -> str:
    """A loss or learning rate in few characters; ``–`` where unknown, ``NaN`` where it is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    if value != 0 and (abs(value) < 1e-3 or abs(value) >= 1e5):
        mantissa, _, exponent = f"{value:.2e}".partition("e")
        return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"
    text = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return text or "0"


def fixed(value: float | None) -> str:
    """A loss for a column: three decimals where that says enough, else as :func:`number`."""
    return f"{value:.3f}" if value is not None and 0.01 <= abs(value) < 1000 else number(value)


def ap(value: float | None) -> str:
    """An average precision with three decimals; ``–`` where undefined."""
    return "–" if value is None or not math.isfinite(value) or value < 0 else f"{value:.3f}"


def duration(span: timedelta) -> str:
    """``40 s``, ``12 min``, ``3 h 05 min``, ``2 d 4 h``."""
    seconds = max(0, int(span.total_seconds()))
    if seconds < 90:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes:02} min"
    return f"{hours // 24} d {hours % 24} h"


def clock(moment: datetime, zone: tzinfo, *, near: datetime | None = None) -> str:
    """``14:32 CET``; with its day where that is not the day of ``near``."""
    local = moment.astimezone(zone)
    day = "" if near is not None and local.date() == near.astimezone(zone).date() else f"{local:%a} {local.day} {local:%b} "
    return f"{day}{local:%H:%M} {local.tzname()}"


def bar(share: float, cells: int = 14) -> str:
    """A progress bar of block characters; full only when all is done."""
    bounded = min(1.0, max(0.0, share if math.isfinite(share) else 0.0))
    full = min(cells, int(bounded * cells + 1e-9))
    return "█" * full + "░" * (cells - full)


def _inert(plain: str) -> str:
    return _EMOJI.sub(f":{BREAK}", _MARK.sub(lambda found: f"{BREAK}{found[0]}{BREAK}", plain))


def size(size_bytes: int) -> str:
    """``512 kB``, ``1.4 GB``."""
    value = float(size_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
