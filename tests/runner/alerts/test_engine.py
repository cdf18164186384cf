"""The engine over a real database: what is planted becomes an event in time, once, whatever dies in between; and it costs little."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from runner.alerts.configuration import AlertSettings
from runner.alerts.engine import AlertEngine
from runner.alerts.rules import RuleChange
from runner.entities import Evaluation, Event, Place, Progress, Run
from runner.evidence import Resources
from runner.service.alert_rules import change, reset
from runner.service.alerts import ack, rules, silence
from runner.service.house import House
from runner.service.runs import request_stop
from runner.settings import Role
from runner.specs import DatasetRef, TrainSpec
from runner.states import Reason
from runner.store import alerts, attempts, champions, events, hosts, people, progress, runs
from tests.support.scripted_house import ScriptedHouse
from tests.support.words_house import ADA, NANO, NOW, somebody, words_house

SPEC = TrainSpec(preset=NANO, dataset=DatasetRef(name="fish", version=1, fingerprint="f" * 64, format="coco"))


class Night:
    """A house whose clock the test moves; its host speaks and its runs log, unless they are told not to."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.now = NOW
        made = words_house(folder)
        chosen = made.settings.model_copy(update={"alerts": AlertSettings.model_validate(settings)})
        self.house = House(chosen, made.store, made.catalog, now=lambda: self.now)
        self.engine = AlertEngine(self.house)
        self.speaks = True
        self.logging: dict[str, int] = {}

    def train(self) -> Run:
        with self.house.store.writing() as db:
            run = runs.submit(db, SPEC, owner=ADA, place=Place("C0TRAIN01", "1.1"), now=self.now)
            run = runs.transition(db, run, Reason.STAGING, now=self.now, attempt=1, host="gpu1")
            attempt = attempts.begin(db, run, number=1, host="gpu1", root="/r", now=self.now)
            attempts.note_claim(db, attempt, pid=1, process_start="1", boot_id="b", now=self.now)
            run = runs.transition(db, run, Reason.WORKING, now=self.now)
        self.logging[run.id] = 0
        return run

    def go_on(self, seconds: float) -> None:
        for _ in range(round(seconds / 5)):
            self.now += timedelta(seconds=5)
            with self.house.store.writing() as db:
                if self.speaks:
                    hosts.note_seen(db, "gpu1", now=self.now, host_time=self.now)
                for run_id, logged in self.logging.items():
                    self.logging[run_id] += 1
                    point = Progress(1, 10 * logged, 100_000, 1.0, step_s=0.5)
                    reached = progress.LogPosition(logged, grown_at=self.now)
                    progress.keep(db, attempts.get(db, run_id, 1), [point], reached, now=self.now)
            self.engine.look()

    @property
    def told(self) -> list[Event]:
        return [event for event in events.after(self.house.store.reading(), 0, limit=100_000) if event.kind == "alert"]

    def names(self) -> list[tuple[str, str]]:
        return [(event.payload["labels"]["alertname"], event.payload["why"]) for event in self.told]  # type: ignore[index,misc]


@pytest.fixture
def night(tmp_path: Path) -> Iterator[Night]:
    yield Night(tmp_path)


def test_a_stall_is_told_in_time_and_its_end_too(night: Night) -> None:
    run = night.train()
    night.go_on(600)
    assert night.told == []
    del night.logging[run.id]
    night.go_on(300 + 10 + 30)  # the bound, two looks, group_wait
    (event,) = night.told
    (listed,) = event.payload["firing"]  # type: ignore[misc]
    assert listed["labels"]["run"] == run.id and listed["labels"]["alertname"] == "stalled"  # type: ignore[index]
    assert (event.payload["receiver"], event.payload["why"], event.payload["owners"]) == ("run", "new", [ADA])
    night.logging[run.id] = 1000
    night.go_on(310)
    assert night.names() == [("stalled", "new"), ("stalled", "resolved")]
    assert night.told[1].payload["message"] == event.payload["message"] and not night.told[1].payload["fresh"]


def test_a_rule_that_people_change_holds_from_the_next_look_and_until_it_is_reset(night: Night) -> None:
    boss = somebody(role=Role.OPERATOR)
    change(night.house, boss, "stalled", RuleChange.model_validate({"on": False}))
    run = night.train()
    night.go_on(600)
    del night.logging[run.id]
    night.go_on(340)
    assert night.told == []
    reset(night.house, boss, "stalled")
    night.go_on(60 + 10 + 30)  # it has to hold for a minute anew
    assert night.names() == [("stalled", "new")]


def test_what_was_said_of_a_condition_that_is_no_more_stops_no_look(night: Night) -> None:
    with night.house.store.writing() as db:
        alerts.put_rule(db, "mine", RuleChange.model_validate({"when": "gone", "means": "x", "do": "y"}), person=ADA, now=night.now)
    night.go_on(20)
    assert "mine" not in rules(night.house)


