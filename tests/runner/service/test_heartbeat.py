"""The dead man's switch: called while all is well and only then; what it is called with; and what it must not do."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from runner.service.health import STUCK_AFTER, troubles
from runner.service.heartbeat import EVERY, DeadMansSwitch, call
from runner.service.house import House
from runner.settings import Heartbeat
from runner.store import people
from tests.support.outside import outside
from tests.support.words_house import NOW, words_house


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
