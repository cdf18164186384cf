"""The manifest grants exactly what the code uses: the methods it calls, the events and commands it listens to."""

from __future__ import annotations

import ast
from pathlib import Path

import bot
from bot.home import Homes
from bot.listeners import COMMAND, Identity, Listeners
from bot.local_workspace import AppConfiguration
from bot.local_workspace.events import SCOPE_OF_EVENT
from bot.local_workspace.methods import METHODS
from bot.views.form import FORM, PLAN
from bot.views.import_dialog import CALLBACK
from tests.support.slack_house import MANIFEST

FACE = Path(bot.__file__).parent
# What the app needs for private channels, which the local workspace does not have.
PRIVATE = {"message.groups": "groups:history"}
FILES_OF_PEOPLE = "files:read"  # the bytes behind url_private, which is no method


class Heard:
    """Stands where Bolt's App is registered with, and remembers what for."""

    def __init__(self) -> None:
        self.commands: list[str] = []
        self.events: list[str] = []
        self.shortcuts: list[tuple[str, str]] = []
        self.views: list[str] = []

    def command(self, name: str):  # type: ignore[no-untyped-def]
        self.commands.append(name)
        return lambda listener: listener

    def event(self, name: str):  # type: ignore[no-untyped-def]
        self.events.append(name)
        return lambda listener: listener

    def message_shortcut(self, name: str):  # type: ignore[no-untyped-def]
        self.shortcuts.append((name, "message"))
        return lambda listener: listener

    def global_shortcut(self, name: str):  # type: ignore[no-untyped-def]
        self.shortcuts.append((name, "global"))
        return lambda listener: listener

    def view(self, name: str):  # type: ignore[no-untyped-def]
        self.views.append(name)
        return lambda listener: listener

    def action(self, _constraint: object):  # type: ignore[no-untyped-def]
        return lambda listener: listener


def called_methods() -> set[str]:
    """Every Web API method that the face names, outside the local workspace and the demo."""
    sources = [*FACE.glob("*.py"), *FACE.glob("commands/*.py"), *FACE.glob("views/*.py")]
    texts = {
        node.value for source in sources for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return texts & METHODS.keys()


def test_the_scopes_are_those_of_the_methods_events_and_files_in_use() -> None:
    app = AppConfiguration.from_manifest(MANIFEST)
    needed = {FILES_OF_PEOPLE, "commands", *PRIVATE.values()}
    needed |= {scope for method in called_methods() for scope in METHODS[method].scopes}
    needed |= {scope for event in app.bot_events if (scope := SCOPE_OF_EVENT.get(event) or PRIVATE.get(event))}
    assert set(app.scopes) == needed


def test_the_events_the_command_and_the_shortcut_are_those_listened_to() -> None:
    heard, app = Heard(), AppConfiguration.from_manifest(MANIFEST)
    Listeners(None, Identity("T", "U"), Homes()).register(heard)  # type: ignore[arg-type]
    assert {event.partition(".")[0] for event in app.bot_events} == set(heard.events)
    assert [command.command for command in app.slash_commands] == heard.commands == [COMMAND]
    assert {(shortcut.callback_id, shortcut.kind) for shortcut in app.shortcuts} == set(heard.shortcuts)
    assert heard.views == [FORM, PLAN, CALLBACK]
    assert app.home_tab
    assert app.interactivity


def test_the_methods_in_use_are_found() -> None:
    assert {"chat.postMessage", "chat.update", "views.open", "conversations.replies", "files.completeUploadExternal"} <= called_methods()
