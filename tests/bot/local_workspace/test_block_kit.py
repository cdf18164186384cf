"""Block Kit: one refused payload per rule, and everything that the blockkit package builds is accepted."""

from __future__ import annotations

from typing import Any

import blockkit
import pytest

from bot.local_workspace.block_kit import accept_message_blocks, accept_view
from bot.local_workspace.wire import RefusalError

Json = dict[str, Any]


def plain(text: str = "text") -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str = "text") -> Json:
    return {"type": "mrkdwn", "text": text}


def option(value: str = "v", **more: Any) -> Json:
    return {"text": plain(), "value": value, **more}


def section(**more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(), **more}


def actions(*elements: Json, **more: Any) -> Json:
    return {"type": "actions", "elements": list(elements), **more}


def button(**more: Any) -> Json:
    return {"type": "button", "text": plain(), **more}


def select(**more: Any) -> Json:
    return {"type": "static_select", "options": [option()], **more}


def field(element: Json, **more: Any) -> Json:
    return {"type": "input", "label": plain(), "element": element, **more}


def image(**more: Any) -> Json:
    return {"type": "image", "alt_text": "alt", "image_url": "https://example.org/a.png", **more}


def rich(*parts: Json) -> Json:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(parts)}]}


CONFIRM = {"title": plain(), "text": plain(), "confirm": plain(), "deny": plain()}
TABLE = {"type": "table", "rows": [[{"type": "raw_text", "text": "a"}]]}
INPUT = {"type": "plain_text_input"}

REFUSED: list[tuple[str, list[Json]]] = [
    ("51 blocks", [{"type": "divider"}] * 51),
    ("unknown type", [{"type": "poem"}]),
    ("no type", [{"text": plain()}]),
    ("left out on purpose", [{"type": "file", "external_id": "a", "source": "remote"}]),
    ("unknown key", [{"type": "divider", "colour": "red"}]),
    ("section without text", [{"type": "section"}]),
    ("section text 3,001", [section(text=mrkdwn("x" * 3001))]),
    ("empty text", [section(text=mrkdwn(""))]),
    ("text as a string", [section(text="text")]),
    ("unknown text type", [section(text={"type": "html", "text": "x"})]),
    ("emoji in mrkdwn", [section(text=mrkdwn() | {"emoji": True})]),
    ("11 fields", [section(fields=[mrkdwn()] * 11)]),
    ("field 2,001", [section(fields=[mrkdwn("x" * 2001)])]),
    ("no fields", [{"type": "section", "fields": []}]),
    ("input as accessory", [section(accessory=INPUT)]),
    ("header 151", [{"type": "header", "text": plain("x" * 151)}]),
    ("header in mrkdwn", [{"type": "header", "text": mrkdwn()}]),
    ("block_id 256", [{"type": "divider", "block_id": "x" * 256}]),
    ("block_id twice", [{"type": "divider", "block_id": "a"}] * 2),
    ("no elements", [actions()]),
    ("26 actions", [actions(*[button(action_id=str(n)) for n in range(26)])]),
    ("action_id twice", [actions(button(action_id="a"), button(action_id="a"))]),
    ("action_id 256", [actions(button(action_id="x" * 256))]),
    ("text in actions", [actions(mrkdwn())]),
    ("multi-select in actions", [actions({"type": "multi_static_select", "options": [option()]})]),
    ("button without text", [actions({"type": "button"})]),
    ("button text 76", [actions(button(text=plain("x" * 76)))]),
    ("button text in mrkdwn", [actions(button(text=mrkdwn()))]),
    ("button value 2,001", [actions(button(value="x" * 2001))]),
    ("button value a number", [actions(button(value=5))]),
    ("button style", [actions(button(style="loud"))]),
    ("button url", [actions(button(url="javascript:alert(1)"))]),
    ("confirm without deny", [actions(button(confirm={k: v for k, v in CONFIRM.items() if k != "deny"}))]),
    ("confirm title 101", [actions(button(confirm=CONFIRM | {"title": plain("x" * 101)}))]),
    ("confirm text 301", [actions(button(confirm=CONFIRM | {"text": plain("x" * 301)}))]),
    ("confirm button 31", [actions(button(confirm=CONFIRM | {"confirm": plain("x" * 31)}))]),
    ("no options", [actions(select(options=[]))]),
    ("101 options", [actions(select(options=[option(str(n)) for n in range(101)]))]),
    ("options and groups", [actions(select(option_groups=[{"label": plain(), "options": [option()]}]))]),
    ("option text 76", [actions(select(options=[{"text": plain("x" * 76), "value": "v"}]))]),
    ("option value 151", [actions(select(options=[option("x" * 151)]))]),
    ("option description 76", [actions(select(options=[option(description=plain("x" * 76))]))]),
    ("placeholder 151", [actions(select(placeholder=plain("x" * 151)))]),
    ("initial option not offered", [actions(select(initial_option=option("other")))]),
    ("6 in overflow", [actions({"type": "overflow", "options": [option(str(n)) for n in range(6)]})]),
    ("11 radio buttons", [actions({"type": "radio_buttons", "options": [option(str(n)) for n in range(11)]})]),
    ("11 in context", [{"type": "context", "elements": [mrkdwn()] * 11}]),
    ("button in context", [{"type": "context", "elements": [button()]}]),
    ("image without alt", [{"type": "image", "image_url": "https://example.org/a.png"}]),
    ("image alt 2,001", [image(alt_text="x" * 2001)]),
    ("image without source", [{"type": "image", "alt_text": "alt"}]),
    ("image with two sources", [image(slack_file={"id": "F1"})]),
    ("image url 3,001", [image(image_url="https://" + "x" * 3000)]),
    ("image of an unprocessed file", [{"type": "image", "alt_text": "alt", "slack_file": {"id": "FRESH"}}]),
    ("accessory of an unprocessed file", [section(accessory={"type": "image", "alt_text": "a", "slack_file": {"id": "FRESH"}})]),
    ("markdown 12,001", [{"type": "markdown", "text": "x" * 12_001}]),
    ("input without label", [{"type": "input", "element": INPUT}]),
    ("button in input", [field(button())]),
    ("max_length 3,001", [field(INPUT | {"max_length": 3001})]),
    ("number without decimals said", [field({"type": "number_input"})]),
    ("rich text part", [rich({"type": "poem"})]),
    ("rich text style", [rich({"type": "text", "text": "x", "style": {"loud": True}})]),
    ("two tables", [TABLE, TABLE]),
    ("table with 101 rows", [TABLE | {"rows": TABLE["rows"] * 101}]),
    ("table with 21 cells", [TABLE | {"rows": [[{"type": "raw_text", "text": "a"}] * 21]}]),
]  # fmt: skip


