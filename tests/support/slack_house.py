"""A house that serves a local workspace: real SQLite, real slack-bolt, and the bot in this process or in one of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

import httpx
import pytest
import yaml

from bot.app import run_bot
from bot.calls import Slack, web_client
from bot.local_workspace import AppConfiguration, Limits, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson
from bot.local_workspace.configuration import ChannelSeed, PersonSeed
from bot.settings import EVENTS_PATH, SlackSettings, Tokens
from runner.entities import Evaluation, Place, Progress, Run
from runner.service.house import House, open_house
from runner.settings import Access, Settings
from runner.settings import Limits as HouseLimits
from runner.specs import DatasetRef, Kind, ModelSpec, Preset, RunSpec, Start, TrainSpec
from runner.states import Reason
from runner.store import attempts, events, people, progress, runs

Json = dict[str, Any]
T = TypeVar("T")
MANIFEST = Path(__file__).parents[2] / "deploy" / "slack-manifest.yaml"
QUICK = Limits(event_retry_delays_s=(0.0, 0.2, 0.2), file_processing_s=0.1, message_interval_s=0.0)
_PROGRAM = "from bot.app import run_bot; from runner.settings import load_settings; run_bot(load_settings())"
PRESET = Preset(name="quick", framework="scripted", config="quick.py", description="for tests", epochs=5, batch=2, lr=0.1)
DATASET = DatasetRef(name="fish", version=1, fingerprint="f" * 64, format="coco")


@dataclass
class SlackHouse:
    """Ada is a member, Ben an operator; Eve is on no list. ``training`` and ``lab`` are listed; ``lounge`` is not."""

    workspace: LocalWorkspace
    house: House
    folder: Path
    channels: Mapping[str, str]
    people: Mapping[str, str]
    port: int = 0
    """Where the bot hears over HTTP; 0: it hears over a socket."""
    _bots: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def training(self) -> str:
        return self.channels["training"]

    @property
    def lab(self) -> str:
        return self.channels["lab"]

    @property
    def tokens(self) -> Tokens:
        if self.port:
            return Tokens(self.workspace.bot_token, "", self.workspace.api_url, self.workspace.signing_secret)
        return Tokens(self.workspace.bot_token, self.workspace.app_token, self.workspace.api_url)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "SLACK_BOT_TOKEN": self.tokens.bot, "SLACK_APP_TOKEN": self.tokens.app, "SLACK_SIGNING_SECRET": self.tokens.signing_secret,
            "SLACK_API_URL": self.tokens.api_url, "SIGNALBOX_SETTINGS": str(self.folder / "signalbox.yaml"),
        }

    def is_heard(self) -> bool:
        """Whether a bot would hear what is said now."""
        if not self.port:
            return self.workspace.socket_count() > 0
        try:
            return httpx.post(f"http://127.0.0.1:{self.port}{EVENTS_PATH}", timeout=5).status_code == 401
        except httpx.TransportError:
            return False

    def slack(self) -> Slack:
        return Slack(web_client(self.tokens, SlackSettings()))

    def person(self, name: str = "ada") -> WorkspacePerson:
        return WorkspacePerson(self.workspace.base_url, self.workspace.session_token, name)

    def rows(self, query: str, *values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in self.house.store.reading().conn.execute(query, values)]

    # What a runner would write

    def submit(self, spec: RunSpec | None = None, *, channel: str | None = "training", owner: str = "ada") -> Run:
        place = Place(self.channels[channel]) if channel else Place()
        with self.house.store.writing() as db:
            chosen = spec or TrainSpec(preset=PRESET, dataset=DATASET)
            return runs.submit(db, chosen, owner=self.people.get(owner, owner), place=place, now=self.house.now())

    def predicted(self, **files: bytes) -> Run:
        """A prediction that has ended, with these files (a double underscore stands for a slash, a single one for a dot)."""
        run = self.submit(ModelSpec(
            kind=Kind.PREDICT, preset=PRESET, model=Start(run_id="r-aaaa"), trained_on=DATASET, dataset=DATASET, split="val", host="gpu-1",
        ))
        for name, content in files.items():
            path = self.house.settings.results / run.id / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return self.move(self.start(run), Reason.COMPLETED)

    def move(self, run: Run, *reasons: Reason, detail: str = "") -> Run:
        with self.house.store.writing() as db:
            for reason in reasons:
                run = runs.transition(db, runs.get(db, run.id), reason, now=self.house.now(), detail=detail)
        return run

    def start(self, run: Run) -> Run:
        with self.house.store.writing() as db:
            attempts.begin(db, run, number=1, host="gpu-1", root="/r", now=self.house.now())
            run = runs.transition(db, run, Reason.LAUNCHING, now=self.house.now(), attempt=1)
            return runs.transition(db, run, Reason.WORKING, now=self.house.now())

    def log(self, run: Run, *records: Progress | Evaluation, best: bool = False) -> None:
        with self.house.store.writing() as db:
            attempt = attempts.get(db, run.id, 1)
            progress.keep(db, attempt, records, progress.position(db, attempt), now=self.house.now())
            for record in records:
                if isinstance(record, Evaluation):
                    payload = {"epoch": record.epoch, "task": record.task, "ap": record.ap, "best": best}
                    events.record(db, "evaluation", at=self.house.now(), run_id=run.id, payload=payload)

    def runner_lives(self) -> None:
        """As if a runner were heard for as long as any test takes."""
        with self.house.store.writing() as db:
            people.beat(db, "runner", pid=1, now=self.house.now() + timedelta(hours=1))

    # The bot

    @contextmanager
    def bot(self) -> Iterator[None]:
        """The bot in a thread of this process, connected."""
        stop, trouble = threading.Event(), []

        def be() -> None:
            try:
                run_bot(self.house.settings, stop=stop)
            except BaseException as error:
                trouble.append(error)
                raise

        thread = threading.Thread(target=be, name="bot")
        thread.start()
        try:
            until(lambda: self.is_heard() or bool(trouble), what="the bot")
            assert not trouble, trouble
            yield
        finally:
            stop.set()
            thread.join(20)
            assert not thread.is_alive()

    def start_bot(self, *, crash_at: str = "") -> subprocess.Popen[bytes]:
        """The bot in a process of its own; it dies at ``crash_at``."""
        environment = {**os.environ, **self.environment, "SIGNALBOX_CRASH_AT": crash_at}
        process = subprocess.Popen([sys.executable, "-c", _PROGRAM], env=environment)
        self._bots.append(process)
        return process

    def end_bots(self) -> None:
        for process in self._bots:
            if process.poll() is None:
                process.kill()
            process.wait(10)

    # What Slack shows

    def posted(self, channel: str, *, thread: str | None = None) -> list[Json]:
        """The bot's messages that everybody sees."""
        found = self.person().thread(channel, thread) if thread else self.person().messages(channel)
        return [message for message in found if message.get("bot_id") and not message.get("is_ephemeral")]

    def everything(self, channel: str) -> list[Json]:
        """The bot's messages in a channel and in all its threads."""
        top = self.posted(channel)
        return top + [reply for message in top if message.get("reply_count") for reply in self.posted(channel, thread=message["ts"])[1:]]


