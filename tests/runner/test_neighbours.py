"""Somebody who moves in on a device of a run is told once."""

from __future__ import annotations

from pathlib import Path

from runner import neighbours
from runner.evidence import DeviceUse, Programs, Resources
from runner.service.house import House
from runner.store import events, hosts
from tests.support.run_rows import house_in, submitted

OURS = Programs("train", "r-1-abc/1", 3000)


def say(house: House, *of_devices: tuple[Programs, ...] | None) -> None:
    told = tuple(DeviceUse(f"GPU-{number}", number, "a GPU", 8000, 3500, processes=each) for number, each in enumerate(of_devices))
    with house.store.writing() as db:
        neighbours.note(house, db, Resources("gpu-1", told))


def test_only_who_comes_after_the_run_and_once_a_user(tmp_path: Path) -> None:
    house = house_in(tmp_path)
    run = submitted(house)
    ada, bob, eve = (Programs(user, "", 500) for user in ("ada", "bob", "eve"))
    say(house, (ada,), ())
    with house.store.writing() as db:
        hosts.lease(db, run, "gpu-1", ["GPU-0"], now=house.now())
    say(house, (ada, OURS), (eve,))  # ada was there before, and nothing of ours is where eve is
    say(house, (ada, bob, OURS), (eve,))
    say(house, (OURS,), ())
    say(house, (bob, OURS), ())  # went, and came again
    say(house, None, None)
    told = [event.payload for event in events.of_run(house.store.reading(), run.id) if event.kind == neighbours.MOVED_IN]
    assert told == [{"host": "gpu-1", "device": 0, "user": "bob", "used_mib": 500}]
    house.store.close()
