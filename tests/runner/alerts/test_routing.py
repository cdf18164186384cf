"""Who is told what when, by example; what survives a restart; and a storm."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from pydantic import TypeAdapter

from runner.alerts.configuration import AlertSettings
from runner.alerts.matching import matcher
from runner.alerts.routing import Alert, Notification, Quiet, Silence, State, rerouted, step
from tests.runner.alerts.streams import Clock, configuration, stream

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
STATE: TypeAdapter[State] = TypeAdapter(State)


class Told:
    """Our routing, looked at every five seconds as the runner does; minutes after noon of what was told, and why."""

    def __init__(self, settings: AlertSettings = AlertSettings()) -> None:
        self.settings = settings
        self.state = State()
        self.now = NOON
        self.firing: dict[str, Alert] = {}
        self.quiet = Quiet()
        self.notes: list[tuple[float, Notification]] = []

    def fire(self, name: str, **labels: str) -> Alert:
        alert = self.firing[name] = Alert({"alertname": name.split("/", maxsplit=1)[0], **labels}, self.now)
        return alert

    def go_on(self, minutes: float) -> list[tuple[float, str, int, int]]:
        """(minutes after noon, why, how many fire, how many ended) of what is told in the next minutes."""
        before = len(self.notes)
        for _ in range(round(minutes * 12)):
            self.state, told = step(self.state, self.firing.values(), self.settings, self.now, self.quiet)
            self.notes += [((self.now - NOON).total_seconds() / 60, each) for each in told]
            self.now += timedelta(seconds=5)
        return [(at, each.why.value, len(each.firing), len(each.resolved)) for at, each in self.notes[before:]]


def test_a_group_is_told_once_changed_ended_and_repeated() -> None:
    told = Told()
    told.fire("slow", host="gpu1")
    assert told.go_on(5) == [(0.5, "new", 1, 0)]
    told.fire("slow/2", host="gpu1", gpu="2")
    assert told.go_on(240) == [(5.5, "changed", 2, 0)]
    assert [each[:2] for each in told.go_on(10)] == [(pytest.approx(250.5, abs=6), "repeat")]
    del told.firing["slow"]
    assert [each[1:] for each in told.go_on(6)] == [("changed", 1, 1)]
    del told.firing["slow/2"]
    assert [each[1:] for each in told.go_on(6)] == [("resolved", 0, 1)]
    assert told.go_on(600) == []
    told.fire("slow", host="gpu1")
    assert [each[1] for each in told.go_on(6)] == ["new"]


def test_what_ends_before_it_was_told_is_never_told() -> None:
    told = Told()
    told.fire("slow", host="gpu1")
    told.go_on(0.25)
    told.firing.clear()
    assert told.go_on(20) == []


def test_an_alert_that_has_waited_elsewhere_waits_no_more() -> None:
    told = Told()
    told.firing["slow"] = Alert({"alertname": "slow"}, NOON - timedelta(minutes=10))
    assert told.go_on(1)[0][:2] == (0.0, "new")


def test_a_host_that_is_down_mutes_its_runs_and_no_others() -> None:
    told = Told()
    told.fire("host_unreachable", host="gpu1")
    told.fire("stalled/1", host="gpu1", run="r-1", channel="C1")
    told.fire("stalled/2", host="gpu2", run="r-2", channel="C1")
    told.go_on(20)
    assert sorted((each.group_labels["alertname"], each.group_labels["host"], each.receiver) for _, each in told.notes) == [
        ("host_unreachable", "gpu1", "home"), ("stalled", "gpu2", "run"),
    ]
    del told.firing["host_unreachable"]
    assert [each[1:3] for each in told.go_on(10)] == [("resolved", 0), ("new", 1)]


def test_a_silence_holds_until_its_end() -> None:
    told = Told()
    told.fire("slow", host="gpu1")
    silence = Silence("z-1", (matcher("host=gpu1"),), NOON, NOON + timedelta(minutes=20), "U1", "")
    told.quiet = Quiet((silence,))
    assert told.go_on(20) == []
    assert [each[1] for each in told.go_on(6)] == ["new"]


def test_what_was_acknowledged_is_not_repeated_but_its_end_is_told() -> None:
    told = Told()
    alert = told.fire("slow", host="gpu1")
    told.go_on(5)
    told.quiet = Quiet(acked=frozenset({alert.id}))
    assert told.go_on(24 * 60) == []
    other = told.fire("slow/2", host="gpu1", gpu="1")
    assert [each[1] for each in told.go_on(6)] == ["changed"]
    assert [each[1] for each in told.go_on(250)] == ["repeat"]  # one of them nobody knows of
    told.quiet = Quiet(acked=frozenset({alert.id, other.id}))
    told.firing.clear()
    assert [each[1] for each in told.go_on(6)] == ["resolved"]


def test_a_route_is_quiet_in_its_hours() -> None:
    nights = {"name": "nights", "time_intervals": [{"times": [{"start_time": "12:00", "end_time": "13:00"}]}]}
    quiet = AlertSettings.model_validate({
        "route": {"receiver": "home", "routes": [{"matchers": ["severity!=critical"], "mute_time_intervals": ["nights"]}]},
        "time_intervals": [nights],
    })
    told = Told(quiet)
    told.fire("slow", severity="info")
    assert told.go_on(60) == []
    assert [each[1] for each in told.go_on(6)] == ["new"]
    urgent = Told(quiet)
    urgent.fire("stalled", severity="critical")
    assert [each[1] for each in urgent.go_on(1)] == ["new"]


def test_with_continue_two_routes_take_an_alert() -> None:
    both = {"receiver": "home", "routes": [{"matchers": ["host=gpu1"], "receiver": "C1", "continue": True}, {"receiver": "C2"}]}
    told = Told(AlertSettings.model_validate({"route": both}))
    told.fire("slow", host="gpu1")
    told.go_on(1)
    assert [each.receiver for _, each in told.notes] == ["C1", "C2"]


def test_a_storm_of_300_is_one_message_per_group_and_interval() -> None:
    told = Told()
    draw = random.Random(7)
    for second in range(0, 20 * 60, 5):  # they come and go for twenty minutes
        for number in draw.sample(range(300), 60):
            name = f"stalled/{number}"
            if name in told.firing:
                del told.firing[name]
            else:
                told.fire(name, host="gpu1", run=f"r-{number}", channel="C1")
        told.go_on(1 / 12)
        assert second < 5 or told.state.firing
    groups = Counter(each.key for _, each in told.notes)
    assert len(groups) == 1 and sum(groups.values()) <= 1 + 20 / 5
    times = [at for at, _ in told.notes]
    assert all(later - earlier >= 5 for earlier, later in pairwise(times))
    assert [each.fresh for _, each in told.notes] == [True] + [False] * (len(times) - 1)  # one message, edited


@pytest.mark.parametrize("seed", range(8))
def test_a_restart_between_any_two_looks_changes_nothing(seed: int) -> None:
    """The state as the database keeps it is all that there is."""
    draw = random.Random(seed)
    settings = AlertSettings.model_validate(configuration(draw, 1, NOON)[0])
    acts = stream(draw, 0, settings, lasts_s=40, start=NOON)
    straight, restarted = Clock(settings, NOON), Clock(settings, NOON)
    for act in acts:
        straight.take(act)
        restarted.state = STATE.validate_json(STATE.dump_json(restarted.state))
        restarted.take(act)
    assert restarted.told == straight.told
    assert restarted.state == straight.state
    assert straight.told or seed == 3


def test_routes_that_go_and_come_lose_nothing() -> None:
    told = Told()
    told.fire("slow", host="gpu1")
    told.go_on(5)
    told.settings = AlertSettings.model_validate({"route": {"receiver": "C9", "group_by": ["host"]}})
    told.state = rerouted(told.state, told.settings, told.now)
    assert [(each[1], told.notes[-1][1].receiver) for each in told.go_on(5)] == [("new", "C9")]
