"""Where chat is off the bot serves the web all the same, and tells those outside how it is; and so does the runner when the bot is gone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.app import run_bot
from runner.bot_watch import watch_bot
from runner.service.house import House, open_house, utc_now
from runner.settings import Heartbeat, Settings, Web
from runner.store import people
from tests.support.outside import outside
from tests.support.slack_house import free_port, until

SOON = timedelta(milliseconds=100)


@contextmanager
def bot(settings: Settings) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=run_bot, args=(settings,), kwargs={"stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def runner_heard(house: House, *, ago: timedelta = timedelta()) -> None:
    with house.store.writing() as db:
        people.beat(db, "runner", pid=1, now=utc_now() - ago)


def test_it_serves_the_web_and_calls_those_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("runner.service.heartbeat.EVERY", SOON)
    monkeypatch.setattr("bot.app.BEAT_S", 0.05)
    port = free_port()
    with outside() as monitor:
        told = Heartbeat(url=f"{monitor.url}/ping", fail_url=f"{monitor.url}/fail")
        house = open_house(Settings(state_folder=tmp_path, web=Web(port=port), heartbeat=told))
        runner_heard(house)
        with house.store.writing() as db:
            people.beat(db, "socket", pid=1, now=utc_now() - timedelta(days=1))  # of a time when chat was on
        with bot(house.settings), httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            until(lambda: "GET /ping" in monitor.calls, what="the call that all is well")
            assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 200)
            figures = client.get("/metrics").text
            assert 'signalbox_heartbeat_age_seconds{process="bot"}' in figures and 'process="socket"' not in figures
            runner_heard(house, ago=timedelta(minutes=5))
            assert client.get("/readyz").text.startswith("The runner has been silent for 30")
            until(lambda: monitor.calls[-1].startswith("POST /fail The runner has been silent"), what="the call that the runner is silent")
    house.store.close()


def test_the_runner_calls_while_the_bot_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.service.heartbeat.EVERY", SOON)
    monkeypatch.setattr("runner.bot_watch.EVERY", SOON)
    with outside() as monitor:
        house = open_house(Settings(state_folder=tmp_path, heartbeat=Heartbeat(fail_url=f"{monitor.url}/fail")))
        with house.store.writing() as db:
            people.beat(db, "bot", pid=1, now=utc_now() - timedelta(seconds=45))
        ended = watch_bot(house)
        until(lambda: monitor.calls and monitor.calls[0].startswith("POST /fail The bot has been silent for 45 s."), what="the call")
        ended.set()
    house.store.close()
