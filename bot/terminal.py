"""An answer as a terminal shows it: styled on a screen, plain where it is piped."""

from __future__ import annotations

import re
import sys
from typing import TextIO

from bot.views.words import BREAK

Piece = tuple[str, str]
"""(style, text); the style is rich's, empty for plain text."""

COMMAND = "cyan"
_STYLED = re.compile(
    rf"(?<![{BREAK}\w])\*(?=\S)(?P<bold>[^*\n]+)(?<=\S)\*(?![{BREAK}\w])|(?<!{BREAK})`(?P<code>[^`\n]+)`|<(?P<person>[@#][A-Z0-9]+)>"
)


def show(text: str, *, out: TextIO | None = None) -> None:
    """Print an answer's text, which is Slack's markup. In plain text, lines to type inside a sentence keep their backticks."""
    stream = out or sys.stdout
    found = pieces(text)
    if not stream.isatty():
        stream.write("".join(_unstyled(*piece) for piece in found).rstrip("\n") + "\n")
        stream.flush()
        return
    from rich.console import Console  # a pipe is spared the price of it
    from rich.text import Text

    Console(file=stream, highlight=False, soft_wrap=True).print(Text.assemble(*((piece, style) for style, piece in found)))


def _unstyled(style: str, piece: str) -> str:
    return f"`{piece}`" if style == COMMAND and " " in piece else piece


def pieces(text: str) -> list[Piece]:
    """The text without Slack's markup, in pieces of one style."""
    found: list[Piece] = []
    for place, part in enumerate(text.split("```")):
        if place % 2:
            found.append(("", _plain(part).strip("\n")))
        else:
            found += _styled(part)
    return found


def _styled(part: str) -> list[Piece]:
    found: list[Piece] = []
    end = 0
    for match in _STYLED.finditer(part):
        found.append(("", _plain(part[end : match.start()])))
        bold, code, person = match["bold"], match["code"], match["person"]
        found.append(("bold", _plain(bold).replace("`", "")) if bold else (COMMAND, _plain(code)) if code else ("magenta", person))
        end = match.end()
    return [*found, ("", _plain(part[end:]))]


def _plain(text: str) -> str:
    return text.replace(BREAK, "").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
