"""Where the demo plays: a Slack workspace and a GPU server on this machine's loopback, and Signalbox between them."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import yaml

from bot.demo.loopback_sshd import LoopbackSshd, SshdError
from bot.demo.processes import children_of
from bot.local_workspace import AppConfiguration, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.configuration import ChannelSeed, PersonSeed
from bot.local_workspace.entities import TEAM_ID
from runner.service import hosts
from runner.service.house import House, open_house
from runner.settings import load_settings

MANIFEST = Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml"
CHANNEL = "training"
HOST = "gpu-1"
PEOPLE = (PersonSeed("ada", "Ada"), PersonSeed("ben", "Ben"))


class Scene:
    """Everything that must be there before the curtain rises; all of it lies in ``folder`` and ends with the ``with`` block."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder
        self._port = port
        self.workspace = LocalWorkspace(folder / "workspace", WorkspaceConfiguration(
            app=AppConfiguration.from_manifest(MANIFEST), people=PEOPLE, channels=(ChannelSeed(CHANNEL, app_is_member=True),),
        ))
        self.sshd: LoopbackSshd | None = None
        self.without_sshd = ""
        self._serve: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.workspace.start(self._port)
            self.ada = WorkspacePerson(self.workspace.base_url, self.workspace.session_token, "ada")
            state = self.ada.state()
            self.channel = next(str(item["id"]) for item in state["channels"] if item.get("name") == CHANNEL)
            self._write_settings([str(item["id"]) for item in state["people"] if not item.get("is_bot")])
            self.house: House = open_house(load_settings(self.settings_path, {}))
            self._start_sshd()
            self.start_signalbox()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop_signalbox()
        if self.sshd is not None:
            self.sshd.__exit__(None, None, None)
        self.workspace.stop()

    @property
    def settings_path(self) -> Path:
        """The installation's settings."""
        return self.folder / "signalbox.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """What ``signalbox`` is started with: exactly what real Slack needs, and the address of this one."""
        return {
            **os.environ, "SIGNALBOX_SETTINGS": str(self.settings_path), "SLACK_API_URL": self.workspace.api_url,
            "SLACK_BOT_TOKEN": self.workspace.bot_token, "SLACK_APP_TOKEN": self.workspace.app_token,
        }

    def terminal(self, *words: str) -> str:
        """``signalbox <words>`` in a terminal; RuntimeError with what it said when it was refused."""
        finished = subprocess.run(
            [sys.executable, "-m", "bot", *words], env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        if finished.returncode:
            raise RuntimeError(f"signalbox {' '.join(words)}: {finished.stderr.strip() or finished.stdout.strip()}")
        return finished.stdout.strip()

    def add_host(self) -> str:
        """Make this machine the GPU server ``gpu-1``: over the real sshd, its key pinned."""
        sshd = self.sshd
        if sshd is None:
            hosts.add_local(self.house, name=HOST, root=str(self.folder / HOST))
            return f"{self.without_sshd}, so {HOST} is this machine without ssh."
        return self.terminal(
            "host", "add", HOST, f"{sshd.user}@{sshd.address}:{sshd.port}", "--key-file", str(sshd.key_path), "--host-key", sshd.host_key,
            "--root", str(self.folder / HOST),
        )

    def start_signalbox(self) -> None:
        """``signalbox serve``: the bot and the runner."""
        with (self.folder / "serve.log").open("ab") as out:
            self._serve = subprocess.Popen([sys.executable, "-m", "bot", "serve"], env=self.environment, stdout=out, stderr=out)

    def stop_signalbox(self) -> None:
        """End it as an administrator would."""
        if self._serve is not None:
            self._serve.terminate()
            self._serve.wait(60)
            self._serve = None

    def kill_signalbox(self) -> list[int]:
        """SIGKILL to the bot and the runner, which ``serve`` starts again; returns the pids that died."""
        assert self._serve is not None
        children = children_of(self._serve.pid)
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        return children

    def signalbox_restarted(self, *, without: Sequence[int], timeout_s: float = 30.0) -> bool:
        """Whether bot and runner live again, in other processes."""
        assert self._serve is not None
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if len(set(children_of(self._serve.pid)) - set(without)) == 2:
                return True
            time.sleep(0.1)
        return False

    def _write_settings(self, people: Sequence[str]) -> None:
        content = {
            "state_folder": str(self.folder / "state"),
            "access": {"workspace": TEAM_ID, "channels": [self.channel], "operators": list(people)},
            "limits": {"stop_grace_s": 5},
        }
        self.settings_path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def _start_sshd(self) -> None:
        (self.folder / "sshd").mkdir()
        if shutil.which("screen") is None:
            self.without_sshd = "screen is not installed"
            return
        try:
            self.sshd = LoopbackSshd(self.folder / "sshd", variables=_passed_on()).__enter__()
        except SshdError as error:
            self.without_sshd = str(error)


def _passed_on() -> dict[str, str]:
    """What this machine's own sessions would find set: where its Python and its packages come from."""
    names = ("PATH", "XDG_CACHE_HOME", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
    return {name: value for name, value in os.environ.items() if name in names or name.startswith("PIP_")}
