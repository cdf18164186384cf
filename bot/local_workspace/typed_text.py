"""What a person types becomes what Slack sends: &, < and > escaped, @names and #channels as ids, addresses as links."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.local_workspace.entities import Channel, Person

_ADDRESS = re.compile(r"https?://[^\s<>]*[^\s<>.,;:!?)\]}'\"]")


def escape(text: str) -> str:
    """`text` with the three characters escaped that have a meaning in Slack's markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def encode(text: str, *, people: Iterable[Person], channels: Iterable[Channel], with_names: bool = False) -> str:
    """Typed text as an app receives it. `with_names` adds the name to an id, as in slash commands (<@U1|ada>)."""
    encoded = _ADDRESS.sub(lambda found: f"<{found.group()}>", escape(text))
    references = {f"@{person.name}": (f"@{person.id}", person.name) for person in people}
    references |= {f"#{channel.name}": (f"#{channel.id}", channel.name) for channel in channels if not channel.is_im}
    if not references:
        return encoded
    # Longest first, so that @ann-marie is not taken for @ann.
    names = "|".join(re.escape(name) for name in sorted(references, key=len, reverse=True))

    def reference(found: re.Match[str]) -> str:
        target, name = references[found.group()]
        show_name = with_names or target.startswith("#")
        return f"<{target}|{name}>" if show_name else f"<{target}>"

    return re.sub(rf"(?<![\w<|/])(?:{names})(?![\w-])", reference, encoded)
