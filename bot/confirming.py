"""Buttons that lose something are bound: to whom they were shown, and to a minute. Whatever command makes them, none is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.answer import Answer, Block
from bot.verb import Asking
from bot.views.blocks import context
from runner.service import confirmations

QUESTION = "question"
"""The row of buttons under a question: whichever is pressed, the question is answered."""
_YES = " --yes"


def bound(given: Answer, asking: Asking) -> Answer:
    """The answer with a question's id in every button that would say yes to it; what is typed with ``--yes`` is meant as it stands."""
    if not any(_says_yes(element) for block in given.blocks for element in _elements(block)):
        return given

    def one(element: Mapping[str, object]) -> Mapping[str, object]:
        if not _says_yes(element):
            return element
        return {**element, "value": f"confirm {confirmations.ask(asking.house, asking.who, str(element['value']))}"}

    def row(block: Block) -> Block:
        found = _elements(block)
        named = {"block_id": QUESTION} if any(map(_says_yes, found)) else {}
        return {**block, "elements": [one(each) for each in found], **named} if found else block

    blocks = [row(block) for block in given.blocks]
    holds = context(f"The button holds for {confirmations.LASTS.seconds} s, and only for whom it asks.")
    return replace(given, blocks=(*blocks[:-1], holds, *blocks[-1:]))  # the row of buttons stays last


def _elements(block: Mapping[str, object]) -> list[Mapping[str, object]]:
    found = block.get("elements")
    return found if isinstance(found, list) else []


def _says_yes(element: Mapping[str, object]) -> bool:
    return str(element.get("value", "")).endswith(_YES)
