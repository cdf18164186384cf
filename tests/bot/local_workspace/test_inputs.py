"""What people put into elements, and what Slack's own client would object to."""

from __future__ import annotations

from typing import Any

import pytest

from bot.local_workspace.inputs import complaints, fill_in, initial_state

LABEL = {"type": "plain_text", "text": "L"}
ONE = {"text": LABEL, "value": "1"}
TWO = {"text": LABEL, "value": "2"}


def block(element: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "input", "block_id": "b", "label": LABEL, "element": {"action_id": "a", **element}, **more}


@pytest.mark.parametrize(
    ("element", "empty", "given", "filled"),
    [
        ({"type": "plain_text_input"}, {"value": None}, "x", {"value": "x"}),
        ({"type": "static_select", "options": [ONE, TWO]}, {"selected_option": None}, "2", {"selected_option": TWO}),
        ({"type": "radio_buttons", "options": [ONE, TWO]}, {"selected_option": None}, "1", {"selected_option": ONE}),
        ({"type": "checkboxes", "options": [ONE, TWO]}, {"selected_options": []}, ["1"], {"selected_options": [ONE]}),
        (
            {"type": "static_select", "option_groups": [{"label": LABEL, "options": [ONE]}]},
            {"selected_option": None}, "1", {"selected_option": ONE},
        ),
        ({"type": "multi_users_select"}, {"selected_users": []}, ["U1"], {"selected_users": ["U1"]}),
        ({"type": "channels_select"}, {"selected_channel": None}, "C1", {"selected_channel": "C1"}),
        ({"type": "datepicker"}, {"selected_date": None}, "2026-01-02", {"selected_date": "2026-01-02"}),
    ],
)  # fmt: skip
def test_states(element: Any, empty: Any, given: Any, filled: Any) -> None:
    blocks = [block(element)]
    state = initial_state(blocks)
    assert state == {"b": {"a": {"type": element["type"], **empty}}}
    assert fill_in(blocks, state, {"a": given}) == {"b": {"a": {"type": element["type"], **filled}}}
    assert fill_in(blocks, state, {"b": {"a": given}}) == fill_in(blocks, state, {"a": given})


def test_initial_values_are_in_the_state() -> None:
    assert initial_state([block({"type": "static_select", "options": [ONE], "initial_option": ONE})]) == {
        "b": {"a": {"type": "static_select", "selected_option": ONE}}
    }


NUMBER = {"type": "number_input", "is_decimal_allowed": False, "min_value": "1", "max_value": "9"}


@pytest.mark.parametrize(
    ("element", "value", "complaint"),
    [
        ({"type": "plain_text_input"}, None, "Please complete this required field."),
        ({"type": "plain_text_input", "min_length": 2}, "x", "At least 2 characters."),
        ({"type": "plain_text_input", "max_length": 2}, "xxx", "At most 2 characters."),
        ({"type": "checkboxes", "options": [ONE]}, [], "Please complete this required field."),
        (NUMBER, "1.5", "Please enter a whole number."),
        (NUMBER | {"is_decimal_allowed": True}, "x", "Please enter a number."),
        (NUMBER, "0", "At least 1."),
        (NUMBER, "10", "At most 9."),
        ({"type": "email_text_input"}, "ada", "Please enter a valid email address."),
        ({"type": "url_text_input"}, "ada", "Please enter a valid URL."),
    ],
)
def test_complaints(element: Any, value: Any, complaint: str) -> None:
    blocks = [block(element)]
    assert complaints(blocks, fill_in(blocks, initial_state(blocks), {"a": value})) == {"b": complaint}


def test_what_is_optional_may_stay_empty() -> None:
    blocks = [block({"type": "plain_text_input"}, optional=True)]
    assert complaints(blocks, initial_state(blocks)) == {}
