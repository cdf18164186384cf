"""Runs that a message names lead to their cards, where these stand: `r-7f3k` becomes a link."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.answer import Block
from bot.message import Message
from bot.views.blocks import FIELD_LIMIT, MESSAGE_LIMIT, SECTION_LIMIT
from runner.service import outbox
from runner.service.house import House

_NAMED = re.compile(r"(?<!`)`(r-[a-z0-9]{4,8})`(?!`)")
"""An id that stands alone; in a line to type it stays as it is."""
_UNSAFE = re.compile(r"[<>|\s]")


def linked(house: House, message: Message, *, but: str | None = None) -> Message:
    """The message with links to the cards of the runs it names, but for one's own; as it was where that would be too long for Slack."""
    text, *blocks = linked_blocks(house, [_as_section(message.text), *message.blocks], but=but)
    return replace(message, text=str(text["text"]["text"]), blocks=tuple(blocks))  # type: ignore[index]


def linked_blocks(house: House, blocks: Sequence[Block], *, but: str | None = None, most: int = MESSAGE_LIMIT) -> list[Block]:
    """The same of blocks alone, which together may have so many characters."""
    named = {run_id for text in _texts(list(blocks)) for run_id in _NAMED.findall(text)} - {but}
    known = {run_id: url for run_id, url in outbox.links(house, named).items() if not _UNSAFE.search(url)} if named else {}
    if not known:
        return list(blocks)
    made: list[Block] = [_linked(block, known) for block in blocks]
    return made if sum(map(len, _texts(made))) <= most else list(blocks)


def _as_section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _texts(value: Any) -> list[str]:
    """Every text of Slack's markup in blocks."""
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    if not isinstance(value, dict):
        return []
    if value.get("type") == "mrkdwn":
        return [str(value["text"])]
    return [text for each in value.values() for text in _texts(each)]


def _linked(value: Any, known: Mapping[str, str], limit: int = SECTION_LIMIT) -> Any:
    if isinstance(value, list):
        return [_linked(each, known, FIELD_LIMIT) for each in value]
    if not isinstance(value, dict):
        return value
    if value.get("type") != "mrkdwn":
        return {key: _linked(each, known) for key, each in value.items()}
    text = _NAMED.sub(lambda found: f"<{known[found[1]]}|{found[1]}>" if found[1] in known else found[0], str(value["text"]))
    return {**value, "text": text} if len(text) <= limit else value
