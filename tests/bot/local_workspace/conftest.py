"""A workspace with a clock that the test moves, a bare caller of its Web API, and a bare Socket Mode client."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from websockets.sync.client import ClientConnection, connect

from bot.local_workspace import Limits, LocalWorkspace, WorkspaceConfiguration, WorkspacePerson

Json = dict[str, Any]

QUICK = Limits(event_retry_delays_s=(0.0, 0.05, 0.05), socket_closes_after_s=0.3, file_size_bytes=1_000_000)
IMPATIENT = replace(QUICK, ack_s=0.3)


@dataclass
class Clock:
    """A clock that stands still until `advance`."""

    now_s: float = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: Json


@dataclass
class SlackCaller:
    """Calls a workspace as any HTTP client would, without slack_sdk in between."""

    workspace: LocalWorkspace
    clock: Clock
    channel_ids: dict[str, str] = field(default_factory=dict)
    person_ids: dict[str, str] = field(default_factory=dict)

    def request(self, method: str, url: str, *, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        try:
            target = parts.path + (f"?{parts.query}" if parts.query else "")
            connection.request(method, target, body=body, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()

    def raw(self, name: str, *, body: Any, headers: dict[str, str]) -> Answer:
        status, answered, text = self.request("POST", self.workspace.api_url + name, body=body, headers=headers)
        return Answer(status, {k.lower(): v for k, v in answered.items()}, json.loads(text))

    def try_call(self, name: str, token: str | None = "bot", /, *, form: bool = False, **arguments: Any) -> Answer:
        """One call; `token` is "bot", "app", None or the token itself."""
        known = {"bot": self.workspace.bot_token, "app": self.workspace.app_token}
        headers = {"Authorization": f"Bearer {known.get(token, token)}"} if token else {}
        if form:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            return self.raw(name, body=urlencode(arguments), headers=headers)
        headers["Content-Type"] = "application/json; charset=utf-8"
        return self.raw(name, body=json.dumps(arguments), headers=headers)

    def call(self, name: str, token: str = "bot", /, **arguments: Any) -> Json:
        """One call that must succeed; the clock moves first, so that no rate limit is in the way."""
        self.clock.advance(10)
        answer = self.try_call(name, token, **arguments)
        assert answer.body["ok"], answer.body
        return answer.body

    def upload(self, name: str, data: bytes, **completion: Any) -> Json:
        """The three steps of an upload; returns the file."""
        step = self.call("files.getUploadURLExternal", filename=name, length=len(data))
        status, _, _ = self.request("POST", step["upload_url"], body=data)
        assert status == 200
        files = [{"id": step["file_id"], "title": name}]
        return self.call("files.completeUploadExternal", files=files, **completion)["files"][0]

    def channel(self, name: str) -> str:
        """The id of a channel; here, so that tests need no scope for it."""
        if not self.channel_ids:
            self.channel_ids = {c["name"]: c["id"] for c in self.person().state()["channels"] if "name" in c}
        return self.channel_ids[name]

    def person_id(self, name: str) -> str:
        if not self.person_ids:
            self.person_ids = {p["name"]: p["id"] for p in self.person().state()["people"]}
        return self.person_ids[name]

    def person(self, name: str = "ada") -> WorkspacePerson:
        return WorkspacePerson(self.workspace.base_url, self.workspace.session_token, name)

    @contextmanager
    def socket(self) -> Iterator[ClientConnection]:
        """A Socket Mode connection that does nothing by itself; hello has been read."""
        url = self.call("apps.connections.open", "app")["url"]
        with connect(url, open_timeout=5, close_timeout=1) as connection:
            assert json.loads(connection.recv(timeout=5))["type"] == "hello"
            yield connection


@pytest.fixture
def clock() -> Clock:
    return Clock()


@contextmanager
def running(folder: Path, clock: Clock, configuration: WorkspaceConfiguration) -> Iterator[SlackCaller]:
    with LocalWorkspace(folder, configuration, now=clock) as workspace:
        yield SlackCaller(workspace, clock)


@pytest.fixture
def slack(tmp_path: Path, clock: Clock) -> Iterator[SlackCaller]:
    """A workspace of its own for one test."""
    with running(tmp_path / "state", clock, WorkspaceConfiguration(limits=QUICK)) as caller:
        yield caller


@pytest.fixture
def impatient_slack(tmp_path: Path, clock: Clock) -> Iterator[SlackCaller]:
    """A workspace that waits 0.3 s for an ack, for tests in which none comes."""
    with running(tmp_path / "state", clock, WorkspaceConfiguration(limits=IMPATIENT)) as caller:
        yield caller


@pytest.fixture
def workspace_with() -> Any:
    """Runs a workspace with a given configuration: `with workspace_with(folder, clock, configuration) as slack`."""
    return running


@pytest.fixture(scope="module")
def shared_slack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackCaller]:
    """One workspace for all tests of a module, for tests that only look or are refused."""
    with running(tmp_path_factory.mktemp("shared"), Clock(), WorkspaceConfiguration(limits=QUICK)) as caller:
        yield caller