@pytest.mark.parametrize("blocks", [blocks for _, blocks in REFUSED], ids=[name for name, _ in REFUSED])
def test_refused(blocks: list[Json]) -> None:
    with pytest.raises(RefusalError) as refused:
        accept_message_blocks(blocks, file_is_ready=lambda file_id: file_id != "FRESH")
    assert refused.value.error == "invalid_blocks"
    assert all("json-pointer:/blocks" in message for message in refused.value.messages)


def test_about_13200_characters_are_too_many_for_a_message() -> None:
    blocks = [section(text=mrkdwn("x" * 2700))] * 5
    with pytest.raises(RefusalError, match="msg_blocks_too_long"):
        accept_message_blocks(blocks, file_is_ready=lambda _: True)
    assert accept_message_blocks(blocks[:4], file_is_ready=lambda _: True)


def modal(**more: Any) -> Json:
    return {"type": "modal", "title": plain(), "blocks": [{"type": "divider"}], **more}


REFUSED_VIEWS: list[tuple[str, Json]] = [
    ("no title", {"type": "modal", "blocks": [{"type": "divider"}]}),
    ("title 25", modal(title=plain("x" * 25))),
    ("title in mrkdwn", modal(title=mrkdwn())),
    ("submit 25", modal(submit=plain("x" * 25))),
    ("private_metadata 3,001", modal(private_metadata="x" * 3001)),
    ("callback_id 256", modal(callback_id="x" * 256)),
    ("101 blocks", modal(blocks=[{"type": "divider"}] * 101)),
    ("no blocks", modal(blocks=[])),
    ("markdown in a view", modal(blocks=[{"type": "markdown", "text": "x"}])),
    ("input without submit", modal(blocks=[field(INPUT)])),
    ("focus twice", modal(submit=plain(), blocks=[field(INPUT | {"focus_on_load": True})] * 2)),
    ("home with submit", {"type": "home", "blocks": [{"type": "divider"}], "submit": plain()}),
    ("another type", {"type": "workflow_step", "blocks": []}),
    ("no object", []),  # type: ignore[list-item]
    ("block_id twice", modal(blocks=[{"type": "divider", "block_id": "a"}] * 2)),
]


@pytest.mark.parametrize("view", [view for _, view in REFUSED_VIEWS], ids=[name for name, _ in REFUSED_VIEWS])
def test_refused_views(view: Json) -> None:
    with pytest.raises(RefusalError, match="invalid_arguments"):
        accept_view(view, kinds=("modal", "home"), file_is_ready=lambda _: True)


def test_missing_ids_are_filled_in_and_given_ones_stay() -> None:
    blocks = [section(block_id="mine", accessory=button()), actions(button(action_id="a"), select())]
    accepted = accept_message_blocks(blocks, file_is_ready=lambda _: True)
    assert accepted[0]["block_id"] == "mine"
    assert len(accepted[0]["accessory"]["action_id"]) == 5
    assert accepted[1]["elements"][0]["action_id"] == "a"
    assert "block_id" not in blocks[1]


def test_what_the_blockkit_package_builds_is_accepted() -> None:
    options = [blockkit.Option("one", "1"), blockkit.Option("two", "2")]
    message = blockkit.Message().add_block(blockkit.Header("A header")).add_block(blockkit.Divider())
    message.add_block(blockkit.Section("*text*").accessory(blockkit.Button("Go").action_id("go").style("primary")))
    message.add_block(blockkit.Section().fields("*a*", "b"))
    message.add_block(blockkit.Actions([blockkit.StaticSelect().options(*options).action_id("s"), blockkit.DatePicker()]))
    message.add_block(blockkit.Context().elements(blockkit.Text("small print")))
    message.add_block(blockkit.Image(image_url="https://example.org/a.png", alt_text="alt"))
    message.add_block(blockkit.Markdown("**bold**"))
    built = message.build()["blocks"]
    assert len(accept_message_blocks(built, file_is_ready=lambda _: True)) == 8
    view = blockkit.Modal(title="Ask", submit="Go").add_block(blockkit.Input("Epochs", blockkit.PlainTextInput().action_id("epochs")))
    assert accept_view(view.build(), kinds=("modal",), file_is_ready=lambda _: True)["type"] == "modal"


def test_a_view_fits_100_blocks_and_a_message_50() -> None:
    dividers: list[Json] = [{"type": "divider"}]
    assert len(accept_message_blocks(dividers * 50, file_is_ready=lambda _: True)) == 50
    assert accept_view(modal(blocks=dividers * 100), kinds=("modal",), file_is_ready=lambda _: True)
