"""What arrives becomes rows, or is told again; what counts for nothing changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from bot.views.run_card import run_card
from runner.acts import CollectedOutcome, FailedOutcome, PreparedOutcome, SendingStep, StagedOutcome, StoppedOutcome
from runner.collecting import Brought
from runner.entities import Run, WorkStep
from runner.errors import BadSpecError, ConflictError, HostError, UnreachableError
from runner.evidence import ClaimSeen, Connected, ExitSeen, Identity, LogBytes, Vanished, WatchedAttempt
from runner.executors.base import Fence
from runner.frameworks.base import Prepared
from runner.intake import Intake
from runner.links import REST_S, HostLink
from runner.service import views
from runner.service.house import House
from runner.states import Reason
from runner.store import attempts, hosts, progress, runs
from tests.support.hosts import eventually
from tests.support.run_rows import house_in, submitted, working

IDENTITY = Identity("machine", "gpu-1", "boot", "train", "/usr/bin/python3")


@dataclass
class Desk:
    """An intake with one host, this machine, that nobody has spoken to yet."""

    house: House
    link: HostLink
    arrived: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.intake = Intake(self.house, {"gpu-1": self.link})

    def run(self, run: Run) -> Run:
        return runs.get(self.house.store.reading(), run.id)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    house = house_in(tmp_path)
    arrived: list[object] = []
    link = HostLink(hosts.get(house.store.reading(), "gpu-1"), arrived.append, silence_s=15)
    yield Desk(house, link, arrived)
    link.close()
    house.store.close()


def connect(desk: Desk, identity: Identity = IDENTITY) -> None:
    desk.intake.take(Connected("gpu-1", identity))


def follow(desk: Desk, run: Run) -> str:
    """Have the run's attempt watched, as the loop does."""
    attempt = attempts.get(desk.house.store.reading(), run.id, 1)
    desk.link.watch(WatchedAttempt(attempt.directory, attempt.marker, claimed=True))
    return attempt.directory


def log(desk: Desk, directory: str, offset: int, data: bytes) -> LogBytes:
    return LogBytes("gpu-1", directory, offset, 0, data, desk.house.now(), 5)


def test_evidence_of_what_is_not_watched_or_before_the_machine_is_known_counts_for_nothing(desk: Desk) -> None:
    run = working(desk.house)
    directory = attempts.get(desk.house.store.reading(), run.id, 1).directory
    end = ExitSeen("gpu-1", directory, 0, desk.house.now())
    desk.intake.take(end)
    connect(desk)
    desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).ended_at is None
    follow(desk, run)
    desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).exit_code == 0


@pytest.mark.parametrize("what", ["exit", "vanished"])
def test_an_end_under_another_claim_counts_for_nothing_until_its_own_is_seen(desk: Desk, what: str) -> None:
    """Nobody of the other claim lives, and that says nothing of who made the first."""
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    end = ExitSeen("gpu-1", directory, 0, desk.house.now()) if what == "exit" else Vanished("gpu-1", directory)
    desk.intake.take(ClaimSeen("gpu-1", directory, f"{run.nonce}:9:9:boot"))
    assert desk.run(run).reason is Reason.UNCLEAR
    desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).ended_at is None
    desk.intake.take(ClaimSeen("gpu-1", directory, f"{run.nonce}:7:8:boot"))
    assert desk.run(run).reason is Reason.WORKING
    desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).ended_at is not None


def test_a_gap_in_a_log_is_read_again_from_what_is_committed(desk: Desk) -> None:
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    desk.intake.take(log(desk, directory, 0, b"hello\n"))
    with pytest.raises(ConflictError):
        desk.intake.take(log(desk, directory, 9, b"world\n"))
    attempt = attempts.get(desk.house.store.reading(), run.id, 1)
    assert progress.position(desk.house.store.reading(), attempt).offset == 6
    assert not desk.link.watches(directory)
    desk.intake.take(ExitSeen("gpu-1", directory, 0, desk.house.now()))  # what comes after the gap counts only in its turn
    assert attempts.get(desk.house.store.reading(), run.id, 1).ended_at is None
    eventually(lambda: (follow(desk, run), desk.link.watches(directory))[1], timeout_s=REST_S + 5)
    desk.intake.take(log(desk, directory, 6, b"my world\n"))
    assert progress.position(desk.house.store.reading(), attempt).offset == 15