def test_a_host_that_is_silent_is_told_and_mutes_its_runs(night: Night) -> None:
    for _ in range(3):
        night.train()
    night.go_on(60)
    night.speaks = False
    night.logging.clear()
    night.go_on(900)
    assert night.names() == [("host_unreachable", "new")]


def test_every_event_comes_once_whatever_dies_in_between(tmp_path: Path) -> None:
    """The runner is started anew before every look: what fires, and what was told, is in the database alone."""
    night = Night(tmp_path, rules={"stalled": {"for": "0s"}})
    run = night.train()
    night.go_on(120)
    del night.logging[run.id]
    for _ in range(120):
        night.go_on(5)
        night.engine = AlertEngine(night.house)
    assert night.names() == [("stalled", "new")]
    assert alerts.state(night.house.store.reading()).firing


def test_a_host_that_was_silent_while_nobody_looked_has_its_two_minutes_after_a_restart(night: Night) -> None:
    night.go_on(60)
    night.speaks = False
    night.now += timedelta(hours=1)
    night.engine = AlertEngine(night.house)
    night.go_on(100)
    night.speaks = True
    night.go_on(600)
    assert night.told == []


def test_silences_acks_and_the_end_of_acks_come_from_the_database(night: Night) -> None:
    run = night.train()
    night.go_on(120)
    made = silence(night.house, somebody(), ["stalled"], lasts=timedelta(hours=1), reason="")
    del night.logging[run.id]
    night.go_on(3000)
    assert night.told == []
    night.now = made.ends_at
    night.go_on(600)
    assert night.names() == [("stalled", "new")]
    ack(night.house, somebody(), [f"run={run.id}"])
    night.go_on(5 * 3600)
    assert night.names() == [("stalled", "new")]
    night.logging[run.id] = 2000
    night.go_on(310)
    assert night.names()[-1] == ("stalled", "resolved")
    assert alerts.acks(night.house.store.reading()) == {}


def test_what_is_known_only_from_the_database_is_found(night: Night) -> None:
    """Resources, heartbeats of the processes, messages owed, events."""
    with night.house.store.writing() as db:
        hosts.note_resources(db, Resources("gpu1", None, 10, 1000))
        people.beat(db, "bot", pid=1, now=NOW - timedelta(minutes=10))
        events.record(db, "rebooted", at=NOW, payload={"host": "gpu1"})
    night.go_on(700)
    firing = {alert.labels["alertname"] for alert in alerts.state(night.house.store.reading()).firing.values()}
    assert firing == {"gpu_lost", "disk_filling", "signalbox_silent", "host_rebooted"}


def test_a_training_that_ends_below_the_champion_is_told(night: Night) -> None:
    best, run = night.train(), night.train()
    night.logging.clear()
    measured(night, best, 0.6)
    with night.house.store.writing() as db:
        champions.crown(db, champions.Champion(NANO.name, "fish", best.id, NOW, ADA, "it is the best"))
    measured(night, run, 0.5)
    night.go_on(60)
    (event,) = night.told
    (listed,) = event.payload["firing"]  # type: ignore[misc]
    assert (listed["labels"]["run"], listed["labels"]["alertname"]) == (run.id, "map_dropped")  # type: ignore[index]
    assert listed["detail"] == f"Its best mAP is 0.500; {best.id}, the champion, had 0.600."  # type: ignore[index]


def measured(night: Night, run: Run, ap: float) -> None:
    """The training ends well, with that mAP."""
    with night.house.store.writing() as db:
        reached = progress.LogPosition(1, grown_at=night.now)
        progress.keep(db, attempts.get(db, run.id, 1), [Evaluation(1, "bbox", ap, ap, ap, None, ap, ap)], reached, now=night.now)
        runs.transition(db, run, Reason.COMPLETED, now=night.now)


def test_the_runner_finds_a_training_that_hangs_on_a_real_host(scripted: ScriptedHouse) -> None:
    """Through the loop, the watch stream of a real sshd, and the host's own clock. The bounds are scaled down."""
    quick = {"stalled": {"with": {"minutes": 0.05, "times": 0.1, "unknown_minutes": 0.05}, "for": "0s"}}
    settings = AlertSettings.model_validate({"rules": quick, "route": {"receiver": "home", "group_wait": "0s"}})
    scripted = replace(scripted, house=replace(scripted.house, settings=scripted.house.settings.model_copy(update={"alerts": settings})))
    run = scripted.submit("step_s=600")
    with scripted.running():
        scripted.wait(run, Reason.WORKING)
        deadline = time.monotonic() + 120
        while not (told := _stalled(scripted.house, run)) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert told
        request_stop(scripted.house, scripted.who(), run.id)
        scripted.wait(run, Reason.BY_USER, timeout_s=60)


def _stalled(house: House, run: Run) -> bool:
    return any(alert.labels["alertname"] == "stalled" and alert.labels["run"] == run.id
               for alert in alerts.state(house.store.reading()).firing.values())
