"""Every rule of Block Kit that this workspace knows, as tables: composition objects, elements, blocks, views.

Source: Slack's reference of Block Kit (docs.slack.dev/reference/block-kit). Left out, and so refused: the blocks call,
card, carousel, container, context_actions, file, plan, task_card, video and the elements external_select, file_input,
rich_text_input, workflow_button, icon_button, feedback_buttons and url: the app has no use for them yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.local_workspace.block_kit_checks import (
    Check,
    Shape,
    array,
    boolean,
    note,
    one_of,
    string,
    typed,
    url,
    whole_number,
)

# Composition objects


def plain(longest: int) -> Check:
    """A plain_text object with 1 to `longest` characters."""
    shape = Shape({"text": string(longest, shortest=1)}, {"emoji": boolean})
    return typed({"plain_text": shape}, what="text object (only plain_text is allowed here)")


def text(longest: int) -> Check:
    """A plain_text or mrkdwn object with 1 to `longest` characters."""
    required = {"text": string(longest, shortest=1)}
    shapes = {"plain_text": Shape(required, {"emoji": boolean}), "mrkdwn": Shape(required, {"verbatim": boolean})}
    return typed(shapes, what="text object")


CONFIRM = Shape(
    {"title": plain(100), "text": text(300), "confirm": plain(30), "deny": plain(30)},
    {"style": one_of("primary", "danger")},
)


def _option(label: Check) -> Shape:
    return Shape({"text": label, "value": string(150, shortest=1)}, {"description": text(75), "url": url})


OPTION = _option(plain(75))
OPTION_MRKDWN = _option(text(75))
OPTION_GROUP = Shape({"label": plain(75), "options": array(OPTION, longest=100)})
SLACK_FILE = Shape({}, {"id": string(50, shortest=1), "url": url}, exactly_one=("id", "url"))
DISPATCH = Shape({}, {"trigger_actions_on": array(one_of("on_enter_pressed", "on_character_entered"), longest=2)})
CONVERSATION_FILTER = Shape(
    {},
    {
        "include": array(one_of("im", "mpim", "private", "public"), longest=4),
        "exclude_external_shared_channels": boolean,
        "exclude_bot_users": boolean,
    },
    at_least_one=("include", "exclude_external_shared_channels", "exclude_bot_users"),
)

# Elements

_ACTION: Mapping[str, Check] = {"action_id": string(255, shortest=1), "focus_on_load": boolean, "confirm": CONFIRM}
_FIELD: Mapping[str, Check] = {**_ACTION, "placeholder": plain(150)}
_ID = string(50, shortest=1)


def _initial_is_an_option(element: Any, path: str, findings: list[str]) -> None:
    groups = element.get("option_groups") or []
    options = [*(element.get("options") or []), *(o for g in groups if isinstance(g, dict) for o in g.get("options", []))]
    chosen = [element["initial_option"]] if "initial_option" in element else element.get("initial_options", [])
    for option in chosen if isinstance(chosen, list) else []:
        if option not in options:
            note(findings, path, "initial_option(s) must exactly match the options")


def _select(extra: Mapping[str, Check], *, many: bool, rules: tuple[Check, ...] = (), **choices: Any) -> Shape:
    limits: Mapping[str, Check] = {"max_selected_items": whole_number(1, 100)} if many else {}
    return Shape({}, {**_FIELD, **extra, **limits}, rules=rules, **choices)


def _selects(prefix: str, *, many: bool) -> dict[str, Shape]:
    """The four select menus; with `many` their multi-select forms."""

    def initial(name: str, check: Check) -> dict[str, Check]:
        return {f"initial_{name}s": array(check, longest=100)} if many else {f"initial_{name}": check}

    fixed: dict[str, Check] = {"options": array(OPTION, longest=100), "option_groups": array(OPTION_GROUP, longest=100)}
    where: dict[str, Check] = {"default_to_current_conversation": boolean, "filter": CONVERSATION_FILTER, "response_url_enabled": boolean}
    return {
        f"{prefix}static_select": _select(
            {**fixed, **initial("option", OPTION)},
            many=many, exactly_one=("options", "option_groups"), rules=(_initial_is_an_option,),
        ),
        f"{prefix}users_select": _select(initial("user", _ID), many=many),
        f"{prefix}channels_select": _select({**initial("channel", _ID), "response_url_enabled": boolean}, many=many),
        f"{prefix}conversations_select": _select({**initial("conversation", _ID), **where}, many=many),
    }  # fmt: skip


SINGLE_SELECTS = _selects("", many=False)
MULTI_SELECTS = _selects("multi_", many=True)
IMAGE_ELEMENT = Shape(
    {"alt_text": string(2000, shortest=1)}, {"image_url": url, "slack_file": SLACK_FILE}, exactly_one=("image_url", "slack_file")
)
BUTTON = Shape(
    {"text": plain(75)},
    {
        "action_id": string(255, shortest=1), "url": url, "value": string(2000), "style": one_of("primary", "danger"),
        "confirm": CONFIRM, "accessibility_label": string(75),
    },
)  # fmt: skip
PICKERS: dict[str, Shape] = {
    "datepicker": Shape({}, {**_FIELD, "initial_date": string(10, shortest=10)}),
    "timepicker": Shape({}, {**_FIELD, "initial_time": string(5, shortest=5), "timezone": string(50)}),
    "datetimepicker": Shape({}, {**_ACTION, "initial_date_time": whole_number(10**9, 10**10 - 1)}),
    "checkboxes": Shape(
        {"options": array(OPTION_MRKDWN, longest=10)},
        {**_ACTION, "initial_options": array(OPTION_MRKDWN, longest=10)}, rules=(_initial_is_an_option,),
    ),
    "radio_buttons": Shape(
        {"options": array(OPTION_MRKDWN, longest=10)},
        {**_ACTION, "initial_option": OPTION_MRKDWN}, rules=(_initial_is_an_option,),
    ),
}  # fmt: skip
OVERFLOW = Shape({"options": array(OPTION, longest=5)}, {"action_id": string(255, shortest=1), "confirm": CONFIRM})
_TYPED_INPUT: Mapping[str, Check] = {**_FIELD, "initial_value": string(3000), "dispatch_action_config": DISPATCH}
_NUMBER: Mapping[str, Check] = {"min_value": string(30), "max_value": string(30)}
INPUTS: dict[str, Shape] = {
    "plain_text_input": Shape(
        {},
        {
            **_TYPED_INPUT, "multiline": boolean,
            "min_length": whole_number(0, 3000), "max_length": whole_number(1, 3000),
        },
    ),
    "email_text_input": Shape({}, _TYPED_INPUT),
    "url_text_input": Shape({}, _TYPED_INPUT),
    "number_input": Shape({"is_decimal_allowed": boolean}, {**_TYPED_INPUT, **_NUMBER}),
}  # fmt: skip

IN_SECTION: Mapping[str, Check] = {
    "button": BUTTON, "image": IMAGE_ELEMENT, "overflow": OVERFLOW, **SINGLE_SELECTS, **MULTI_SELECTS,
    **{kind: shape for kind, shape in PICKERS.items() if kind != "datetimepicker"},
}  # fmt: skip
IN_ACTIONS: Mapping[str, Check] = {"button": BUTTON, "overflow": OVERFLOW, **SINGLE_SELECTS, **PICKERS}
IN_INPUT: Mapping[str, Check] = {**INPUTS, **PICKERS, **SINGLE_SELECTS, **MULTI_SELECTS}
IN_CONTEXT: Mapping[str, Check] = {
    "image": IMAGE_ELEMENT,
    "plain_text": Shape({"text": string(3000, shortest=1)}, {"emoji": boolean}),
    "mrkdwn": Shape({"text": string(3000, shortest=1)}, {"verbatim": boolean}),
}

# Rich text

_STYLE = Shape({}, {"bold": boolean, "italic": boolean, "strike": boolean, "code": boolean, "underline": boolean})
_STYLED: Mapping[str, Check] = {"style": _STYLE}
_PART = typed(
    {
        "text": Shape({"text": string(12000, shortest=1)}, _STYLED),
        "link": Shape({"url": url}, {**_STYLED, "text": string(3000), "unsafe": boolean}),
        "emoji": Shape({"name": string(100, shortest=1)}, {**_STYLED, "unicode": string(50)}),
        "user": Shape({"user_id": _ID}, _STYLED),
        "channel": Shape({"channel_id": _ID}, _STYLED),
        "usergroup": Shape({"usergroup_id": _ID}, _STYLED),
        "broadcast": Shape({"range": one_of("here", "channel", "everyone")}, _STYLED),
        "color": Shape({"value": string(9)}, _STYLED),
        "date": Shape(
            {"timestamp": whole_number(0, 10**10), "format": string(100)},
            {**_STYLED, "url": url, "fallback": string(100)},
        ),
    },
    what="rich text part",
)
_PARTS: Mapping[str, Check] = {"elements": array(_PART, longest=1000, shortest=0)}
_BORDER: Mapping[str, Check] = {"border": whole_number(0, 1)}
_RICH_SECTION = Shape(_PARTS)
RICH_TEXT = typed(
    {
        "rich_text_section": _RICH_SECTION,
        "rich_text_preformatted": Shape(_PARTS, _BORDER),
        "rich_text_quote": Shape(_PARTS, _BORDER),
        "rich_text_list": Shape(
            {
                "elements": array(typed({"rich_text_section": _RICH_SECTION}, what="list item"), longest=1000),
                "style": one_of("bullet", "ordered"),
            },
            {**_BORDER, "indent": whole_number(0, 8), "offset": whole_number(0, 10000)},
        ),
    },
    what="rich text element",
)

# Blocks

_BLOCK: Mapping[str, Check] = {"block_id": string(255, shortest=1)}
_CELL = typed(
    {
        "raw_text": Shape({"text": string(3000)}),
        "rich_text": Shape({"elements": array(RICH_TEXT, longest=100)}, _BLOCK),
    },
    what="table cell",
)
_COLUMN = Shape({}, {"align": one_of("left", "center", "right"), "is_wrapped": boolean})
EVERYWHERE: Mapping[str, Check] = {
    "section": Shape(
        {},
        {
            **_BLOCK, "text": text(3000), "fields": array(text(2000), longest=10),
            "accessory": typed(IN_SECTION, what="accessory"), "expand": boolean,
        },
        at_least_one=("text", "fields"),
    ),
    "header": Shape({"text": plain(150)}, _BLOCK),
    "divider": Shape({}, _BLOCK),
    "image": Shape(
        {"alt_text": string(2000, shortest=1)},
        {**_BLOCK, "image_url": url, "slack_file": SLACK_FILE, "title": plain(2000)},
        exactly_one=("image_url", "slack_file"),
    ),
    "actions": Shape({"elements": array(typed(IN_ACTIONS, what="element"), longest=25)}, _BLOCK),
    "context": Shape({"elements": array(typed(IN_CONTEXT, what="element"), longest=10)}, _BLOCK),
    "input": Shape(
        {"label": plain(2000), "element": typed(IN_INPUT, what="element")},
        {**_BLOCK, "hint": plain(2000), "optional": boolean, "dispatch_action": boolean},
    ),
    "rich_text": Shape({"elements": array(RICH_TEXT, longest=1000)}, _BLOCK),
}  # fmt: skip
IN_MESSAGES: Mapping[str, Check] = {
    **EVERYWHERE,
    "markdown": Shape({"text": string(12000, shortest=1)}, _BLOCK),
    "table": Shape({"rows": array(array(_CELL, longest=20), longest=100)}, {**_BLOCK, "column_settings": array(_COLUMN, longest=20)}),
}

# Views

_VIEW: Mapping[str, Check] = {
    "private_metadata": string(3000), "callback_id": string(255), "external_id": string(255),
}  # fmt: skip
_VIEW_BLOCKS = array(typed(EVERYWHERE, what="block"), longest=100)
MESSAGE_BLOCKS = array(typed(IN_MESSAGES, what="block"), longest=50, shortest=0)


def _submit_where_inputs(view: Any, path: str, findings: list[str]) -> None:
    blocks = view.get("blocks") if isinstance(view.get("blocks"), list) else []
    if any(isinstance(block, dict) and block.get("type") == "input" for block in blocks) and "submit" not in view:
        note(findings, path, "missing required field: submit (a view with input blocks needs it)")


VIEW = typed(
    {
        "modal": Shape(
            {"title": plain(24), "blocks": _VIEW_BLOCKS},
            {
                **_VIEW, "close": plain(24), "submit": plain(24), "clear_on_close": boolean, "notify_on_close": boolean,
                "submit_disabled": boolean,
            },
            rules=(_submit_where_inputs,),
        ),
        "home": Shape({"blocks": _VIEW_BLOCKS}, _VIEW),
    },
    what="view",
)  # fmt: skip