def test_an_end_whose_log_is_not_all_here_is_told_again(desk: Desk) -> None:
    """The last bytes were lost with a connection, and nothing came after them but the exit."""
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    desk.intake.take(log(desk, directory, 0, b"hello\n"))
    end = ExitSeen("gpu-1", directory, 0, desk.house.now(), log_offset=15)
    with pytest.raises(ConflictError, match="9 bytes more"):
        desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).ended_at is None
    eventually(lambda: (follow(desk, run), desk.link.watches(directory))[1], timeout_s=REST_S + 5)
    desk.intake.take(log(desk, directory, 6, b"my world\n"))
    desk.intake.take(end)
    assert attempts.get(desk.house.store.reading(), run.id, 1).exit_code == 0


def test_the_mirror_of_a_log_that_began_anew_holds_nothing_older(desk: Desk) -> None:
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    desk.intake.take(log(desk, directory, 0, b"a long first life\n"))
    desk.intake.take(LogBytes("gpu-1", directory, 0, 1, b"anew\n", desk.house.now(), 6))
    assert (desk.house.settings.logs / f"{run.id}-1.log").read_bytes() == b"anew\n"


def test_the_same_claim_seen_again_answers_what_was_unclear(desk: Desk) -> None:
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    with desk.house.store.writing() as db:
        runs.transition(db, run, Reason.UNCLEAR, now=desk.house.now(), detail="vanished")
    desk.intake.take(ClaimSeen("gpu-1", directory, f"{run.nonce}:7:8:another-boot"))
    assert desk.run(run).reason is Reason.UNCLEAR
    desk.intake.take(ClaimSeen("gpu-1", directory, f"{run.nonce}:7:8:boot"))
    assert desk.run(run).reason is Reason.WORKING


def test_another_machine_is_heard_no_further(desk: Desk) -> None:
    run = working(desk.house)
    connect(desk)
    directory = follow(desk, run)
    connect(desk, Identity("other", "gpu-1", "boot", "train", "/usr/bin/python3"))
    assert not desk.link.connected
    assert not desk.link.watches(directory)
    assert desk.run(run).reason is Reason.UNCLEAR
    assert "Another machine answers" in hosts.get(desk.house.store.reading(), "gpu-1").trouble


def test_preparing_keeps_the_fingerprint_of_the_environment_that_prepared(desk: Desk) -> None:
    run = submitted(desk.house)
    desk.intake.take(PreparedOutcome(run.id, Prepared("config", 3, 1, 0.1, "revision"), "e-of-that-host"))
    assert (desk.run(run).prepared or {})["environment"] == "e-of-that-host"


def test_an_outcome_that_comes_too_late_changes_nothing(desk: Desk) -> None:
    run = working(desk.house)
    before = desk.run(run)
    desk.intake.take(PreparedOutcome(run.id, Prepared("config", 3, 1, 0.1, "revision"), "e"))
    desk.intake.take(FailedOutcome(run.id, "prepare", BadSpecError("late")))
    desk.intake.take(StagedOutcome(run.id, 9))
    assert desk.run(run) == before


def test_data_on_its_way_is_on_the_card_until_it_is_there(desk: Desk) -> None:
    run = submitted(desk.house)
    with desk.house.store.writing() as db:
        attempts.begin(db, run, number=1, host="gpu-1", root="/gpu-1", now=desk.house.now())
        run = runs.transition(db, run, Reason.STAGING, now=desk.house.now(), attempt=1, host="gpu-1")
    step = WorkStep("fish@1", 300_000_000, 1_200_000_000, "bytes", 90_000_000.0)
    desk.intake.take(SendingStep(run.id, 2, step))
    assert views.view(desk.house, run.id).work is None
    desk.intake.take(SendingStep(run.id, 1, step))
    text, _ = run_card(views.view(desk.house, run.id), zone=UTC)
    assert "*Sending data* · fish@1 · 300 MB of 1.2 GB · 90.0 MB/s" in text
    assert " 25 %" in text
    assert views.view(desk.house, run.id).eta == timedelta(seconds=10)
    desk.intake.take(StagedOutcome(run.id, 1, symbolic=7, host="gpu-1"))
    desk.intake.take(SendingStep(run.id, 1, step))
    assert views.view(desk.house, run.id).work is None
    assert "7 files of the dataset are symbolic links" in desk.run(run).detail


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (BadSpecError("no option x"), Reason.BAD_SPEC),
        (HostError("disk full"), Reason.ENVIRONMENT_ERROR),
        (UnreachableError("silence"), Reason.SUBMITTED),
    ],
)
def test_a_failure_to_prepare(desk: Desk, error: Exception, reason: Reason) -> None:
    run = submitted(desk.house)
    desk.intake.take(FailedOutcome(run.id, "prepare", error))
    assert desk.run(run).reason is reason


