"""Accepts or refuses blocks and views as Slack does, and fills in the ids that their author left out.

Two judges, both must agree: the tables in block_kit_rules.py, and Slack's own models (slack_sdk.models).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block
from slack_sdk.models.views import View

from bot.local_workspace.block_kit_checks import note
from bot.local_workspace.block_kit_rules import MESSAGE_BLOCKS, VIEW
from bot.local_workspace.identifiers import short_id
from bot.local_workspace.wire import Json, RefusalError

MESSAGE_CHARACTERS = 13_200
"""Text of all blocks of a message together. Slack enforces it without documenting it."""
VIEW_BYTES = 250_000

FileIsReady = Callable[[str], bool]
"""Whether the file with this id (or url_private) exists and is processed, so that an image block may show it."""


def accept_message_blocks(blocks: Any, *, file_is_ready: FileIsReady) -> tuple[Json, ...]:
    """The blocks of a message with all ids filled in.

    Raises invalid_blocks_format (no list of objects), msg_blocks_too_long or invalid_blocks.
    """
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise RefusalError("invalid_blocks_format", "[ERROR] blocks must be a JSON array of objects")
    findings: list[str] = []
    MESSAGE_BLOCKS(blocks, "/blocks", findings)
    _check_ids(blocks, "/blocks", findings)
    _check_single_table(blocks, findings)
    _check_files(blocks, "/blocks", findings, file_is_ready)
    if not findings:
        _ask_slacks_models(blocks, "/blocks", findings)
    if findings:
        raise RefusalError("invalid_blocks", *findings)
    if sum(len(text) for text in _texts(blocks)) > MESSAGE_CHARACTERS:
        raise RefusalError("msg_blocks_too_long")
    return tuple(_with_ids(block) for block in blocks)


def accept_view(view: Any, *, kinds: tuple[str, ...], file_is_ready: FileIsReady) -> Json:
    """A view with all ids filled in; `kinds` are the types allowed here. Raises invalid_arguments or view_too_large."""
    findings: list[str] = []
    if not isinstance(view, dict) or view.get("type") not in kinds:
        raise RefusalError("invalid_arguments", f"[ERROR] view must be an object of type {' or '.join(kinds)}")
    if len(json.dumps(view)) > VIEW_BYTES:
        raise RefusalError("view_too_large")
    VIEW(view, "/view", findings)
    blocks = [block for block in view.get("blocks") or [] if isinstance(block, dict)]
    _check_ids(blocks, "/view/blocks", findings)
    _check_single_focus(blocks, findings)
    _check_files(blocks, "/view/blocks", findings, file_is_ready)
    if not findings:
        _ask_slacks_models(blocks, "/view/blocks", findings)
        _ask_slacks_view_model(view, findings)
    if findings:
        raise RefusalError("invalid_arguments", *findings)
    return view | {"blocks": [_with_ids(block) for block in blocks]}


def interactive_elements(block: Json) -> list[Json]:
    """The elements of a block that a person can act on: accessory, element of an input, elements of actions."""
    candidates = [block.get("accessory"), block.get("element")]
    if block.get("type") == "actions":
        candidates += block.get("elements", [])
    return [e for e in candidates if isinstance(e, dict) and e.get("type") != "image"]


def _check_ids(blocks: list[Json], path: str, findings: list[str]) -> None:
    block_ids = [block["block_id"] for block in blocks if isinstance(block.get("block_id"), str)]
    for block_id in sorted({b for b in block_ids if block_ids.count(b) > 1}):
        note(findings, path, f"block_id must be unique, {block_id} is not")
    for index, block in enumerate(blocks):
        elements = block.get("elements") if isinstance(block.get("elements"), list) else []
        action_ids = [e["action_id"] for e in elements or [] if isinstance(e, dict) and isinstance(e.get("action_id"), str)]
        for action_id in sorted({a for a in action_ids if action_ids.count(a) > 1}):
            note(findings, f"{path}/{index}/elements", f"action_id must be unique in its block, {action_id} is not")


def _check_single_table(blocks: list[Json], findings: list[str]) -> None:
    if sum(block.get("type") == "table" for block in blocks) > 1:
        note(findings, "/blocks", "only one table is allowed in a message")


def _check_single_focus(blocks: list[Json], findings: list[str]) -> None:
    focused = [e for block in blocks for e in interactive_elements(block) if e.get("focus_on_load") is True]
    if len(focused) > 1:
        note(findings, "/view/blocks", "focus_on_load may be set on one element only")


def _check_files(blocks: list[Json], path: str, findings: list[str], file_is_ready: FileIsReady) -> None:
    for index, block in enumerate(blocks):
        nested = block.get("elements") if isinstance(block.get("elements"), list) else []
        for holder in (block, block.get("accessory"), *(nested or [])):
            reference = holder.get("slack_file") if isinstance(holder, dict) else None
            if isinstance(reference, dict) and not file_is_ready(str(reference.get("id") or reference.get("url"))):
                note(findings, f"{path}/{index}/slack_file", "invalid slack file")


def _ask_slacks_models(blocks: list[Json], path: str, findings: list[str]) -> None:
    for index, block in enumerate(blocks):
        try:
            parsed = Block.parse(block)
            if parsed is None:
                note(findings, f"{path}/{index}", f"unsupported type: {block.get('type')}")
            else:
                parsed.validate_json()
                parsed.to_dict()
        except (SlackObjectFormationError, TypeError, AttributeError, KeyError, ValueError) as error:
            note(findings, f"{path}/{index}", str(error))


def _ask_slacks_view_model(view: Json, findings: list[str]) -> None:
    try:
        View(**view).validate_json()
    except (SlackObjectFormationError, TypeError, AttributeError) as error:
        note(findings, "/view", str(error))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "text" and isinstance(inner, str):
                yield inner
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _with_ids(block: Json) -> Json:
    named = {"block_id": short_id(), **block}
    for key in ("accessory", "element"):
        if isinstance(named.get(key), dict) and named[key].get("type") != "image":
            named[key] = {"action_id": short_id(), **named[key]}
    if named["type"] == "actions":
        named["elements"] = [{"action_id": short_id(), **element} for element in named["elements"]]
    return named
