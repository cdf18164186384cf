"""What the end of an attempt means for its run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from recipes.errors import DatasetError
from runner.conclusions import MOST_RETRIES, conclude, refusal
from runner.entities import Place, Progress, Run
from runner.errors import BadSpecError, HostError, RequestError
from runner.evidence import Identity
from runner.service.house import House
from runner.specs import BootstrapSpec
from runner.states import Reason, State
from runner.store import attempts, hosts, progress, runs
from tests.support.run_rows import house_in, working


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path, retry_delay_s=10)
    yield opened
    opened.store.close()


def ended(house: House, run: Run, code: int | None) -> Run:
    with house.store.writing() as db:
        attempt = attempts.get(db, run.id, run.attempt)
        attempts.note_exit(db, attempt, code=code, ended_at=house.now())
        return conclude(house, run, attempts.get(db, run.id, run.attempt))


def again(house: House, run: Run) -> Run:
    with house.store.writing() as db:
        attempt = attempts.begin(db, run, number=run.attempt + 1, host="gpu-1", root="/gpu-1", now=house.now())
        run = runs.transition(db, run, Reason.STAGING, now=house.now(), attempt=attempt.number)
        return runs.transition(db, run, Reason.WORKING, now=house.now())


def reach(house: House, run: Run, epoch: int) -> None:
    with house.store.writing() as db:
        attempt = attempts.get(db, run.id, run.attempt)
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


CASES = Path(__file__).parents[1] / "cases" / "crashes"


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        # NCCL, the driver and its GPU, and what a cluster takes back: tried again.
        ("nccl_timeout", Reason.RETRYING), ("nccl_failed", Reason.RETRYING), ("collective_hang", Reason.RETRYING),
        ("did_not_meet", Reason.RETRYING), ("xid", Reason.RETRYING), ("gpu_fault", Reason.RETRYING),
        ("slurm_preempted", Reason.RETRYING), ("slurm_node_failure", Reason.RETRYING),
        # Code, config, data and memory: never.
        ("unknown_exception", Reason.CODE_ERROR), ("segmentation_fault", Reason.CODE_ERROR), ("config_key", Reason.BAD_SPEC),
        ("registry", Reason.BAD_SPEC), ("bad_image", Reason.DATA_ERROR), ("truncated_image", Reason.DATA_ERROR),
        ("cuda_oom_torch2", Reason.OUT_OF_MEMORY), ("oom_kernel_words", Reason.HOST_OUT_OF_MEMORY),
        ("data_loader_killed", Reason.HOST_OUT_OF_MEMORY), ("disk_full", Reason.DISK_FULL), ("nan_mmdet", Reason.DIVERGED),
        ("weights_only", Reason.CHECKPOINT_ERROR), ("no_driver", Reason.ENVIRONMENT_ERROR), ("signal_term", Reason.KILLED),
    ],
)  # fmt: skip
def test_only_passing_causes_are_tried_again(house: House, case: str, reason: Reason) -> None:
    run = working(house)
    house.settings.logs.joinpath(f"{run.id}-1.log").write_bytes((CASES / f"{case}.txt").read_bytes())
    exit_code = yaml.safe_load((CASES / f"{case}.expected.yaml").read_text(encoding="utf-8"))["exit_code"]
    run = ended(house, run, exit_code)
    assert run.reason is reason
    if reason is Reason.RETRYING:
        kept = runs.get(house.store.reading(), run.id)
        assert kept.prepared is None or kept.prepared["recheck"], "its newest checkpoint is proved before it starts again"


@pytest.mark.parametrize(
    ("exit_code", "boot_id", "oom_kills", "reason"),
    [
        (None, "boot", None, Reason.RETRYING), (None, "boot", 2, Reason.HOST_OUT_OF_MEMORY), (None, "another", None, Reason.RETRYING),
        (143, "another", None, Reason.RETRYING), (143, "boot", None, Reason.KILLED), (129, "another", None, Reason.RETRYING),
        (1, "another", None, Reason.NONZERO_EXIT),
    ],
)  # fmt: skip
def test_a_host_that_restarted_is_no_fault_of_the_run(
    house: House, exit_code: int | None, boot_id: str, oom_kills: int | None, reason: Reason
) -> None:
    run = working(house)
    with house.store.writing() as db:
        hosts.note_identity(db, "gpu-1", Identity("machine", "gpu-1", boot_id, "u", "python3"), now=house.now())
        attempts.note_exit(db, attempts.get(db, run.id, 1), code=exit_code, ended_at=house.now(), oom_kills=oom_kills)
        run = conclude(house, run, attempts.get(db, run.id, 1))
    assert run.reason is reason
    assert ("gpu-1 restarted" in run.detail) is (boot_id == "another" and exit_code != 1)


def test_giving_way_makes_no_later_retry_wait_longer(house: House) -> None:
    run = working(house)
    for _ in range(4):
        with house.store.writing() as db:
            runs.request_stop(db, run, by="signalbox", now=house.now(), reason=Reason.PREEMPTED)
            run = runs.get(db, run.id)
        run = ended(house, run, 143)
        assert run.reason is Reason.PREEMPTED
        run = again(house, runs.get(house.store.reading(), run.id))
    run = ended(house, run, None)
    kept = runs.get(house.store.reading(), run.id)
    assert kept.retry_at is not None
    assert round((kept.retry_at - house.now()).total_seconds()) == 10


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
            attempt = attempts.get(db, run.id, run.attempt)
            attempts.note_exit(db, attempt, code=137, ended_at=house.now(), oom_kills=kills)
            reasons.append(conclude(house, run, attempts.get(db, run.id, run.attempt)).reason)
    assert reasons == [Reason.HOST_OUT_OF_MEMORY, Reason.KILLED]


def test_what_was_made_but_cannot_be_kept_ends_the_run_and_leaves_nothing_half_made(house: House) -> None:
    """A build that says that it is done, and nothing of what it built."""
    with house.store.writing() as db:
        spec = BootstrapSpec(host="gpu-1", environment="upstream", requirements={})
        run = runs.submit(db, spec, owner="U1", place=Place(), now=house.now())
        attempts.begin(db, run, number=1, host="gpu-1", root="/gpu-1", now=house.now())
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
