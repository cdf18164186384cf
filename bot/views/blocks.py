"""Block Kit, kept inside its limits: blocks as the plain values that Slack takes."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.answer import Block
from bot.views.words import shortened

SECTION_LIMIT = 3000
FIELD_LIMIT = 2000
HEADER_LIMIT = 150
BUTTON_LIMIT = 75
VALUE_LIMIT = 2000
MESSAGE_LIMIT = 13_000  # all blocks of a message together; Slack refuses more with msg_blocks_too_long
TEXT_LIMIT = 3_900
BLOCKS_LIMIT = 50
FIELDS_LIMIT = 10
ACTIONS_LIMIT = 25
CONTEXT_LIMIT = 10
MENU_LIMIT = 5
OPTION_LIMIT = 150

Message = tuple[str, list[Block]]
"""What a view returns: the text that notifications and the terminal show, and the blocks."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button carries a command line. ``danger`` paints it red, ``primary`` green. With ``form`` it opens the form of its verb, filled
    in with what the line says."""

    label: str
    line: str
    style: str | None = None
    form: bool = False


def cut(text: str, limit: int) -> str:
    """The text, at most ``limit`` characters, ended at a line where it must be; a code block stays closed."""
    if len(text) <= limit:
        return text
    fence = "\n…\n```" if text.count("```") % 2 == 0 and "```" in text else "\n…"
    head = text[: limit - len(fence)]
    whole_lines = head[: head.rfind("\n")] if "\n" in head[len(head) // 2 :] else head
    return whole_lines + (fence if whole_lines.count("```") % 2 else "\n…")


def section(text: str, fields: Sequence[str] = (), *, menu: Sequence[Button] = ()) -> Block:
    """A paragraph, with short facts in two columns below and a menu (of the first five buttons) beside it."""
    block: dict[str, object] = {"type": "section", "text": _mrkdwn(cut(text, SECTION_LIMIT))}
    if any(len(button.line) <= OPTION_LIMIT for button in menu):
        block["accessory"] = _menu(menu)
    if fields:
        block["fields"] = [_mrkdwn(cut(fact, FIELD_LIMIT)) for fact in fields[:FIELDS_LIMIT]]
    return block


def header(text: str) -> Block:
    """A title in large letters; plain text."""
    return {"type": "header", "text": plain_text(shortened(text, HEADER_LIMIT))}


def context(*texts: str) -> Block:
    """Small grey facts."""
    return {"type": "context", "elements": [_mrkdwn(cut(text, FIELD_LIMIT)) for text in texts[:CONTEXT_LIMIT]]}


def _menu(buttons: Sequence[Button]) -> Block:
    options = [
        {"text": plain_text(shortened(each.label, BUTTON_LIMIT)), "value": each.line}
        for each in [button for button in buttons if len(button.line) <= OPTION_LIMIT][:MENU_LIMIT]
    ]
    return {"type": "overflow", "action_id": "command:menu", "options": options}


def plain_text(text: str) -> dict[str, object]:
    """Text that Slack does not look into."""
    return {"type": "plain_text", "text": text, "emoji": True}


def divider() -> Block:
    """A line across."""
    return {"type": "divider"}


def actions(buttons: Iterable[Button]) -> Block:
    """A row of buttons. Every action_id is ``command:<verb>:<n>``, unique in the row; the value is the line."""
    return {"type": "actions", "elements": [_button(button, place) for place, button in enumerate(list(buttons)[:ACTIONS_LIMIT])]}


def fitting(blocks: Iterable[Block]) -> list[Block]:
    """As many of the blocks as one message takes: whole ones, from the first; buttons at the end are kept."""
    every = list(blocks)
    tail = [every.pop()] if every and every[-1]["type"] == "actions" else []
    room = MESSAGE_LIMIT - sum(size(block) for block in tail)
    kept: list[Block] = []
    for block in every[: BLOCKS_LIMIT - len(tail)]:
        room -= size(block)
        if room < 0:
            break
        kept.append(block)
    return kept + tail


def size(block: Block) -> int:
    """How many characters of a message a block takes, its texts counted."""

    def texts(value: object) -> int:
        if isinstance(value, dict):
            return sum(len(item) if key == "text" and isinstance(item, str) else texts(item) for key, item in value.items())
        return sum(texts(item) for item in value) if isinstance(value, list) else 0

    return texts(dict(block))


def quoted(words: Iterable[str]) -> str:
    """A command line of its words, quoted as people would."""
    return " ".join(word if word and shlex.quote(word) == word else _quoted(word) for word in words)


def _quoted(word: str) -> str:
    return shlex.quote(word) if any(mark in word for mark in "\"\\$`") else f'"{word}"'


def _button(button: Button, place: int) -> dict[str, object]:
    verb = button.line.split(maxsplit=1)[0]
    element: dict[str, object] = {
        "type": "button",
        "action_id": f"{'form' if button.form else 'command'}:{verb}:{place}",
        "text": plain_text(shortened(button.label, BUTTON_LIMIT)),
        "value": button.line[:VALUE_LIMIT],
    }
    if button.style:
        element["style"] = button.style
    return element


def _mrkdwn(text: str) -> dict[str, object]:
    return {"type": "mrkdwn", "text": text or " ", "verbatim": True}
