"""The demo's scene with the scripted framework: everything is real and in processes of its own, and a training takes seconds."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import yaml

from bot.demo.footage import write_footage
from bot.demo.play import Json, Play
from bot.demo.scene import HOST, MANIFEST, Scene
from bot.demo.transcript import Transcript
from bot.local_workspace import AppConfiguration, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.configuration import ChannelSeed, PersonSeed
from runner.entities import Environment
from runner.service import hosts
from runner.store import hosts as host_rows

SCRIPTED = Path(__file__).parent.parent / "scripted"
FRAMES = 60


class Stage(Scene):
    """Ada is an operator, Ben a member; Eve is on no list. ``training`` is listed; ``lounge`` is not, though the bot is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        people = tuple(PersonSeed(name, name.title()) for name in ("ada", "ben", "eve"))
        channels = (ChannelSeed("training"), ChannelSeed("lounge"))
        self.workspace = LocalWorkspace(
            folder / "workspace", WorkspaceConfiguration(app=AppConfiguration.from_manifest(MANIFEST), people=people, channels=channels)
        )

    def person(self, name: str) -> WorkspacePerson:
        return WorkspacePerson(self.workspace.base_url, self.workspace.session_token, name)

    def channel_id(self, name: str) -> str:
        return next(str(channel["id"]) for channel in self.ada.state()["channels"] if channel.get("name") == name)

    def add_scripted_host(self) -> None:
        """``host add`` for the loopback sshd, with the scripted environment as its only one."""
        self.add_host()
        with self.house.store.writing() as db:
            host_rows.put_environment(db, Environment(HOST, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1"))

    def _write_settings(self, people: Sequence[str]) -> None:
        ids = {str(person["name"]): str(person["id"]) for person in self.ada.state()["people"]}
        access = {"channels": [self.channel_id("training")], "operators": [ids["ada"]], "members": [ids["ben"]]}
        content = {
            "state_folder": str(self.folder / "state"), "extensions": [str(SCRIPTED)], "access": access,
            "limits": {"stop_grace_s": 1, "retry_delay_s": 0.2},
        }
        self.settings_path.write_text(yaml.safe_dump(content), encoding="utf-8")


@contextmanager
def playing(folder: Path) -> Iterator[Play]:
    """A play on a stage whose bot answers, with gpu-1 connected and the footage drawn."""
    stage = Stage(folder)
    with stage:
        transcript = Transcript(stage.ada, stage.channel, names={}, out=io.StringIO())
        try:
            play = Play(stage, transcript)
            write_footage(play.upload, frames=FRAMES)
            stage.add_scripted_host()
            play.wait(lambda: "help" in _asked(play), timeout_s=30, what="an answer of the bot")
            play.wait(lambda: hosts.host_view(stage.house, HOST).host.seen_at, timeout_s=30, what=f"an answer of {HOST}")
            yield play
        finally:
            transcript.close()


def ephemeral(play: Play, text: str, *, who: str = "ada", channel: str = "training") -> Json:
    """What one person alone is answered to a slash command."""
    stage = play.scene
    assert isinstance(stage, Stage)
    answer = stage.person(who).slash(stage.channel_id(channel), "/train", text)
    assert answer is not None, f"`/train {text}` got no answer"
    return answer


def _asked(play: Play) -> str:
    answer = play.scene.ada.slash(play.scene.channel, "/train", "help")
    return str((answer or {}).get("text", ""))
