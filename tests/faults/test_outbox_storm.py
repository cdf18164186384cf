"""Five hundred messages through all that can happen between us and Slack: each in its channel once, in order, one a second at most.

Time runs 120 times as fast, for the workspace and for the process that delivers alike: a ten-minute outage lasts five seconds.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import islice, pairwise
from pathlib import Path

import pytest

from runner.service import outbox
from runner.service.outbox import NewDelivery
from tests.support.bad_line import BadLine, bad_line
from tests.support.slack_house import SlackHouse, delivery_ids, slack_house, until

SCALE = 120.0
MESSAGES, KILLS = 500, 3
POINTS = ("bot.after_events_read", "bot.after_deliveries_owed", "bot.after_marked_sending", "bot.after_sent", "bot.after_file_uploaded")
FAULTS = {"429": 10, "500 before": 10, "500 after": 10, "answer lost": 12, "request lost": 12, "late": 4}
_PROGRAM = f"""
import os, signal, threading, time
from dataclasses import replace
from datetime import UTC, datetime
from bot import delivering
from bot.calls import Slack, web_client
from bot.delivering import deliver
from bot.settings import SlackSettings, tokens
from runner.service.house import open_house
from runner.settings import load_settings

began, stop = float(os.environ["STORM_BEGAN"]), threading.Event()
scaled = lambda: began + (time.time() - began) * {SCALE}
signal.signal(signal.SIGTERM, lambda *_: stop.set())
delivering.WAKE_S /= 10
house = replace(open_house(load_settings()), now=lambda: datetime.fromtimestamp(scaled(), UTC))
settings = SlackSettings(call_timeout_s=1)
deliver(house, Slack(web_client(tokens(), settings)), settings, stop, clock=scaled)
"""


def start(served: SlackHouse, line: BadLine, began: float, *, crash_at: str = "") -> subprocess.Popen[bytes]:
    storm = {"SLACK_API_URL": line.api_url, "STORM_BEGAN": repr(began), "SIGNALBOX_CRASH_AT": crash_at}
    return subprocess.Popen([sys.executable, "-c", _PROGRAM], env={**os.environ, **served.environment, **storm})


def faults(chance: random.Random) -> list[str]:
    """What happens to each of the calls, one after the other; mostly nothing."""
    found = [fault for fault, times in FAULTS.items() for _ in range(times)]
    found += [""] * (MESSAGES - len(found))
    chance.shuffle(found)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_message_stands_once_in_order_and_in_time(tmp_path: Path) -> None:
    began, chance = time.time(), random.Random(7)

    def scaled() -> float:
        return began + (time.time() - began) * SCALE

    with slack_house(tmp_path, now=scaled) as served, bad_line(served.workspace.api_url, "chat.postMessage", *faults(chance)) as line:
        line.patience_s = 1.2
        channels, numbers = (served.training, served.lab), iter(range(MESSAGES))

        def owe_more() -> None:
            for number in islice(numbers, MESSAGES // (len(POINTS) + KILLS + 1) + 1):
                outbox.add(served.house, NewDelivery(f"m{number}", channels[number % 2], "text", {"text": f"message {number}"}))

        for point in POINTS:
            owe_more()
            served.predicted(a_json=b"{}")
            assert start(served, line, began, crash_at=point).wait(120) == -signal.SIGKILL
        for _ in range(KILLS):
            owe_more()
            killed = start(served, line, began)
            before = line.calls["chat.postMessage"]
            until(lambda before=before: line.calls["chat.postMessage"] > before + 5, timeout_s=60)  # type: ignore[misc]
            killed.kill()
            killed.wait(10)
        owe_more()
        last = start(served, line, began)
        before = line.calls["chat.postMessage"]
        until(lambda: line.calls["chat.postMessage"] > before + 5, timeout_s=60)
        line.down = True
        time.sleep(600 / SCALE)
        line.down = False
        until(lambda: not outbox.owed(served.house), timeout_s=300, what="every message to be settled")
        last.terminate()
        assert last.wait(30) == 0
        assert not any(line.faults), "not every fault was met"
        judge(served, channels)


def judge(served: SlackHouse, channels: tuple[str, str]) -> None:
    assert Counter(row["state"] for row in served.rows("SELECT state FROM deliveries")).keys() == {"sent"}
    for place, channel in enumerate(channels):
        shown = [m for m in served.person().messages(channel, limit=1000) if m.get("bot_id")]
        replies = [reply for m in shown if m.get("reply_count") for reply in served.person().thread(channel, m["ts"])[1:]]
        ids = delivery_ids(shown)
        assert [each for each in ids if each.startswith("m")] == [f"m{number}" for number in range(place, MESSAGES, 2)]
        assert set(Counter(each for each in delivery_ids([*shown, *replies]) if each != "None").values()) == {1}
        times = sorted(float(m["ts"]) for m in [*shown, *replies])
        assert min(later - earlier for earlier, later in pairwise(times)) >= 1.0, "more than one message a second"
        shared = [file["name"] for m in [*shown, *replies] for file in m.get("files", ())]
        assert len(set(shared)) == len(shared) == (len(POINTS) if place == 0 else 0)
