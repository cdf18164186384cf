"""Alerts in a workspace: one message a group, edited as it changes, a new one at the repeat; runs are told in their threads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.alert_deliveries import alert_deliveries
from bot.notifier import notify
from runner.alerts.configuration import AlertSettings
from runner.alerts.engine import EVENT, payload
from runner.alerts.routing import Alert, State, step
from runner.entities import Event, Run
from runner.service import outbox as rows
from runner.service.outbox import NewDelivery
from runner.store import events
from tests.bot.test_outbox import Clock, outbox_of, send_all
from tests.support.slack_house import SlackHouse, slack_house


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SlackHouse]:
    with slack_house(tmp_path) as house:
        yield house


class Spoken:
    """The routing, the notifier and the outbox over the workspace; minutes pass as the test says."""

    def __init__(self, served: SlackHouse, home: str | None = None) -> None:
        self.served = served
        self.home = home or served.lab
        self.now: datetime = served.house.now()
        self.state, self.firing, self.events = State(), dict[str, Alert](), 0

    def fire(self, name: str, run: Run | None = None, **labels: str) -> None:
        of_run = {"run": run.id, "channel": str(run.place.channel), "owner": run.owner} if run else {}
        full = {"alertname": name, "severity": "critical", **of_run, **labels}
        self.firing[f"{name}{full.get('run', '')}{full.get('gpu', '')}"] = Alert(full, self.now, detail=f"{name} & <!channel> so and so.")

    def go_on(self, minutes: float) -> None:
        for _ in range(round(minutes * 12)):
            self.state, told = step(self.state, self.firing.values(), AlertSettings(), self.now)
            with self.served.house.store.writing() as db:
                for each in told:
                    self.events += 1
                    events.record(db, EVENT, at=self.now, payload=payload(each, self.state.log[each.key]))
            self.now += timedelta(seconds=5)
        self.send()

    def send(self) -> None:
        while notify(self.served.house, home_channel=self.home):
            pass
        clock = Clock()
        send_all(outbox_of(self.served, clock), self.served, clock, rounds=400)
        assert rows.owed(self.served.house) == []

    def posts(self, channel: str) -> list[dict[str, Any]]:
        """What stands in the channel itself, without the runs' cards."""
        return [each for each in self.served.posted(channel) if str(each["metadata"]["event_payload"]["id"]).startswith("alert:")]


def test_a_group_is_one_message_that_is_edited_and_a_repeat_is_a_new_one(served: SlackHouse) -> None:
    spoken = Spoken(served)
    spoken.fire("gpu_hot", host="gpu1", gpu="0")
    spoken.go_on(1)
    (first,) = spoken.posts(served.lab)
    assert "*Gpu hot on gpu1*" in first["text"] and "gpu 0: gpu_hot &amp; &lt;!channel&gt; so and so." in first["text"]
    assert "What to do:" in first["text"]
    assert [button["value"].split()[0] for button in first["blocks"][-1]["elements"]] == ["ack", "silence", "silence", "rules"]
    spoken.fire("gpu_hot", host="gpu1", gpu="3")
    spoken.go_on(6)
    (edited,) = spoken.posts(served.lab)
    assert edited["ts"] == first["ts"] and "(2)" in edited["text"] and "gpu 3" in edited["text"]
    spoken.go_on(250)
    again, repeat = sorted(spoken.posts(served.lab), key=lambda message: float(message["ts"]))
    assert again["ts"] == first["ts"] and "gpu 3" in repeat["text"]
    spoken.firing.clear()
    spoken.go_on(6)
    _, over = sorted(spoken.posts(served.lab), key=lambda message: float(message["ts"]))
    assert over["ts"] == repeat["ts"] and over["text"].startswith("✅ *Gpu hot on gpu1*: over")
    assert all(block["type"] != "actions" for block in over["blocks"])


def test_a_message_that_somebody_deleted_is_posted_anew(served: SlackHouse) -> None:
    spoken = Spoken(served)
    spoken.fire("gpu_hot", host="gpu1", gpu="0")
    spoken.go_on(1)
    (first,) = spoken.posts(served.lab)
    served.slack().call("chat.delete", channel=served.lab, ts=first["ts"])
    spoken.fire("gpu_hot", host="gpu1", gpu="3")
    spoken.go_on(6)
    (anew,) = [each for each in served.posted(served.lab) if "gpu 3" in each["text"]]
    assert anew["ts"] != first["ts"]


def test_a_runs_alert_is_also_in_its_thread_and_its_owner_is_mentioned_once(served: SlackHouse) -> None:
    spoken, run = Spoken(served), served.submit()
    spoken.send()
    spoken.fire("stalled", run, host="gpu1")
    spoken.go_on(1)
    spoken.firing.clear()
    spoken.go_on(6)
    everything = str([*served.posted(served.training), *_thread(served, run)])
    assert everything.count(f"<@{run.owner}> *Stalled*") >= 1
    told, over = [each["text"] for each in _thread(served, run) if "talled" in each["text"]]
    assert told.startswith(f"🔴 <@{run.owner}> *Stalled*: ") and over == "✅ Over: stalled."
    (group,) = spoken.posts(served.training)
    assert f"<@{run.owner}>" not in group["text"]


def test_a_storm_of_300_is_one_post_per_group_and_interval(served: SlackHouse) -> None:
    spoken = Spoken(served)
    trainings = [served.submit() for _ in range(300)]
    with served.house.store.writing() as db:  # their cards are not what is counted here
        db.conn.execute("DELETE FROM events")
    for number, run in enumerate(trainings):
        spoken.fire("stalled", run, host="gpu1")
        if number % 50 == 0:
            spoken.go_on(1 / 4)
    spoken.go_on(12)
    (only,) = served.posted(served.training)
    assert "(300)" in only["text"] and "… and 290 more" in only["text"] and len(only["text"]) < 4000
    assert only["text"].count(f"<@{trainings[0].owner}>") <= 1
    assert spoken.events <= 4
    assert served.rows("SELECT count(*) AS owed FROM deliveries")[0]["owed"] == spoken.events


@pytest.mark.parametrize(("receiver", "told"), [("none", False), ("home", True)])
def test_who_is_told_is_what_the_route_says(served: SlackHouse, receiver: str, told: bool) -> None:
    spoken = Spoken(served)
    spoken.fire("gpu_hot", host="gpu1", **({"told": "already"} if receiver == "none" else {}))
    spoken.go_on(1)
    assert bool(spoken.posts(served.lab)) is told


def test_without_a_home_channel_nothing_is_owed(served: SlackHouse) -> None:
    spoken = Spoken(served)
    spoken.home = ""
    spoken.fire("gpu_hot", host="gpu1")
    state, told = step(State(), spoken.firing.values(), AlertSettings(), spoken.now + timedelta(minutes=1))
    event = Event(1, spoken.now, EVENT, None, None, payload(told[0], state.log[told[0].key]))
    assert alert_deliveries(event, home_channel=None) == ()
    (owed,) = alert_deliveries(event, home_channel="C1")
    assert isinstance(owed, NewDelivery) and owed.id.startswith("alert:g-")


def _thread(served: SlackHouse, run: Run) -> list[dict[str, Any]]:
    thread = served.rows("SELECT thread FROM runs WHERE id = ?", run.id)[0]["thread"]
    answer = served.slack().call("conversations.replies", channel=run.place.channel, ts=thread)
    return list(answer.data["messages"])[1:]  # type: ignore[union-attr]
