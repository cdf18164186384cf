"""A real Alertmanager, set up as deploy/monitoring shows, posts to a real bot: its action is done once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from runner.entities import Host, TransportName
from runner.service import triggers
from runner.service.house import House, Requester, open_house
from runner.settings import Role, Settings, Web
from runner.store import hosts
from tests.support.alertmanager import PROGRAM, alertmanager
from tests.support.runner_process import settings_file
from tests.support.slack_house import free_port, until

SHIPPED = Path(__file__).parents[2] / "deploy" / "monitoring" / "alertmanager.yml"
TOKEN = "t" * 32
BOT = "from bot.app import run_bot; from runner.settings import load_settings; run_bot(load_settings())"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="prometheus-alertmanager is not installed")]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = open_house(Settings(state_folder=tmp_path / "state", web=Web(port=free_port())))
    with made.store.writing() as db:
        hosts.put(db, Host("gpu1", TransportName.SSH, "/srv/signalbox"))
    yield made
    made.store.close()


@contextmanager
def bot(house: House) -> Iterator[subprocess.Popen[bytes]]:
    """The bot without chat, in a process of its own that is killed at the end."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SLACK_", "SIGNALBOX_"))}
    environment = kept | {"SIGNALBOX_SETTINGS": str(settings_file(house.settings)), "SIGNALBOX_HOOK_TOKEN": TOKEN}
    process = subprocess.Popen([sys.executable, "-c", BOT], env=environment)
    try:
        until(lambda: lives(house), timeout_s=60, what="the bot")
        yield process
    finally:
        process.kill()
        process.wait(20)


def lives(house: House) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{house.settings.web.port}/healthz", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def configuration(folder: Path, port: int | None) -> dict[str, Any]:
    """What is shipped, in a hurry, with this place's address and token."""
    found: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    found["route"] |= {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1s"}
    hook = found["receivers"][1]["webhook_configs"][0]
    hook["url"] = hook["url"].replace("9464", str(port))
    (folder / "token").write_text(TOKEN)
    hook["http_config"]["authorization"]["credentials_file"] = str(folder / "token")
    return found


def add(house: House, words: str, command: str) -> None:
    triggers.add(house, Requester("terminal:somebody", Role.ADMIN, "terminal", words), words=words, command=command, most=5)


def told_at(house: House) -> str:
    return str(house.store.reading().conn.execute("SELECT max(told_at) AS at FROM hook_calls").fetchone()["at"])


def repeated(house: House, times: int) -> None:
    for _ in range(times):
        before = told_at(house)
        until(lambda before=before: told_at(house) > before, timeout_s=60, what="a repeat")  # type: ignore[misc]


def drained(house: House) -> bool:
    return hosts.get(house.store.reading(), "gpu1").drained


def carried_out(house: House) -> list[str]:
    rows = house.store.reading().conn.execute("SELECT text FROM requests WHERE door = 'trigger' ORDER BY at")
    return [row["text"] for row in rows]


def test_its_action_is_done_once_through_repeats_and_a_killed_bot_and_undone_at_the_end(house: House, tmp_path: Path) -> None:
    add(house, "hook DiskFailing where severity=critical", "host drain {host}")
    add(house, "hook DiskFailing resolved", "host resume {host}")
    labels = {"alertname": "DiskFailing", "host": "gpu1", "severity": "critical", "signalbox": "act"}
    begun = datetime.now(UTC)
    with alertmanager(tmp_path, configuration(tmp_path, house.settings.web.port)) as real:
        with bot(house):
            real.post(labels | {"signalbox": "no", "host": "gpu2"}, begun)
            real.post(labels, begun)
            until(lambda: drained(house), timeout_s=60, what="the host to be drained")
            repeated(house, 2)
        with bot(house):
            repeated(house, 1)
            assert carried_out(house) == ["host drain gpu1"]
            real.post(labels, begun, datetime.now(UTC) - timedelta(seconds=1))
            until(lambda: not drained(house), timeout_s=60, what="the host to be resumed")
    assert carried_out(house) == ["host drain gpu1", "host resume gpu1"]
    assert [row["n"] for row in house.store.reading().conn.execute("SELECT count(*) AS n FROM trigger_firings")] == [2]
