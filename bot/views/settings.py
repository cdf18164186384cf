"""How an installation is set up. Tokens are in no settings file; the heartbeat's addresses, which others must not call, are not shown."""

from __future__ import annotations

from pydantic import BaseModel

from bot.views.blocks import Message, context, fitting, section
from bot.views.words import code, escaped, person
from runner.settings import Access, Settings, settings_path

_GROUPS = ("limits", "imports", "queue", "web")


def settings_page(settings: Settings) -> Message:
    """Every key with its value, those that were changed marked; who is listed; where it is written."""
    parts = [
        f"*Zone* {code(settings.zone)}\n*State* {code(str(settings.state))}",
        _people(settings.access),
        *(_group(name, getattr(settings, name)) for name in _GROUPS),
        _plain("slack", {key: str(value) for key, value in settings.slack.items()}),
    ]
    shown = [part for part in parts if part]
    small = f"✎ is changed from what it is by itself. Written in {code(str(settings_path()))}; read when bot and runner start."
    return "\n\n".join([*shown, small]), fitting([*(section(part) for part in shown), context(small)])


def _people(access: Access) -> str:
    roles = (("admins", access.admins), ("operators", access.operators), ("members", access.members), ("viewers", access.viewers))
    lines = [f"{role}: {', '.join(person(each) for each in listed)}" for role, listed in roles if listed]
    channels = ", ".join(code(channel) for channel in access.channels)
    return "\n".join(["*Access*", *(lines or ["nobody is listed"]), f"channels: {channels or 'none is listed'}"])


def _group(name: str, group: BaseModel) -> str:
    usual, now = type(group)().model_dump(mode="json"), group.model_dump(mode="json")
    return _plain(name, {f"{key}{'' if value == usual[key] else ' ✎'}": str(value) for key, value in now.items()})


def _plain(name: str, values: dict[str, str]) -> str:
    return "\n".join([f"*{name.capitalize()}*", *(f"{escaped(key)}: {code(value)}" for key, value in values.items())]) if values else ""
