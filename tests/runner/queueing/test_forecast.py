"""When each run will probably start."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given, settings

from runner.queueing.decide import decide
from runner.queueing.facts import Lock, Running, Scene
from runner.queueing.forecast import Opening, forecast
from runner.queueing.order import ordered
from runner.queueing.policy import Policy
from tests.runner.queueing.scenes import NOW, gpu, policies, scenes, waits

HOUR = timedelta(hours=1)


def guessed(scene: Scene, policy: Policy) -> dict[str, Opening]:
    """All of it."""
    return {run_id: opening for run_id, opening in forecast(scene, policy, ordered(scene, policy)) if opening}


def test_runs_follow_each_other_on_what_is_free_first() -> None:
    devices = (gpu("gpu1", 0), gpu("gpu1", 1))
    running = (Running("r-held", "ben", "gpu1", ("GPU-gpu1-0",), ends_at=NOW + 2 * HOUR),)
    queue = [waits(f"r-{n}", minutes_ago=9 - n, lasts_s=3600.0) for n in range(4)]
    found = guessed(Scene(tuple(queue), running, devices, NOW), Policy())

    assert [(found[f"r-{n}"].at - NOW) / HOUR for n in range(4)] == [0, 1, 2, 2]


def test_locks_count_and_what_fits_nowhere_is_left_out() -> None:
    lock = Lock("gpu1", None, "ada", NOW + 3 * HOUR)
    found = guessed(Scene((waits("r-a"), waits("r-b", devices=2)), (), (gpu("gpu1", 0),), NOW, (lock,)), Policy())

    assert found == {"r-a": Opening(NOW + 3 * HOUR, "gpu1", ("GPU-gpu1-0",))}


def test_a_quota_delays_the_start_until_enough_of_ones_own_has_ended() -> None:
    running = (Running("r-held", "ada", "gpu1", ("GPU-gpu1-0",), ends_at=NOW + 2 * HOUR),)
    queue = (waits("r-own"), waits("r-other", "ben", minutes_ago=-1), waits("r-wide", devices=2, minutes_ago=-2))
    found = guessed(Scene(queue, running, (gpu("gpu1", 0), gpu("gpu1", 1)), NOW), Policy(person_gpus=1))

    assert {run_id: (opening.at - NOW) / HOUR for run_id, opening in found.items()} == {"r-own": 2, "r-other": 0}


def test_only_a_run_on_several_hosts_is_led_by_one_of_them() -> None:
    def found(**wants: object) -> object:
        return guessed(Scene((waits("r-a", first="gpu2", **wants),), (), (gpu("gpu1", 0),), NOW), Policy()).get("r-a")

    assert found() == Opening(NOW, "gpu1", ("GPU-gpu1-0",))
    assert found(spread=2) is None


@given(scene=scenes(), policy=policies)
@settings(max_examples=100, deadline=None)
def test_what_starts_now_is_forecast_for_now(scene: Scene, policy: Policy) -> None:
    found = guessed(scene, policy)

    assert all(opening.at >= scene.now for opening in found.values())
    first = next(iter(decide(scene, policy).starts), None)
    if first is not None and len(scene.waiting) == 1:
        assert found[first.run_id].at == scene.now
