"""The app as its manifest declares it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.local_workspace import AppConfiguration
from bot.local_workspace.configuration import ManifestError, Shortcut, SlashCommand

MANIFEST = """
display_information: {name: Signalbox}
features:
  app_home: {home_tab_enabled: true}
  bot_user: {display_name: signalbox}
  slash_commands: [{command: /train, description: Train, should_escape: true}]
  shortcuts: [{name: Import, type: message, callback_id: import, description: Import}]
oauth_config: {scopes: {bot: [commands, "chat:write"]}}
settings:
  event_subscriptions: {bot_events: [app_mention]}
  interactivity: {is_enabled: true}
  socket_mode_enabled: true
"""


def test_from_manifest(tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(MANIFEST)
    assert AppConfiguration.from_manifest(path) == AppConfiguration(
        name="Signalbox",
        bot_name="signalbox",
        scopes=("commands", "chat:write"),
        bot_events=("app_mention",),
        slash_commands=(SlashCommand("/train", "Train", should_escape=True),),
        shortcuts=(Shortcut("Import", "import"),),
    )


@pytest.mark.parametrize("text", ["[]", "features: 5", "display_information: {name: x}"])
def test_what_is_no_manifest_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(text)
    with pytest.raises(ManifestError, match=r"manifest\.yaml"):
        AppConfiguration.from_manifest(path)
