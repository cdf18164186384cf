"""The time left is right on average, and as sure as it says."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from runner.entities import Progress
from runner.time_left import EpochSeen, time_left

BEGAN = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def at(epoch: int, share: float = 1.0, *, step_s: float | None = 0.5, eta_s: float | None = None) -> Progress:
    return Progress(epoch=epoch, iteration=round(100 * share), iterations=100, step_s=step_s, eta_s=eta_s)


def epochs_of(seconds: list[float], *, steps_s: float = 50.0) -> list[EpochSeen]:
    ends = [BEGAN + timedelta(seconds=sum(seconds[:count])) for count in range(1, len(seconds) + 1)]
    return [EpochSeen(number, end, steps_s) for number, end in enumerate(ends, start=1)]


def test_epochs_tell_more_than_steps() -> None:
    seen = epochs_of([60.0] * 5)  # 50 s of iterations and an evaluation of 10 s

    known = time_left(seen, at(5), 20)

    assert known is not None
    assert known.left == timedelta(seconds=15 * 60)
    assert known.within <= timedelta(seconds=20)


def test_before_an_epoch_was_seen_it_is_not_sure() -> None:
    known = time_left([], at(1, 0.5), 10)

    assert known is not None
    assert known.left == timedelta(seconds=9.5 * 50)
    assert known.within == known.left * 0.3


def test_without_steps_the_program_is_believed() -> None:
    known = time_left([], at(1, 0.5, step_s=None, eta_s=120.0), 10)

    assert known is not None
    assert known.left == timedelta(seconds=120)
    assert time_left([], at(1, 0.5, step_s=None), 10) is None


def test_a_log_read_all_at_once_is_judged_by_its_steps() -> None:
    seen = [EpochSeen(number, BEGAN, 50.0) for number in range(1, 6)]

    known = time_left(seen, at(5), 10)

    assert known is not None
    assert known.left == timedelta(seconds=250)


def test_epochs_before_a_gap_are_no_duration() -> None:
    later = BEGAN + timedelta(hours=9)
    seen = [*epochs_of([60.0, 60.0]), EpochSeen(7, later, 50.0), EpochSeen(8, later + timedelta(seconds=70), 50.0)]

    known = time_left(seen, at(8), 10)

    assert known is not None
    assert known.left == timedelta(seconds=2 * 65)


@pytest.mark.parametrize("scatter", [0.02, 0.1, 0.3])
def test_it_comes_true_as_often_as_it_says(scatter: float) -> None:
    chance = random.Random(7)
    hits = 0
    for _ in range(400):
        took = [chance.gauss(60, 60 * scatter) for _ in range(40)]
        done = chance.randint(6, 30)
        known = time_left(epochs_of(took[:done], steps_s=0.0), at(done), 40)
        assert known is not None
        hits += abs(sum(took[done:]) - known.left.total_seconds()) <= known.within.total_seconds()

    assert 0.85 <= hits / 400 <= 1.0


@pytest.mark.parametrize("step_s", [1e300, float("inf"), float("nan")])
def test_what_no_clock_can_show_is_not_told(step_s: float) -> None:
    assert time_left([], at(1, 0.5, step_s=step_s), 10) is None

    ends = [EpochSeen(1, BEGAN, step_s), EpochSeen(2, BEGAN, step_s)]
    assert time_left(ends, at(2, step_s=step_s), 10) is None
