"""The dialog that asks how a message's file becomes a dataset."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bot.shared_files import SharedFile
from bot.views.words import shortened, size

CALLBACK = "import_dataset"
NAME, FILE, FORMAT = "name", "file", "format"
FIND_OUT = "find-out"
_METADATA_LIMIT = 3000
_OPTION_LIMIT = 75
Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person chose: a file of a message, the dataset's name as typed, the format where they know it; where to report."""

    file: SharedFile
    name: str
    format: str | None
    channel: str
    thread: str | None


def import_dialog(files: Sequence[SharedFile], *, name: str, formats: Mapping[str, str], channel: str, thread: str | None) -> Json:
    """A modal for a message's files, as many as Slack lets a dialog remember."""
    kept = list(files)
    while len(metadata := _metadata(kept, channel, thread)) > _METADATA_LIMIT:
        kept.pop()
    listed = [_option(str(place), f"{file.name} ({size(file.size_bytes)})") for place, file in enumerate(kept)]
    which: list[Json] = [_input(FILE, "File", _select(FILE, listed))] if len(kept) > 1 else []
    only: list[Json] = [] if which else [{"type": "section", "text": {"type": "plain_text", "text": shortened(_label(kept), 150)}}]
    field: Json = {"type": "plain_text_input", "action_id": NAME, "initial_value": name, "max_length": 63, "focus_on_load": True}
    known = [_option(FIND_OUT, "Find it out"), *(_option(each, title[:1].upper() + title[1:]) for each, title in formats.items())]
    hint = "Lower-case letters, digits, - and _. An existing dataset gets a new version."
    return {
        "type": "modal", "callback_id": CALLBACK, "private_metadata": metadata, "title": _plain("Import as dataset"),
        "submit": _plain("Import"), "close": _plain("Cancel"),
        "blocks": [*only, *which, _input(NAME, "Name", field, hint=hint), _input(FORMAT, "Format", _select(FORMAT, known))],
    }  # fmt: skip


def chosen(view: Mapping[str, Any]) -> Chosen:
    """What was chosen in a submitted dialog. ValueError, KeyError, IndexError or TypeError for a view that is none of ours."""
    kept, values = json.loads(view["private_metadata"]), view["state"]["values"]
    place = int(values[FILE][FILE]["selected_option"]["value"]) if FILE in values else 0
    named = values[FORMAT][FORMAT]["selected_option"]["value"]
    return Chosen(
        SharedFile(**kept["files"][place]), str(values[NAME][NAME]["value"] or "").strip().lower(),
        None if named == FIND_OUT else str(named), str(kept["channel"]), kept["thread"],
    )


def _metadata(files: Sequence[SharedFile], channel: str, thread: str | None) -> str:
    return json.dumps({"channel": channel, "thread": thread, "files": [asdict(file) for file in files]})


def _label(files: Sequence[SharedFile]) -> str:
    return f"{files[0].name}, {size(files[0].size_bytes)}"


def _input(block_id: str, label: str, element: Json, *, hint: str = "") -> Json:
    told = {"hint": _plain(hint)} if hint else {}
    return {"type": "input", "block_id": block_id, "label": _plain(label), "element": element, **told}


def _select(action_id: str, options: Sequence[Json]) -> Json:
    return {"type": "static_select", "action_id": action_id, "options": list(options), "initial_option": options[0]}


def _option(value: str, label: str) -> Json:
    return {"text": _plain(shortened(label, _OPTION_LIMIT)), "value": value}


def _plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}
