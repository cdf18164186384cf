"""/metrics: the figures are those of the rows. (What Prometheus says of them: tests/test_monitoring.py.)"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from runner.evidence import DeviceUse, Resources
from runner.pulse import Pulse
from runner.service.figures import ENDED, Figures
from runner.service.house import House
from runner.states import Reason
from runner.store import events, hosts, people, runs
from tests.support.words_house import ADA, BEN, NOW, at_work, ended, training, words_house


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = words_house(tmp_path)
    yield made
    made.store.close()


def registry(house: House) -> CollectorRegistry:
    made = CollectorRegistry()
    made.register(Figures(house))
    return made


def figure(house: House, name: str, **labels: str) -> float | None:
    return registry(house).get_sample_value(name, labels)


def series(house: House, name: str) -> list[dict[str, str]]:
    return [sample.labels for family in registry(house).collect() for sample in family.samples if sample.name == name]


def of_gpu(house: House, name: str) -> dict[tuple[str, str], float]:
    found = (sample for family in registry(house).collect() for sample in family.samples if sample.name == name)
    return {(each.labels["device"], each.labels["owner"]): each.value for each in found}


def test_runs_are_counted_by_reason_and_those_that_ended_only_grow(house: House) -> None:
    training(house)
    ended(house, at_work(house, training(house)), Reason.OUT_OF_MEMORY)
    assert figure(house, "signalbox_runs", state="PENDING", reason="SUBMITTED") == 1
    assert figure(house, "signalbox_runs", state="RUNNING", reason="WORKING") == 0
    assert figure(house, "signalbox_runs_ended_total", state="FAILED", reason="OUT_OF_MEMORY") == 1
    assert figure(house, "signalbox_runs_ended_total", state="SUCCEEDED", reason="COMPLETED") == 0


def test_the_wait_is_from_the_request_to_the_first_start(house: House) -> None:
    at_work(house, training(house))  # asked for an hour ago, begun 41 minutes ago
    training(house)
    assert figure(house, "signalbox_queue_wait_seconds_count", priority="0") == 1
    assert figure(house, "signalbox_queue_wait_seconds_sum", priority="0") == pytest.approx(19 * 60, abs=1)
    assert figure(house, "signalbox_queue_wait_seconds_bucket", priority="0", le="900.0") == 0
    assert figure(house, "signalbox_queue_wait_seconds_bucket", priority="0", le="3600.0") == 1


def test_a_training_shows_its_epoch_and_map_while_it_runs_and_among_the_last_that_ended(house: House) -> None:
    run = at_work(house, training(house, owner=BEN))
    labels = {"run": run.id, "preset": "rtmdet-nano", "dataset": "fish", "owner": BEN, "host": "gpu1"}
    with house.store.writing() as db:
        db.conn.execute("UPDATE progress SET step_s = 0.5")
    assert figure(house, "signalbox_run_epoch", **labels) == 7
    assert figure(house, "signalbox_run_epoch_seconds", **labels) == 30
    assert figure(house, "signalbox_run_map", **labels) == 0.7
    training(house)
    with house.store.writing() as db:
        hosts.release(db, run.id)
        runs.transition(db, run, Reason.COMPLETED, now=NOW)
    for number in range(ENDED):
        last = ended(house, at_work(house, training(house)), Reason.COMPLETED)
        with house.store.writing() as db:
            db.conn.execute("UPDATE runs SET ended_at = '2026-11-22' || ? WHERE id = ?", (f"T{number:02}", last.id))
    shown = [each["run"] for each in series(house, "signalbox_run_map")]
    assert len(shown) == ENDED and run.id not in shown


def test_gpus_are_shown_with_whose_run_holds_them_while_their_host_is_heard(house: House) -> None:
    devices = tuple(DeviceUse(f"GPU-{index}", index, "A100", 1000, 250, 97 - index, 60) for index in range(2))
    run = training(house)
    with house.store.writing() as db:
        hosts.note_resources(db, Resources("gpu1", devices), now=NOW)
        hosts.lease(db, run, "gpu1", ["GPU-1"], now=NOW)
    assert of_gpu(house, "signalbox_gpu_utilization_ratio") == {("0", ""): 0.97, ("1", ADA): 0.96}
    assert of_gpu(house, "signalbox_gpu_memory_used_bytes")[("0", "")] == 250 * 2**20
    assert figure(house, "signalbox_host_up", host="gpu1") == 1
    with house.store.writing() as db:
        hosts.note_trouble(db, "gpu1", "no route")
        hosts.note_trouble(db, "gpu1", "no route")
    assert of_gpu(house, "signalbox_gpu_utilization_ratio") == {}
    assert figure(house, "signalbox_host_up", host="gpu1") == 0
    assert figure(house, "signalbox_ssh_errors_total", host="gpu1") == 2


def test_the_house_tells_of_itself(house: House) -> None:
    with house.store.writing() as db:
        people.beat(db, "runner", pid=1, now=NOW - timedelta(seconds=7), passes=20, passes_s=0.5)
        people.beat(db, "bot", pid=1, now=NOW)
        events.record(db, "schedule_missed", at=NOW, payload={"count": 3})
        db.conn.execute(
            "INSERT INTO deliveries (id, seq, channel, kind, body, state, created_at)"
            " VALUES ('a', 1, 'C1', 'text', '{}', 'owed', '2026-11-21T13:31:00.000000Z')"
        )
    assert figure(house, "signalbox_heartbeat_age_seconds", process="runner") == 7
    assert figure(house, "signalbox_runner_pass_seconds_count") == 20
    assert figure(house, "signalbox_runner_pass_seconds_sum") == 0.5
    assert figure(house, "signalbox_schedules_missed_total") == 3
    assert figure(house, "signalbox_outbox_messages") == 1
    assert figure(house, "signalbox_outbox_oldest_age_seconds") == 60


def test_the_runner_counts_its_passes(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    pulse = Pulse(house)
    for _ in range(3):
        with pulse.timed():
            pass
    pulse.beat()
    with pulse.timed():
        pulse.beat()  # within five seconds: written with the next
    assert figure(house, "signalbox_runner_pass_seconds_count") == 3
    assert 0 < (figure(house, "signalbox_runner_pass_seconds_sum") or 0) < 1
