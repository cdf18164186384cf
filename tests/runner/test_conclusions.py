"""What the end of an attempt means for its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.errors import DatasetError
from runner.conclusions import MOST_RETRIES, conclude, refusal
from runner.entities import Place, Progress, Run
from runner.errors import BadSpecError, HostError, RequestError
from runner.service.house import House
from runner.specs import BootstrapSpec
from runner.states import Reason, State
from runner.store import hosts, progress, runs
from tests.support.run_rows import house_in, working


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path, retry_delay_s=10)
    yield opened
    opened.store.close()


def ended(house: House, run: Run, code: int | None) -> Run:
    with house.store.writing() as db:
        attempt = runs.attempt(db, run.id, run.attempt)
        runs.note_exit(db, attempt, code=code, ended_at=house.now())
        return conclude(house, run, runs.attempt(db, run.id, run.attempt))


def again(house: House, run: Run) -> Run:
    with house.store.writing() as db:
        attempt = runs.open_attempt(db, run, number=run.attempt + 1, host="gpu-1", root="/gpu-1", now=house.now())
        run = runs.transition(db, run, Reason.STAGING, now=house.now(), attempt=attempt.number)
        return runs.transition(db, run, Reason.WORKING, now=house.now())


def reach(house: House, run: Run, epoch: int) -> None:
    with house.store.writing() as db:
        attempt = runs.attempt(db, run.id, run.attempt)
        progress.keep(db, attempt, [Progress(epoch, 1, 5)], progress.position(db, attempt), now=house.now())


def test_an_exit_of_zero_completes_and_frees(house: House) -> None:
    run = ended(house, working(house), 0)
    assert (run.state, run.reason) == (State.SUCCEEDED, Reason.COMPLETED)
    assert hosts.leases(house.store.reading(), run.id) == []


def test_a_stop_wins_over_every_other_cause(house: House) -> None:
    run = working(house)
    with house.store.writing() as db:
        runs.request_stop(db, run, by="U2", now=house.now())
        run = runs.get(db, run.id)
    assert ended(house, run, 1).detail == "Stopped by U2."


def test_what_vanished_is_tried_again_later_and_later(house: House) -> None:
    run, delays = working(house), []
    for attempt in range(1, MOST_RETRIES + 1):
        reach(house, run, epoch=attempt)
        run = ended(house, run, None)
        assert run.reason is Reason.RETRYING
        run = runs.get(house.store.reading(), run.id)
        assert run.retry_at is not None
        delays.append(round((run.retry_at - house.now()).total_seconds()))
        run = again(house, run)
    assert delays == [10, 20, 40]
    reach(house, run, epoch=9)
    run = ended(house, run, None)
    assert run.reason is Reason.LOST
    assert run.detail.endswith("It was tried 4 times.")


def test_three_failures_in_one_epoch_end_it_earlier(house: House) -> None:
    run = working(house)
    reach(house, run, epoch=2)
    for _ in range(2):
        run = again(house, ended(house, run, None))
    run = ended(house, run, None)
    assert run.reason is Reason.LOST
    assert "failed 3 times in epoch 2" in run.detail


def test_a_fault_of_the_run_is_final(house: House) -> None:
    run = ended(house, working(house), 3)
    assert run.state is State.FAILED
    assert run.reason is Reason.NONZERO_EXIT


def test_a_kill_is_the_kernels_only_where_its_counter_rose(house: House) -> None:
    reasons = []
    for kills in (1, 0):
        run = working(house)
        with house.store.writing() as db:
            attempt = runs.attempt(db, run.id, run.attempt)
            runs.note_exit(db, attempt, code=137, ended_at=house.now(), oom_kills=kills)
            reasons.append(conclude(house, run, runs.attempt(db, run.id, run.attempt)).reason)
    assert reasons == [Reason.HOST_OUT_OF_MEMORY, Reason.KILLED]


def test_what_was_made_but_cannot_be_kept_ends_the_run_and_leaves_nothing_half_made(house: House) -> None:
    """A build that says that it is done, and nothing of what it built."""
    with house.store.writing() as db:
        spec = BootstrapSpec(host="gpu-1", environment="upstream", requirements={})
        run = runs.submit(db, spec, owner="U1", place=Place(), now=house.now())
        runs.open_attempt(db, run, number=1, host="gpu-1", root="/gpu-1", now=house.now())
        run = runs.transition(db, run, Reason.WORKING, now=house.now(), attempt=1, host="gpu-1")
    run = ended(house, run, 0)
    assert run.reason is Reason.INTERNAL_ERROR
    assert "what it made could not be kept" in run.detail
    assert hosts.environments(house.store.reading()) == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadSpecError("no"), Reason.BAD_SPEC),
        (RequestError("no"), Reason.BAD_SPEC),
        (DatasetError("no"), Reason.BAD_SPEC),
        (HostError("no"), Reason.ENVIRONMENT_ERROR),
        (KeyError("no"), Reason.INTERNAL_ERROR),
    ],
)
def test_what_keeps_a_run_from_starting_has_a_reason(error: Exception, reason: Reason) -> None:
    assert refusal(error)[0] is reason
    assert "no" in refusal(error)[1]
