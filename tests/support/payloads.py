"""Judges what the bot would send: Slack's models, the blockkit package, the local workspace's rules, and that names are only shown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import blockkit
from slack_sdk.models.blocks import Block

from bot.answer import Block as Payload
from bot.grammar import parsed
from bot.local_workspace.block_kit import accept_message_blocks
from bot.typed_text import split_like_a_shell

HOSTILE = "<!channel> `rm -rf` *b* _i_ ~s~ & <@U0EVIL0001> :fire: ```x``` \u202egnp.exe <https://evil.example|ok>"
_ACTS = re.compile(r"<(?!@[UW][A-Z0-9]+>)[^>]*>")


def assert_sendable(text: str, blocks: Sequence[Payload], *, mentions: int | None = None) -> None:
    """The message is within every limit, its buttons carry lines that parse, and nothing in it addresses anybody but by ``mentions``."""
    assert text.strip()
    plain = [dict(block) for block in blocks]
    assert len(plain) <= 49, "one block is kept free for a picture"
    accept_message_blocks(plain, file_is_ready=lambda _: True)
    for block in Block.parse_all(plain):
        block.validate_json()
    for each in plain:
        _rebuilt(each).build()
    shown = [*_texts(plain), text]
    for one in shown:
        assert not _ACTS.search(one), one
        assert "\u202e" not in one
        assert one.count("```") % 2 == 0, one
    for line in _lines(plain):
        parsed(split_like_a_shell(line))
    if mentions is not None:
        assert sum(one.count("<@") for one in _texts(plain)) == mentions
        assert text.count("<@") == mentions


def _rebuilt(block: Mapping[str, Any]) -> Any:
    match block["type"]:
        case "section":
            fields = [_text(each) for each in block["fields"]] if "fields" in block else None
            offered = block.get("accessory", {}).get("options", ())
            options = [blockkit.Option(text=each["text"]["text"], value=each["value"]) for each in offered]
            menu = blockkit.Overflow(options=options, action_id=block["accessory"]["action_id"]) if options else None
            return blockkit.Section(text=_text(block["text"]), fields=fields, accessory=menu)
        case "context":
            return blockkit.Context(elements=[_text(each) for each in block["elements"]])
        case "actions":
            return blockkit.Actions(elements=[
                blockkit.Button(text=each["text"]["text"], action_id=each["action_id"], value=each["value"], style=each.get("style"))
                for each in block["elements"]
            ])  # fmt: skip
    raise AssertionError(f"no view sends a block of type {block['type']}")


def _text(value: Mapping[str, Any]) -> Any:
    return blockkit.Text(text=value["text"], type=value["type"], verbatim=value.get("verbatim"))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _lines(blocks: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for block in blocks:
        if block["type"] == "actions":
            yield from (element["value"] for element in block["elements"])
        yield from (option["value"] for option in block.get("accessory", {}).get("options", ()))
