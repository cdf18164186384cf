"""Scenes for the queue's tests: small teams and servers, drawn by hypothesis."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from runner.queueing.facts import Device, Foreign, Lock, Running, Scene, Waiting
from runner.queueing.policy import Policy

NOW = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
PEOPLE = ("ada", "ben", "cleo")
HOSTS = ("gpu1", "gpu2", "gpu3")
KINDS = (("RTX 3090", 24_000), ("A100", 80_000))


def gpu(host: str, index: int, *, kind: int = 0, foreign: tuple[Foreign, ...] = (), broken: str = "") -> Device:
    name, memory = KINDS[kind]
    return Device(host, f"GPU-{host}-{index}", index, name, memory, foreign, broken)


def waits(run_id: str, owner: str = "ada", *, devices: int = 1, minutes_ago: float = 0.0, **given: object) -> Waiting:
    hosts = given.pop("hosts", HOSTS[:2])
    return Waiting(run_id, owner, NOW - timedelta(minutes=minutes_ago), hosts, devices, **given)  # type: ignore[arg-type]


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Any scene that the database could hold: no device has two holders."""
    devices = [
        gpu(host, index, kind=draw(st.integers(0, 1)), broken=draw(st.sampled_from(["", "", "", "Xid 79"])),
            foreign=draw(st.sampled_from([(), (), (Foreign("zoe", 9_000),)])))
        for host in HOSTS for index in range(draw(st.integers(0, 4)))
    ]
    running = []
    for number, host in enumerate(HOSTS):
        own = [device.id for device in devices if device.host == host]
        held = draw(st.lists(st.sampled_from(own), unique=True)) if own else []
        if held:
            ends = draw(st.none() | st.integers(0, 500).map(lambda minutes: NOW + timedelta(minutes=minutes)))
            running.append(Running(
                f"r-held{number}", draw(st.sampled_from(PEOPLE)), host, tuple(held), priority=draw(st.integers(-1, 1)),
                preemptible=draw(st.booleans()), ends_at=ends,
            ))
    locks = draw(st.lists(st.sampled_from(devices), max_size=2)) if devices else []
    count = draw(st.integers(0, 12))
    waiting = [
        Waiting(
            f"r-{number:02}", draw(st.sampled_from(PEOPLE)), NOW - timedelta(minutes=draw(st.integers(0, 600))),
            draw(st.sampled_from([HOSTS, HOSTS[:2], HOSTS[:1], HOSTS[1:], ("gone",)])), draw(st.integers(0, 4)),
            priority=draw(st.integers(-1, 2)),
            place=draw(st.none() | st.floats(0, 1)), memory_mib=draw(st.sampled_from([None, None, 10_000, 40_000])),
            lasts_s=draw(st.none() | st.integers(60, 90_000)), limit_s=draw(st.none() | st.integers(60, 90_000)),
            spread=draw(st.sampled_from([1, 1, 1, 2, 2, 3])), first=draw(st.sampled_from([None, None, *HOSTS])),
        )
        for number in range(count)
    ]
    held_locks = tuple(Lock(device.host, device.id, "ada", NOW + timedelta(minutes=draw(st.integers(-5, 90)))) for device in locks)
    return Scene(tuple(waiting), tuple(running), tuple(devices), NOW, held_locks, {"ada": draw(st.floats(0, 1e6))})


policies = st.builds(
    Policy, person_gpus=st.none() | st.integers(1, 4), preempting_priority=st.none() | st.integers(0, 2), preemption_grace_s=st.just(600.0)
)
