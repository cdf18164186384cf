"""Dialogs as Slack takes them: a form, the plan of what it would do, and an answer where there is no channel to answer in."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import click

from bot.answer import Answer, Block
from bot.form_table import Form
from bot.forms import Choices
from bot.shared_files import SharedFile
from bot.views.blocks import context, cut, plain_text, section
from bot.views.words import code, shortened
from runner.entities import Place

FORM, PLAN, CHANNEL = "form", "plan", "channel"
"""The callback ids of the two steps, and the field that asks where to report."""
VALUE = "value"
_TITLE_LIMIT = 24
_LABEL_LIMIT = 75
_HINT_LIMIT = 150
_SHOWN_BLOCKS = 60
_DONE = "Close"
_LABELS = {
    "lr": "Learning rate", "gpus": "GPUs", "batch": "Images a step and GPU", "host": "Server", "limit": "Time limit",
    "after": "After a run", "eval_every": "Epochs between evaluations", "name": "Name", "parameters": "Parameters", "model": "Start from",
    "format_name": "Format", "numbers": "Numbers", "for_": "Holds for", "do": "What to do", "lasts": "For", "what": "What",
    "sha256": "SHA-256", "source": "From", "when": "When", "command": "Command", "run": "Run",
}
_EXAMPLES = {
    "limit": "12h", "cooldown": "10m", "numbers": "minutes=8", "for_": "5m", "lasts": "2h", "means": "The lab's GPU is warm.",
    "name": "fish", "parameters": "gap=20", "source": "https://… or gpu-1:/data/fish", "when": "every weekday 02:30",
    "command": "run rtmdet-nano on fish", "checkpoint": "epoch_12", "lr": "0.001",
}

View = dict[str, object]
Field = tuple[click.Parameter, Choices | None]


def form_view(
    form: Form, fields: Sequence[Field], values: Mapping[str, str], *, place: Place, ask_channel: bool, files: Sequence[SharedFile] = ()
) -> View:
    """The form, filled in with ``values``. Where ``ask_channel``, it also asks where to report, ``place`` being the usual."""
    blocks = [_input(param, offered, values.get(param.name or "", "")) for param, offered in fields]
    blocks += [_channel_input(place)] if ask_channel else []
    blocks[:0] = [section(f"With {', '.join(code(file.name, 60) for file in files)}.")] if files else []
    return _modal(form.title, FORM, blocks, {"form": form.path, **_place(place), **_files(files)}, submit="Show the plan")


def plan_view(form: Form, line: str, told: Answer, *, place: Place, files: Sequence[SharedFile] = ()) -> View:
    """What the form's line would do; the button does it."""
    typed = [] if line in told.text else [context(f"The same as {code(line, 1500)}")]
    return _modal(form.title, PLAN, [*_shown(told), *typed], {"line": line, **_place(place), **_files(files)}, submit=form.act)


def answer_view(told: Answer, *, title: str, place: Place) -> View:
    """An answer, where there is no channel to show it in."""
    return _modal(title, "answer", _shown(told, buttons=True), _place(place))


def filled(view: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """What a submitted dialog remembers, and its values by field. ValueError, KeyError or TypeError for a view that is none of ours."""
    kept, state = json.loads(str(view["private_metadata"])), view["state"]
    if not isinstance(kept, dict) or not isinstance(state, dict):
        raise TypeError("the dialog is none of ours")
    return kept, {block: _value(fields[VALUE]) for block, fields in state["values"].items()}


def remembered_place(kept: Mapping[str, object]) -> Place:
    """Where the dialog was opened."""
    thread = kept.get("thread")
    return Place(str(kept["place"]), str(thread) if thread else None)


def remembered_files(kept: Mapping[str, object]) -> list[SharedFile]:
    """The files of a message that the dialog is about."""
    files = kept.get("files")
    return [SharedFile(**each) for each in files] if isinstance(files, list) else []


def _files(files: Sequence[SharedFile]) -> dict[str, object]:
    return {"files": [asdict(file) for file in files]} if files else {}


def _value(state: Mapping[str, object]) -> str:
    chosen = state.get("selected_option")
    if isinstance(chosen, dict):
        return str(chosen["value"])
    return str(state.get("value") or state.get("selected_conversation") or "")


def _modal(title: str, callback: str, blocks: Sequence[Block], kept: Mapping[str, object], *, submit: str = "") -> View:
    button = {"submit": plain_text(submit), "close": plain_text("Cancel")} if submit else {"close": plain_text(_DONE)}
    return {
        "type": "modal", "callback_id": callback, "title": plain_text(shortened(title, _TITLE_LIMIT)), "blocks": list(blocks),
        "private_metadata": json.dumps(kept, ensure_ascii=False), **button,
    }


def _place(place: Place) -> dict[str, object]:
    return {"place": place.channel or "", "thread": place.thread}


def _shown(told: Answer, *, buttons: bool = False) -> list[Block]:
    if told.blocks:
        return [block for block in told.blocks if buttons or block["type"] != "actions"][:_SHOWN_BLOCKS]
    return [section(cut(told.text, 3000))]


def _input(param: click.Parameter, offered: Choices | None, value: str) -> Block:
    label = _LABELS.get(param.name or "", (param.name or "").replace("_", " ").capitalize())
    hint = _hint(param) if isinstance(param, click.Option) else ""
    shown: dict[str, object] = {
        "type": "input", "block_id": param.name, "label": plain_text(label), "element": _element(param, offered, value),
        "optional": not param.required,
    }
    return shown | ({"hint": plain_text(shortened(hint, _HINT_LIMIT))} if hint else {})


def _hint(param: click.Option) -> str:
    """What the option is for, and what it is where nothing is said."""
    words = (param.help or "").replace("`", "")
    default = f"If left empty: {param.show_default}" if isinstance(param.show_default, str) else ""
    return ". ".join(part for part in (words[:1].upper() + words[1:], default) if part)


def _element(param: click.Parameter, offered: Choices | None, value: str) -> dict[str, object]:
    if offered:
        known = value in {each for each, _ in offered}
        listed = [*([_option(value, value)] if value and not known else []), *(_option(each, label) for each, label in offered)]
        chosen = next((each for each in listed if each["value"] == value), None)
        return {"type": "static_select", "action_id": VALUE, "options": listed, **({"initial_option": chosen} if chosen else {})}
    placeholder = {"placeholder": plain_text(_EXAMPLES[param.name or ""])} if param.name in _EXAMPLES else {}
    given = {"initial_value": value} if value else {}
    if isinstance(param.type, click.IntRange):
        bounds = {"min_value": str(param.type.min or 0)} | ({"max_value": str(param.type.max)} if param.type.max is not None else {})
        whole = {"type": "number_input", "action_id": VALUE, "is_decimal_allowed": False}
        return {**whole, **bounds, **(given if value.lstrip("-").isdigit() else {})}
    return {"type": "plain_text_input", "action_id": VALUE, "max_length": 2000, **placeholder, **given}


def _option(value: str, label: str) -> dict[str, object]:
    return {"text": plain_text(shortened(label, _LABEL_LIMIT)), "value": value}


def _channel_input(place: Place) -> Block:
    usual = {"initial_conversation": place.channel} if place.channel else {}
    listed = {"filter": {"include": ["public", "private"], "exclude_bot_users": True}}
    element = {"type": "conversations_select", "action_id": VALUE, **usual, **listed}
    return {"type": "input", "block_id": CHANNEL, "label": plain_text("Report in"), "element": element}
