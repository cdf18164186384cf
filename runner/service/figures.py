"""The figures of /metrics, collected from the database when they are asked for, all of one moment. deploy/README.md lists them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector
from sqlite_utils import Database

from runner.service.health import SILENT_AFTER
from runner.service.house import House
from runner.states import Reason
from runner.store import alerts, figures, hosts
from runner.store.connection import required_time

ENDED = 20
"""Trainings. So many of those that ended last keep figures of their own: more would make series without end."""
WAITS_S = (1.0, 10.0, 60.0, 300.0, 900.0, 3600.0, 4 * 3600.0, 12 * 3600.0, 24 * 3600.0, 72 * 3600.0)
_BY = "by host, device, uuid and owner (of the run that holds it)"
_OF_GPU = ("host", "device", "uuid", "owner")


class Figures(Collector):
    """Prometheus' collector: a scrape is one reading transaction."""

    def __init__(self, house: House) -> None:
        self._house = house

    def collect(self) -> Iterator[Metric]:
        """Every family, also those without a sample."""
        now = self._house.now()
        with self._house.store.snapshot() as db:
            yield from _runs(db)
            yield _waits(db)
            yield from _trainings(db)
            yield from _hosts(db, now)
            yield from _processes(db, now)
            yield from _messages(db, now)
            yield _alerts(db)
            missed = CounterMetricFamily("signalbox_schedules_missed", "Times of schedules that were missed while Signalbox was down.")
            missed.add_metric([], figures.schedules_missed(db))
            yield missed


def _runs(db: Database) -> Iterator[Metric]:
    live = GaugeMetricFamily("signalbox_runs", "Runs that wait or run, by state and reason.", labels=("state", "reason"))
    ended = CounterMetricFamily("signalbox_runs_ended", "Runs that have ended, by state and reason.", labels=("state", "reason"))
    counted = figures.runs_by_reason(db)
    for reason in Reason:
        (ended if reason.state.final else live).add_metric((reason.state.value, reason.value), counted.get(reason.value, 0))
    return iter((live, ended))


def _waits(db: Database) -> Metric:
    family = HistogramMetricFamily(
        "signalbox_queue_wait_seconds", "How long trainings waited from being asked for to their first start, by priority.",
        labels=("priority",),
    )
    for each in figures.waits(db, WAITS_S):
        counts = [*zip(map(str, WAITS_S), each.within, strict=True), ("+Inf", each.count)]
        family.add_metric((str(each.priority),), counts, each.total_s)
    return family


def _trainings(db: Database) -> Iterator[Metric]:
    labels = ("run", "preset", "dataset", "owner", "host")
    which = f"of the trainings that run and the {ENDED} that ended last, by run, preset, dataset, owner and host"
    epoch = GaugeMetricFamily("signalbox_run_epoch", f"The epoch {which}.", labels=labels)
    epoch_s = GaugeMetricFamily("signalbox_run_epoch_seconds", f"How long the iterations of an epoch take, {which}.", labels=labels)
    ap = GaugeMetricFamily("signalbox_run_map", f"The newest mAP (0 to 1) {which}.", labels=labels)
    for each in figures.trainings(db, ended=ENDED):
        values = (each.run_id, each.preset, each.dataset, each.owner, each.host)
        for family, value in ((epoch, each.epoch), (epoch_s, each.epoch_s), (ap, each.ap)):
            if value is not None:
                family.add_metric(values, value)
    return iter((epoch, epoch_s, ap))


def _hosts(db: Database, now: datetime) -> Iterator[Metric]:
    up = GaugeMetricFamily("signalbox_host_up", "Whether a host was heard within 30 s, by host.", labels=("host",))
    errors = CounterMetricFamily("signalbox_ssh_errors", "How often a host was lost or could not be reached, by host.", labels=("host",))
    use = GaugeMetricFamily("signalbox_gpu_utilization_ratio", f"How busy a GPU is, {_BY}.", labels=_OF_GPU)
    used = GaugeMetricFamily("signalbox_gpu_memory_used_bytes", f"Memory of a GPU that somebody uses, {_BY}.", labels=_OF_GPU)
    size = GaugeMetricFamily("signalbox_gpu_memory_size_bytes", f"Memory that a GPU has, {_BY}.", labels=_OF_GPU)
    celsius = GaugeMetricFamily("signalbox_gpu_temperature_celsius", f"Temperature of a GPU, {_BY}.", labels=_OF_GPU)
    owners, failures = figures.holders(db), figures.failures(db)
    for host in hosts.all_hosts(db):
        name, said = host.name, hosts.resources(db, host.name)
        heard = host.seen_at is not None and not host.trouble and now - host.seen_at <= SILENT_AFTER
        up.add_metric((name,), heard)
        errors.add_metric((name,), failures[name])
        devices: Any = (said.get("devices") or []) if heard else []
        for each in devices:  # what a host said long ago is no figure of now
            values = (name, str(each["index"]), each["uuid"], owners.get((name, each["uuid"]), ""))
            _add(use, values, each.get("utilization_percent"), 0.01)
            _add(used, values, each["used_mib"], 2**20)
            _add(size, values, each["memory_mib"], 2**20)
            _add(celsius, values, each.get("temperature_c"), 1)
    return iter((up, errors, use, used, size, celsius))


def _add(family: GaugeMetricFamily, values: tuple[str, ...], value: float | None, unit: float) -> None:
    if value is not None:
        family.add_metric(values, value * unit)


def _processes(db: Database, now: datetime) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "signalbox_heartbeat_age_seconds", "How long ago runner, bot and the socket to Slack were heard, by process.", labels=("process",)
    )
    passes = SummaryMetricFamily("signalbox_runner_pass_seconds", "How long the passes of the runner take, since it began.")
    for process, at, count, total_s in figures.heartbeats(db):
        age.add_metric((process,), (now - required_time(at)).total_seconds())
        if process == "runner":
            passes.add_metric((), count, total_s)
    return iter((age, passes))


def _messages(db: Database, now: datetime) -> Iterator[Metric]:
    count, oldest = figures.messages(db)
    age_s = (now - required_time(oldest)).total_seconds() if oldest else 0.0
    yield GaugeMetricFamily("signalbox_outbox_messages", "Messages that are still to be sent to Slack.", value=count)
    yield GaugeMetricFamily("signalbox_outbox_oldest_age_seconds", "How long the oldest of them has waited.", value=age_s)


def _alerts(db: Database) -> Metric:
    family = GaugeMetricFamily("signalbox_alerts_firing", "Alerts that fire, by rule and severity.", labels=("alertname", "severity"))
    firing: dict[tuple[str, str], int] = {}
    for alert in alerts.state(db).firing.values():
        key = (alert.labels.get("alertname", ""), alert.labels.get("severity", ""))
        firing[key] = firing.get(key, 0) + 1
    for labels, count in firing.items():
        family.add_metric(labels, count)
    return family
