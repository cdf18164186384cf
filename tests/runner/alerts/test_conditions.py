"""Conditions of hosts, devices, the queue and the house: found where they hold, not found where they nearly do."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from runner.alerts.conditions import CONDITIONS
from runner.alerts.evaluation import BROKEN, Known, look
from runner.alerts.rules import Rule, built_in
from runner.alerts.scene import Finding, Happened, HostSeen, RunSeen, Scene
from runner.evidence import Programs
from runner.specs import Kind
from runner.states import Reason
from tests.runner.alerts.film import GPU, NOON, RULES

GPU1 = HostSeen("gpu1", NOON, NOON, devices=(GPU,), disk_total_bytes=1000 * 2**30, disk_free=((NOON, 500 * 2**30),))
MINUTE = timedelta(minutes=1)
WORKING = RunSeen("r-1", Kind.TRAIN, Reason.WORKING.state, Reason.WORKING, NOON, NOON, host="gpu1", claimed_at=NOON, devices=("GPU-0",))

FAILED = replace(WORKING, reason=Reason.OUT_OF_MEMORY, state=Reason.OUT_OF_MEMORY.state, ended_at=NOON)


def waiting(*, minutes: float = 30, devices: int = 1, host: str | None = None) -> RunSeen:
    reason, since = Reason.WAITING_FOR_GPU, NOON - minutes * MINUTE
    return RunSeen("r-2", Kind.TRAIN, reason.state, reason, since, since, wanted_devices=devices, wanted_host=host, detail="None is free.")


def found(rule_name: str, scene: Scene) -> list[Finding]:
    rule = next(rule for rule in RULES if rule.name == rule_name)
    return list(CONDITIONS[rule.when].find(scene, **rule.with_))


def on(host: HostSeen = GPU1, *runs: RunSeen, now: datetime = NOON, **more: object) -> Scene:
    return Scene(now, runs, {host.name: host}, **more)  # type: ignore[arg-type]


def with_gpu(**changes: object) -> HostSeen:
    return replace(GPU1, devices=(replace(GPU, **changes),))  # type: ignore[arg-type]


def programs(user: str, *, attempt: str = "") -> tuple[Programs, ...]:
    return (Programs(user, attempt, 4096),)


def disk(*samples: tuple[float, float]) -> HostSeen:
    return replace(GPU1, disk_free=tuple((NOON + minutes * MINUTE, round(gib * 2**30)) for minutes, gib in samples))


def test_nothing_is_found_of_a_healthy_house() -> None:
    healthy = on(GPU1, WORKING, beats={"bot": NOON, "socket": NOON}, state_free_bytes=50 * 2**30)
    assert {rule.name: found(rule.name, healthy) for rule in RULES if found(rule.name, healthy)} == {}


def event(kind: str, hours_ago: float = 0, run_id: str | None = None, **payload: object) -> dict[str, tuple[Happened, ...]]:
    return {"happened": (Happened(kind, NOON - timedelta(hours=hours_ago), run_id, payload),)}


MOVED_IN = event("moved_in", 1, "r-1", host="gpu1", user="eve", device=0)
THERE = [
    ("host_unreachable", on(GPU1, now=NOON + MINUTE), "60 s ago"), ("host_unreachable", on(replace(GPU1, trouble="no route")), "no route"),
    ("host_rebooted", on(**event("rebooted", host="gpu1")), "started anew"),
    ("gpu_lost", on(with_gpu(broken="it is lost: the driver reaches it no more")), "lost"),
    ("gpu_lost", on(replace(GPU1, devices=None)), "nvidia-smi does not answer"),
    ("gpu_broken", on(with_gpu(broken="Xid 79: GPU has fallen off")), "Xid 79"),
    ("gpu_broken", on(with_gpu(broken="3 uncorrectable memory errors since the driver was loaded; it has to be reset")), "3 uncorr"),
    ("gpu_hot", on(with_gpu(temperature_c=91)), "91 °C"),
    ("foreign_program", on(with_gpu(processes=programs("eve")), WORKING, **MOVED_IN), "eve is on GPU 0 of gpu1, and holds 4.0 GiB"),
    ("idle_gpu", on(GPU1, waiting()), "1 GPU free, and r-2 waits: None is free."),
    ("disk_filling", on(disk((0, 20))), "20.0 GiB are free (2 %)"),
    ("disk_filling", on(disk((0, 300), (30, 250))), "full in about 2.5 h"),
    ("queue_wait", on(GPU1, waiting(minutes=25 * 60)), "waiting for 25.0 h"),
    ("time_limit_near", on(GPU1, replace(WORKING, limit_s=3600.0), now=NOON + 50 * MINUTE), "80 % of its time limit of 60 min"),
    ("run_failed", on(GPU1, FAILED), "out of memory"),
    ("schedule_missed", on(**event("schedule_missed", schedule="s-1", command="run x", due_at="02:30")), "run x, due 02:30"),
    ("outbox_stuck", on(owed_since=NOON - 6 * MINUTE), "6 min"), ("signalbox_silent", on(beats={"bot": NOON - 2 * MINUTE}), "2 min ago"),
    ("signalbox_disk", on(state_free_bytes=2**29), "0.5 GiB"),
]
NOT_THERE = [
    ("host_unreachable", on(replace(GPU1, seen_at=None))), ("host_rebooted", on(**event("rebooted", 2, host="gpu1"))),
    ("host_rebooted", on(**event("rebooted", host="gone"))), ("gpu_broken", on(with_gpu(broken="it is divided by MIG; only whole"))),
    ("gpu_lost", on(with_gpu(broken="it has to be reset"))), ("gpu_hot", on(with_gpu(temperature_c=None))),
    ("gpu_hot", on(with_gpu(temperature_c=99), now=NOON + MINUTE)),
    ("foreign_program", on(with_gpu(processes=programs("eve", attempt="r-9/1")), WORKING, **MOVED_IN)),
    ("foreign_program", on(GPU1, WORKING, **MOVED_IN)), ("foreign_program", on(with_gpu(processes=programs("eve")), WORKING)),
    ("foreign_program", on(with_gpu(processes=programs("eve")), replace(WORKING, devices=()), **MOVED_IN)),
    ("idle_gpu", on(GPU1, WORKING, waiting())), ("idle_gpu", on(GPU1, waiting(devices=2))), ("idle_gpu", on(GPU1, waiting(host="gpu2"))),
    ("idle_gpu", on(replace(GPU1, drained=True), waiting())), ("idle_gpu", on(replace(GPU1, locked=frozenset({"GPU-0"})), waiting())),
    ("idle_gpu", on(with_gpu(processes=programs("eve")), waiting())), ("idle_gpu", on(with_gpu(broken="Xid 79"), waiting())),
    ("disk_filling", on(disk((0, 300), (5, 250)))), ("disk_filling", on(disk((0, 300), (30, 299)))),
    ("disk_filling", on(disk((0, 250), (30, 300)))), ("queue_wait", on(GPU1, waiting(minutes=23 * 60))),
    ("time_limit_near", on(GPU1, replace(WORKING, limit_s=3600.0), now=NOON + 40 * MINUTE)),
    ("run_failed", on(GPU1, replace(FAILED, followed=True))), ("run_failed", on(GPU1, FAILED, now=NOON + timedelta(hours=13))),
    ("schedule_missed", on(**event("schedule_missed", 7, schedule="s-1"))), ("outbox_stuck", on(owed_since=NOON - MINUTE)),
    ("signalbox_silent", on(beats={"bot": NOON})), ("signalbox_disk", on(state_free_bytes=2**31)),
]


@pytest.mark.parametrize(("name", "scene", "words"), THERE)
def test_what_is_there_is_found(name: str, scene: Scene, words: str) -> None:
    (finding,) = found(name, scene)
    assert words in finding.detail


@pytest.mark.parametrize(("name", "scene"), NOT_THERE)
def test_what_is_not_there_is_not_found(name: str, scene: Scene) -> None:
    assert found(name, scene) == []


def test_every_built_in_rule_is_tried_here_or_on_a_film() -> None:
    on_film = {"loss_not_finite", "loss_diverges", "stalled", "hanging", "no_iterations", "slow", "map_dropped", "overfitting"}
    assert {name for name, *_ in THERE} | on_film == set(built_in())
    assert {name for name, _ in NOT_THERE} | on_film == set(built_in())


def test_a_rule_that_breaks_stops_no_other_keeps_what_it_had_and_is_told() -> None:
    hot = on(with_gpu(temperature_c=91, index=0))
    rules = [rule.model_copy(update={"for_": timedelta()}) for rule in RULES]
    known = look(rules, hot, Known(NOON))
    assert {each.labels["alertname"] for each in known.firing.values()} == {"gpu_hot"}
    broken = on(with_gpu(temperature_c="warm"), owed_since=NOON - 6 * MINUTE)
    known = look(rules, broken, known)
    assert {each.labels["alertname"] for each in known.firing.values()} == {"gpu_hot", "outbox_stuck", BROKEN}
    told = next(each for each in known.firing.values() if each.labels["alertname"] == BROKEN)
    assert told.labels["rule"] == "gpu_hot" and "TypeError" in told.detail


def test_what_holds_is_an_alert_only_after_its_for_and_not_after_a_pause_of_the_runner() -> None:
    (rule,) = [Rule(name="hot", when="hot", means="", do="", with_={"celsius": 80}, for_=5 * MINUTE)]
    hot = with_gpu(temperature_c=91)

    def at(minutes: float, known: Known) -> Known:
        now = NOON + minutes * MINUTE
        return look([rule], on(replace(hot, seen_at=now), now=now), known)

    known = Known(NOON)
    for half_minutes in range(10):
        known = at(half_minutes / 2, known)
        assert known.firing == {}
    assert at(5, known).firing
    assert at(60, known).firing == {}  # nobody looked meanwhile