def test_a_run_that_failed_just_now_is_left_alone_for_a_moment(desk: Desk) -> None:
    run = submitted(desk.house)
    desk.link.act(run.id, "prepare", lambda: FailedOutcome(run.id, "prepare", UnreachableError("silence")))
    outcome = eventually(lambda: next((item for item in desk.arrived if isinstance(item, FailedOutcome)), None))
    desk.intake.take(outcome)
    assert run.id not in desk.link.acting
    assert desk.link.busy(run.id)
    eventually(lambda: not desk.link.busy(run.id), timeout_s=REST_S + 5)


def test_a_fence_with_somebody_left_frees_nothing(desk: Desk) -> None:
    run = working(desk.house)
    with desk.house.store.writing() as db:
        runs.request_stop(db, run, by="U1", now=desk.house.now())
    desk.intake.take(StoppedOutcome(run.id, 1, Fence("claim", 1, exited=False), host="gpu-1"))
    assert hosts.leases(desk.house.store.reading(), run.id)
    desk.intake.take(StoppedOutcome(run.id, 1, Fence("claim", 0, exited=False), host="gpu-1"))
    assert desk.run(run).reason is Reason.BY_USER
    assert hosts.leases(desk.house.store.reading(), run.id) == []


def test_what_was_begun_on_a_link_that_was_let_go_says_nothing_more(desk: Desk) -> None:
    go = threading.Event()

    def late() -> FailedOutcome:
        go.wait(10)
        return FailedOutcome("r-1", "stage", HostError("late"))

    desk.link.act("r-1", "stage", late)
    desk.link.close()
    go.set()
    eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("stage-gpu-1")], timeout_s=10)
    assert not [item for item in desk.arrived if isinstance(item, FailedOutcome)]


def ended_well(desk: Desk) -> Run:
    run = working(desk.house)
    with desk.house.store.writing() as db:
        attempts.note_exit(db, attempts.get(db, run.id, 1), code=0, ended_at=desk.house.now())
    return run


def told_of_results(desk: Desk, run: Run) -> list[dict[str, object]]:
    return [dict(event.payload) for event in views.history(desk.house, run.id) if event.kind == "results"]


def test_what_was_brought_here_ends_the_run_and_is_told_once(desk: Desk) -> None:
    run = ended_well(desk)
    brought = Brought((("a.jpg", 3), ("b.jpg", 4)), "Left on gpu-1 in /x: c (a link).")
    desk.intake.take(SendingStep(run.id, 1, WorkStep("results", 1, 7, "bytes")))
    assert progress.work_step(desk.house.store.reading(), run.id) is not None
    for _ in range(2):
        desk.intake.take(CollectedOutcome(run.id, 1, brought, {"sha256": "ab"}))
    done = desk.run(run)
    assert (done.reason, done.detail) == (Reason.COMPLETED, "Left on gpu-1 in /x: c (a link).")
    assert told_of_results(desk, run) == [{
        "files": [{"name": "a.jpg", "size_bytes": 3}, {"name": "b.jpg", "size_bytes": 4}], "count": 2, "size_bytes": 7,
        "left": "Left on gpu-1 in /x: c (a link).",
    }]
    assert runs.result(desk.house.store.reading(), run.id) == {"sha256": "ab"}
    assert progress.work_step(desk.house.store.reading(), run.id) is None


def test_what_cannot_be_brought_here_stays_and_the_run_is_done_all_the_same(desk: Desk) -> None:
    run = ended_well(desk)
    desk.intake.take(FailedOutcome(run.id, "collect", OSError(28, "No space left on device")))
    done = desk.run(run)
    assert done.reason is Reason.COMPLETED
    assert done.detail == (
        f"What it made stays on gpu-1 in /gpu-1/runs/{run.id}-{run.nonce}/1/results: [Errno 28] No space left on device. "
        f"`fetch {run.id} results` brings it."
    )
    assert told_of_results(desk, run) == []


def test_what_only_did_not_answer_is_tried_again_and_a_stop_comes_before(desk: Desk) -> None:
    run = ended_well(desk)
    desk.intake.take(FailedOutcome(run.id, "collect", UnreachableError("gpu-1: silence")))
    assert desk.run(run).reason is Reason.WORKING
    with desk.house.store.writing() as db:
        runs.request_stop(db, run, by="U2", now=desk.house.now())
    desk.intake.take(CollectedOutcome(run.id, 1, Brought((("a.jpg", 3),)), {}))
    assert desk.run(run).reason is Reason.WORKING
    assert told_of_results(desk, run) == []
