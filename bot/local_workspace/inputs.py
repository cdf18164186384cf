"""What people put into elements: the state an app receives, and whether a choice is possible at all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.local_workspace.block_kit import interactive_elements
from bot.local_workspace.wire import Json, RefusalError

_TEXT_INPUTS = ("plain_text_input", "email_text_input", "url_text_input", "number_input")
# Element type -> (key of its value in the state, key of its initial value). The selects' menus are in _state_keys.
_STATE_KEYS = {
    **dict.fromkeys(_TEXT_INPUTS, ("value", "initial_value")),
    "datepicker": ("selected_date", "initial_date"),
    "timepicker": ("selected_time", "initial_time"),
    "datetimepicker": ("selected_date_time", "initial_date_time"),
    "checkboxes": ("selected_options", "initial_options"),
    "radio_buttons": ("selected_option", "initial_option"),
    "overflow": ("selected_option", ""),
}
_MENU_KEYS = {"static": "option", "users": "user", "channels": "channel", "conversations": "conversation"}


def _state_keys(kind: str) -> tuple[str, str] | None:
    if kind.endswith("_select"):
        key = _MENU_KEYS[kind.removeprefix("multi_").removesuffix("_select")]
        return (f"selected_{key}s", f"initial_{key}s") if kind.startswith("multi_") else (f"selected_{key}", f"initial_{key}")
    return _STATE_KEYS.get(kind)


def initial_state(blocks: list[Json], *, kept: Mapping[str, Any] | None = None) -> Json:
    """state.values of fresh blocks. Values in `kept` stay where block_id, action_id and type are the same."""
    values: Json = {}
    for block in blocks:
        for element in interactive_elements(block):
            keys = _state_keys(element["type"])
            if keys is None or element["type"] == "overflow":
                continue
            value_key, initial_key = keys
            empty: list[Json] | None = [] if value_key.endswith("s") else None
            fresh = {"type": element["type"], value_key: element.get(initial_key, empty)}
            old = (kept or {}).get(block["block_id"], {}).get(element["action_id"], {})
            stays = old.get("type") == element["type"]
            values.setdefault(block["block_id"], {})[element["action_id"]] = old if stays else fresh
    return values


def find_element(blocks: list[Json], action_id: str, *, block_id: str | None = None) -> tuple[Json, Json]:
    """(block, element) with that action_id. Raises no_such_element, or ambiguous_element without a block_id."""
    found = [
        (block, element)
        for block in blocks
        if block_id in (None, block["block_id"])
        for element in interactive_elements(block)
        if element["action_id"] == action_id
    ]
    if not found:
        known = sorted({e["action_id"] for block in blocks for e in interactive_elements(block)})
        raise RefusalError("no_such_element", f"There is no element {action_id} here; there are: {', '.join(known)}.")
    if len(found) > 1:
        raise RefusalError("ambiguous_element", f"{len(found)} blocks have an element {action_id}; name the block_id.")
    return found[0]


def state_of(element: Json, given: Any) -> Json:
    """The state value after a person put `given` in: text, an option's value, an id, or a list of those.

    Raises invalid_choice when the element does not offer that.
    """
    keys = _state_keys(element["type"])
    if keys is None:
        raise RefusalError("invalid_choice", f"A {element['type']} takes no value.")
    value_key = keys[0]
    if value_key == "selected_option":
        return {"type": element["type"], value_key: None if given is None else _option(element, given)}
    if value_key == "selected_options":
        return {"type": element["type"], value_key: [_option(element, value) for value in given or []]}
    if value_key.endswith("s") and not isinstance(given, list):
        raise RefusalError("invalid_choice", f"{element['action_id']} takes a list.")
    return {"type": element["type"], value_key: given if given != "" else None}


def _option(element: Json, value: Any) -> Json:
    groups = element.get("option_groups") or []
    options: list[Json] = [*(element.get("options") or []), *(option for group in groups for option in group["options"])]
    for option in options:
        if option["value"] == value:
            return option
    offered = ", ".join(option["value"] for option in options)
    raise RefusalError("invalid_choice", f"{element['action_id']} does not offer {value!r}; it offers: {offered}.")


def action_of(block: Json, element: Json, given: Any, *, action_ts: str) -> Json:
    """One entry of `actions` in a block_actions payload. Raises invalid_choice."""
    action: Json = {"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"]}
    if element["type"] == "button":
        action |= {key: element[key] for key in ("text", "value", "style", "url") if key in element}
    else:
        action |= state_of(element, given)
    action |= {key: element[key] for key in ("confirm", "placeholder", "initial_option") if key in element}
    return action | {"action_ts": action_ts}


def fill_in(blocks: list[Json], state: Json, given: Mapping[str, Any]) -> Json:
    """state.values after a person filled in a view: `given` is {block_id: {action_id: value}} or {action_id: value}."""
    filled = {block_id: dict(actions) for block_id, actions in state.items()}
    for key, value in given.items():
        pairs = value.items() if isinstance(value, dict) else [(key, value)]
        for action_id, one in pairs:
            block, element = find_element(blocks, action_id, block_id=key if isinstance(value, dict) else None)
            filled.setdefault(block["block_id"], {})[action_id] = state_of(element, one)
    return filled


def complaints(blocks: list[Json], state: Json) -> dict[str, str]:
    """What Slack's own client would mark before a view is submitted: {block_id: complaint}."""
    found: dict[str, str] = {}
    for block in blocks:
        if block["type"] != "input":
            continue
        element = block["element"]
        keys = _state_keys(element["type"])
        value = state.get(block["block_id"], {}).get(element["action_id"], {}).get(keys[0] if keys else "")
        complaint = _complaint(element, value, is_optional=block.get("optional", False))
        if complaint:
            found[block["block_id"]] = complaint
    return found


def _complaint(element: Json, value: Any, *, is_optional: bool) -> str | None:
    if value is None or value == []:
        return None if is_optional else "Please complete this required field."
    if element["type"] == "number_input":
        return _number_complaint(element, str(value))
    if isinstance(value, str) and len(value) < element.get("min_length", 0):
        return f"At least {element['min_length']} characters."
    if isinstance(value, str) and len(value) > element.get("max_length", 3000):
        return f"At most {element.get('max_length', 3000)} characters."
    if element["type"] == "email_text_input" and "@" not in value:
        return "Please enter a valid email address."
    if element["type"] == "url_text_input" and not value.startswith(("http://", "https://")):
        return "Please enter a valid URL."
    return None


def _number_complaint(element: Json, value: str) -> str | None:
    try:
        number = float(value) if element["is_decimal_allowed"] else int(value)
    except ValueError:
        return "Please enter a number." if element["is_decimal_allowed"] else "Please enter a whole number."
    if number < float(element.get("min_value", "-inf")):
        return f"At least {element['min_value']}."
    if number > float(element.get("max_value", "inf")):
        return f"At most {element['max_value']}."
    return None
