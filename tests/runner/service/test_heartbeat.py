"""The dead man's switch: called while all is well and only then; what it is called with; and what it must not do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from runner.service.health import STUCK_AFTER, troubles
from runner.service.heartbeat import EVERY, DeadMansSwitch, call
from runner.service.house import House
from runner.settings import Heartbeat
from runner.store import people
from tests.support.words_house import NOW, words_house


@dataclass
class Outside:
    """Somebody on the web who notes each call, answers ``status`` and, with a ``location``, sends callers on."""

    url: str = ""
    status: int = 200
    location: str = ""
    calls: list[str] = field(default_factory=list)


@contextmanager
def outside() -> Iterator[Outside]:
    found = Outside()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            found.calls.append(f"{self.command} {self.path} {said}".strip())
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def house(tmp_path: Path, clock: Clock) -> House:
    return replace(words_house(tmp_path), now=clock)


def beat(house: House, *processes: str) -> None:
    with house.store.writing() as db:
        for process in processes:
            people.beat(db, process, pid=1, now=house.now())


def test_it_is_called_each_minute_while_all_is_well_and_told_why_when_it_is_not(house: House, clock: Clock) -> None:
    with outside() as monitor:
        switch = DeadMansSwitch(
            house, lambda: troubles(house, ("runner", "bot")), url=f"{monitor.url}/ping", fail_url=f"{monitor.url}/ping/fail"
        )
        for _ in range(24):  # two minutes; the first call is due after one
            beat(house, "runner", "bot")
            switch.step()
            clock.now += timedelta(seconds=5)
        assert monitor.calls == ["GET /ping"]
        for _ in range(12):
            beat(house, "bot")
            switch.step()
            clock.now += timedelta(seconds=5)
        beat(house, "bot")
        switch.step()
        assert monitor.calls == ["GET /ping", "GET /ping", "POST /ping/fail The runner has been silent for 65 s."]
        clock.now += EVERY
        beat(house, "runner", "bot")
        switch.step()
        assert monitor.calls[3:] == ["GET /ping"]


def test_messages_that_do_not_move_are_a_trouble(house: House, clock: Clock) -> None:
    with house.store.writing() as db:
        db.conn.execute(
            "INSERT INTO deliveries (id, seq, channel, kind, body, state, created_at)"
            " VALUES ('a', 1, 'C1', 'text', '{}', 'owed', '2026-11-21T13:32:00.000000Z')"
        )
    clock.now += STUCK_AFTER
    assert troubles(house, (), messages=True) == []
    clock.now += timedelta(seconds=1)
    assert troubles(house, (), messages=True) == ["The oldest message has waited for 301 s."]
    assert troubles(house, ()) == []


def test_a_redirect_is_not_followed_and_a_refusal_is_said_without_what_the_address_keeps_secret(caplog: pytest.LogCaptureFixture) -> None:
    with outside() as monitor, outside() as elsewhere:
        monitor.status, monitor.location = 302, f"{elsewhere.url}/private"
        assert not call(f"{monitor.url}/uuid-of-the-check", "")
        assert elsewhere.calls == []
        monitor.status, monitor.location = 500, ""
        assert not call(f"{monitor.url}/uuid-of-the-check", "x")
    assert not call("http://127.0.0.1:9/uuid-of-the-check", "")
    assert "302" in caplog.text and "500" in caplog.text and "refused" in caplog.text and "uuid" not in caplog.text


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "https://", "hc-ping.com/uuid", "javascript:alert(1)"])
def test_only_the_web_is_called(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with https"):
        Heartbeat(url=url)
    with pytest.raises(ValidationError, match="must begin with https"):
        Heartbeat(fail_url=url)
