"""The same streams into Signalbox and into the real Alertmanager: same groups, notifications, inhibitions, silences, repeats, resolves."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.alerts.configuration import AlertSettings
from runner.alerts.matching import matcher
from tests.runner.alerts.streams import Act, Clock, configuration, stream
from tests.support.alertmanager import PROGRAM, Alertmanager, Notice, alertmanager

STREAMS = 40
LASTS_S = 38.0
ROUND_TRIP = timedelta(seconds=0.08)
"""So near to a look at a group nobody can say which of the two came first: such a stream is not compared. On a busy machine, nearer
than twice what the slowest call took."""

pytestmark = [pytest.mark.slow, pytest.mark.skipif(PROGRAM is None, reason="prometheus-alertmanager is not installed")]


def test_the_real_alertmanager_tells_the_same(tmp_path: Path) -> None:
    seed = random.randrange(10**6)
    draw = random.Random(seed)
    now = datetime.now(UTC)
    written, receivers = configuration(draw, STREAMS, now)
    settings = AlertSettings.model_validate(written)
    plans = [stream(draw, number, settings, lasts_s=LASTS_S - 4, start=now) for number in range(STREAMS)]
    with alertmanager(tmp_path, written, receivers) as real:
        start = datetime.now(UTC)
        play(real, [act for plan in plans for act in plan], start)
        time.sleep(max(0.0, (start + timedelta(seconds=LASTS_S) - datetime.now(UTC)).total_seconds()))
        notices = list(real.notices)

    end = start + timedelta(seconds=LASTS_S - 0.5)
    margin = max(ROUND_TRIP, 2 * max(act.done - act.begun for plan in plans for act in plan))
    compared, seen = 0, Counter[str]()
    for number, plan in enumerate(plans):
        clock = Clock(settings, real.started_at)
        for act in plan:
            clock.take(act)
        clock.run_until(end)
        if any(abs(at - look) < margin for act in plan for at in act.moments for look in clock.looks):
            continue
        theirs = [notice for notice in notices if notice.receiver.startswith(f"s{number}-") and notice.at < end]
        compare(clock, theirs, f"seed {seed}, stream {number}")
        compared += 1
        seen.update(told.why for _, told in clock.told)
    if compared < STREAMS / 4:
        pytest.skip(f"this machine was too busy: a call took {margin / 2}, and only {compared} of {STREAMS} streams could be compared")
    assert min(seen[why] for why in ("new", "changed", "resolved", "repeat")) >= 5, seen
    print(f"{compared} streams, {sum(seen.values())} notifications: {dict(seen)}")


def play(real: Alertmanager, acts: list[Act], start: datetime) -> None:
    silences: dict[str, str] = {}
    begun: dict[str, datetime] = {}
    for act in sorted(acts, key=lambda act: act.after):
        time.sleep(max(0.0, (start + act.after - datetime.now(UTC)).total_seconds()))
        act.begun = datetime.now(UTC)
        key = f"{act.labels.get('stream')}:{act.name}"
        match act.kind:
            case "fire":
                begun[key] = act.begun
                real.post(act.labels, act.begun)
            case "resolve":
                real.post(act.labels, begun[key], act.begun)
            case "silence":
                wanted = [matcher(f'stream="{act.labels["stream"]}"'), *map(matcher, act.matchers)]
                silences[act.name] = real.silence([
                    {"name": each.name, "value": each.value, "isRegex": "~" in each.operator, "isEqual": not each.operator.startswith("!")}
                    for each in wanted
                ], act.begun, act.begun + act.lasts)
            case "expire" if act.name in silences:
                real.expire(silences[act.name])
        act.done = datetime.now(UTC)


def compare(clock: Clock, theirs: list[Notice], where: str) -> None:
    def key(receiver: str, group: dict[str, str]) -> tuple[str, tuple[tuple[str, str], ...]]:
        return receiver, tuple(sorted(group.items()))

    ours = [
        (key(told.receiver, dict(told.group_labels)), at, {each.labels["alertname"] for each in told.firing},
         {each.labels["alertname"] for each in told.resolved})
        for at, told in clock.told
    ]
    for group in {each[0] for each in ours} | {key(notice.receiver, notice.group) for notice in theirs}:
        mine = [(at, firing, ended) for found, at, firing, ended in ours if found == group]
        real = [(notice.at, set(notice.firing), set(notice.resolved)) for notice in theirs if key(notice.receiver, notice.group) == group]
        assert [each[1:] for each in mine] == [each[1:] for each in real], f"{where}, {group}:\nours   {mine}\ntheirs {real}"
        assert all(abs(one[0] - other[0]) < timedelta(seconds=1) for one, other in zip(mine, real, strict=True)), f"{where}, {group}"