def delivery_ids(messages: list[Json]) -> list[str]:
    """The delivery ids that messages carry."""
    return [str(message.get("metadata", {}).get("event_payload", {}).get("id")) for message in messages]


def free_port() -> int:
    """A port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(look: Callable[[], T], *, timeout_s: float = 10.0, what: str = "") -> T:
    """Look until something true is seen."""
    deadline = time.monotonic() + timeout_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what or look}"
        time.sleep(0.02)
    return found


@contextmanager
def slack_house(
    folder: Path, *, limits: Limits = QUICK, house_limits: HouseLimits = HouseLimits(),
    groups: Mapping[str, tuple[str, ...]] = MappingProxyType({}), way: str = "socket", now: Callable[[], float] = time.time,
) -> Iterator[SlackHouse]:
    """A workspace whose app is what the manifest says, and a house that serves it, over ``socket`` or ``http``; both keep ``now``."""
    port = free_port() if way == "http" else 0
    configuration = WorkspaceConfiguration(
        app=AppConfiguration.from_manifest(MANIFEST), limits=limits,
        people=tuple(PersonSeed(name, name.title()) for name in ("ada", "ben", "eve")),
        channels=(ChannelSeed("training"), ChannelSeed("lab"), ChannelSeed("lounge"), ChannelSeed("far", app_is_member=False)),
        groups=groups, request_url=f"http://127.0.0.1:{port}{EVENTS_PATH}" if port else None,
    )
    with LocalWorkspace(folder / "slack", configuration, now=now) as workspace:
        state = WorkspacePerson(workspace.base_url, workspace.session_token, "ada").state()
        channels = {channel["name"]: channel["id"] for channel in state["channels"] if channel.get("name")}
        ids = {person["name"]: person["id"] for person in state["people"]}
        access = Access(channels=(channels["training"], channels["lab"], channels["far"]), members=(ids["ada"],), operators=(ids["ben"],))
        values = {"state_folder": folder / "state", "access": access, "limits": house_limits}
        values |= {"web": {"port": port}} if port else {}
        house = replace(open_house(Settings.model_validate(values)), now=lambda: datetime.fromtimestamp(now(), UTC))
        document = yaml.safe_dump(house.settings.model_dump(mode="json"))
        (folder / "signalbox.yaml").write_text(document, encoding="utf-8")
        served = SlackHouse(workspace, house, folder, channels, ids, port)
        try:
            yield served
        finally:
            served.end_bots()
            house.store.close()


def point(epoch: int, iteration: int, *, loss: float = 1.0) -> Progress:
    return Progress(epoch=epoch, iteration=iteration, iterations=10, loss=loss, lr=0.1, eta_s=60.0)


def evaluation(epoch: int, ap: float) -> Evaluation:
    return Evaluation(epoch=epoch, task="bbox", ap=ap, ap50=min(1.0, ap + 0.2), ap75=ap, per_class={"fish": ap})


@contextmanager
def house_with_bot(folder: Path, *, way: str = "socket") -> Iterator[SlackHouse]:
    """A Slack house whose bot is at work in this process, with the tokens in its environment."""
    with slack_house(folder, way=way) as house, pytest.MonkeyPatch.context() as patch:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        with house.bot():
            yield house
