"""A Slack that is not ours: npm's ``emulate`` (Web API, files, events), installed once into the user's cache with the Node it needs.

It knows no slash commands, clicks or Socket Mode. It grants what the manifest asks for, and nothing else.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_sdk import WebClient

from bot.settings import EVENTS_PATH
from runner.service.house import open_house
from runner.settings import Access, Settings
from tests.support.slack_house import MANIFEST, SlackHouse, free_port, until

PACKAGES = ("emulate@0.12.2", "node@24")
TEAM, APP, BOT, BOT_ID = "T000000001", "A000000001", "U0EMULBOT1", "B0EMULBOT1"
"""The emulator's own team, and what the seed names."""
_PROGRAM = Path(__file__).with_suffix(".mjs")
_INSTALLED_WITHIN_S = 300
Json = dict[str, Any]


@dataclass(frozen=True)
class Emulated:
    """What a SlackHouse needs of a workspace, and what people do there."""

    address: str
    signing_secret: str = "e" * 32
    bot_token: str = "xoxb-emulated"
    app_token: str = ""

    @property
    def api_url(self) -> str:
        return f"{self.address}/api/"

    def person(self, name: str = "ada") -> WebClient:
        """A person's own client: people there speak through the Web API."""
        return WebClient(token=f"xoxp-{name}", base_url=self.api_url, timeout=20)

    def kept(self, kind: str) -> list[Json]:
        """Everything of a kind that it keeps: ``messages``, ``ephemeralMessages``, ``views``, ``files``."""
        with urllib.request.urlopen(f"{self.address}/kept/{kind}", timeout=20) as response:
            found: list[Json] = json.load(response)
        return found


def installed() -> Path:
    """The folder with the emulator and its Node; skips the test, with the reason, where it cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "signalbox" / "tests"
    folder = cache / "_".join(package.replace("@", "-") for package in PACKAGES)
    if _version(folder) is None:
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, and so neither is emulate")
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as made:
            (Path(made) / "package.json").write_text('{"private": true}')
            install = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", *PACKAGES]
            try:
                subprocess.run(install, cwd=made, check=True, capture_output=True, text=True, timeout=_INSTALLED_WITHIN_S)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"npm could not install {' and '.join(PACKAGES)}: {getattr(error, 'stderr', '') or error}"[:500])
            if _version(Path(made)) is None:
                pytest.skip("npm's package node came without its program: npm was told to run no install scripts")
            if not folder.exists():
                Path(made).rename(folder)
                Path(made).mkdir()  # which the block removes
    return folder


def _version(folder: Path) -> str | None:
    try:
        return subprocess.run([_node(folder), "--version"], check=True, capture_output=True, text=True, timeout=30).stdout
    except (subprocess.SubprocessError, OSError):
        return None


def _node(folder: Path) -> Path:
    return folder / "node_modules" / "node" / "bin" / "node"


def _seed(signing_secret: str, bot_token: str) -> Mapping[str, object]:
    scopes = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))["oauth_config"]["scopes"]["bot"]
    bot = {"app_id": APP, "bot_id": BOT_ID, "bot_user_id": BOT, "scopes": scopes}
    app = {**bot, "client_id": "1.2", "client_secret": "x", "name": "signalbox", "redirect_uris": [], "bot_name": "signalbox"}
    tokens = [{"token": f"xoxp-{name}", "user": name, "type": "user"} for name in ("ada", "ben", "eve")]
    tokens.append({**bot, "token": bot_token, "type": "bot", "user_id": BOT})
    return {"slack": {
        "users": [{"name": name} for name in ("ada", "ben", "eve")], "channels": [{"name": name} for name in ("training", "lab")],
        "oauth_apps": [app], "tokens": tokens, "signing_secret": signing_secret, "strict_scopes": True,
    }}  # fmt: skip


@contextmanager
def emulated_house(folder: Path) -> Iterator[SlackHouse]:
    """A house that serves the emulator's workspace over HTTP; Ada is a member, Ben an operator, Eve on no list."""
    home = installed()
    port, heard_at = free_port(), free_port()
    slack = Emulated(f"http://127.0.0.1:{port}")
    seed = json.dumps(_seed(slack.signing_secret, slack.bot_token))
    command = [_node(home), _PROGRAM, home, str(port), f"http://127.0.0.1:{heard_at}{EVENTS_PATH}", seed, BOT]
    with (folder / "emulate.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: process.poll() is not None or _answers(slack), timeout_s=60, what="the emulator")
        assert process.poll() is None, (folder / "emulate.log").read_text()
        ids = {one["name"]: one["user_id"] for one in slack.kept("users")}
        channels = {one["name"]: one["channel_id"] for one in slack.kept("channels")}
        access = Access(channels=(channels["training"], channels["lab"]), members=(ids["ada"],), operators=(ids["ben"],))
        values = {"state_folder": folder / "state", "access": access, "web": {"port": heard_at}}
        house = open_house(Settings.model_validate(values))
        (folder / "signalbox.yaml").write_text(yaml.safe_dump(house.settings.model_dump(mode="json")), encoding="utf-8")
        served = SlackHouse(slack, house, folder, channels, ids, heard_at)  # type: ignore[arg-type]
        try:
            yield served
        finally:
            served.end_bots()
            house.store.close()
    finally:
        process.kill()
        process.wait(10)


def _answers(slack: Emulated) -> bool:
    try:
        return bool(slack.kept("users"))
    except OSError:  # not listening, or not seeded yet
        return False
