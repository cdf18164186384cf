"""What a run does next, situation by situation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from runner.decisions import (
    CLAIM_PATIENCE,
    GOING_DOWN,
    Collect,
    Conclude,
    Decision,
    Eligible,
    HostFacts,
    Launch,
    Move,
    Nothing,
    Prepare,
    Stage,
    Stop,
    decide_pending,
    decide_running,
    environment_on,
    may_be_going_down,
)
from runner.entities import Run
from runner.kinds.base import Needs
from runner.states import Reason
from tests.support.run_rows import NOW, attempt_value, environment_value, host_value, run_value

TRAINS = Needs(host=None, devices=1, framework="scripted", prepares=True)
ANY = Needs(host=None, devices=1)
PREPARED = {"environment": "e1"}


def facts(name: str = "gpu-1", *, connected: bool = True, trouble: str = "", fingerprint: str | None = "e1", **host: object) -> HostFacts:
    environments = (environment_value(name, fingerprint),) if fingerprint else ()
    return HostFacts(host_value(name, **host), connected, trouble, environments)


def pending(run: Run, hosts: Sequence[HostFacts], needs: Needs = TRAINS, *, acting: bool = False) -> Decision:
    return decide_pending(run, needs, hosts, acting=acting, now=NOW)


def test_a_stop_before_the_start_comes_first() -> None:
    run = run_value(stop_requested_by="U2", retry_at=NOW + timedelta(hours=1))
    assert pending(run, [], acting=True) == Move(Reason.BY_USER, "Cancelled by U2 before it started.")
    assert pending(run_value(stop_requested_by="U2", attempt=1), []) == Move(
        Reason.BY_USER, "Cancelled by U2 before the next attempt started."
    )


@pytest.mark.parametrize(
    ("run", "acting"),
    [
        (run_value(), True),
        (run_value(reason=Reason.RETRYING, retry_at=NOW + timedelta(seconds=1)), False),
    ],
)
def test_what_must_wait_waits(run: Run, acting: bool) -> None:
    assert pending(run, [facts()], acting=acting) == Nothing()


def test_what_is_held_stays_so_whatever_the_hosts_say() -> None:
    held = run_value(held_by="U2")
    assert pending(held, [facts()]) == Move(Reason.HELD, f"Held by U2; `release {held.id}` lets it go on.")


def test_a_retry_whose_time_has_come_goes_on() -> None:
    assert isinstance(pending(run_value(reason=Reason.RETRYING, retry_at=NOW), [facts()]), Prepare)


@pytest.mark.parametrize(
    ("hosts", "needs", "reason", "detail"),
    [
        ([], TRAINS, Reason.WAITING_FOR_HOST, "There is no GPU server yet."),
        ([facts("local")], TRAINS, Reason.WAITING_FOR_HOST, "There is no GPU server yet."),
        ([facts(drained=True)], TRAINS, Reason.WAITING_FOR_HOST, "gpu-1 is drained: nothing new starts there until"),
        ([facts(drained=True)], Needs(host="gpu-1", devices=1), Reason.WAITING_FOR_HOST, "gpu-1 is drained:"),
        ([facts()], Needs(host="gpu-7", devices=1), Reason.WAITING_FOR_HOST, "There is no host gpu-7 any more."),
        ([facts(fingerprint=None)], TRAINS, Reason.WAITING_FOR_ENVIRONMENT, "No scripted environment on gpu-1."),
        (
            [HostFacts(host_value(), connected=True, building="Waits for r-9.")], TRAINS, Reason.WAITING_FOR_ENVIRONMENT, "Waits for r-9.",
        ),
        ([facts(connected=False, trouble="no route")], TRAINS, Reason.WAITING_FOR_HOST, "gpu-1 cannot be reached: no route"),
        (
            [facts(connected=False, trouble="no route", fingerprint=None)], TRAINS, Reason.WAITING_FOR_HOST,
            "gpu-1 cannot be reached: no route",
        ),
    ],
)
def test_a_run_that_cannot_start_says_why(hosts: list[HostFacts], needs: Needs, reason: Reason, detail: str) -> None:
    decision = pending(run_value(), hosts, needs)
    assert isinstance(decision, Move)
    assert decision.reason is reason
    assert decision.detail.startswith(detail)


def test_a_host_that_is_still_being_connected_is_no_news() -> None:
    assert pending(run_value(), [facts(connected=False), facts("gpu-2", connected=False, trouble="dead")]) == Nothing()


def test_it_is_prepared_once_on_the_first_host_that_answers() -> None:
    decision = pending(run_value(), [facts(connected=False, trouble="dead"), facts("gpu-2")])
    assert decision == Prepare("gpu-2", environment_value("gpu-2"))
    assert pending(run_value(prepared=PREPARED), [facts("gpu-2")]) == Eligible(("gpu-2",))
    assert isinstance(pending(run_value(prepared=PREPARED | {"recheck": True}), [facts("gpu-2")]), Prepare)


def test_only_hosts_with_the_code_it_was_prepared_with_will_do() -> None:
    run = run_value(prepared=PREPARED)
    assert pending(run, [facts("gpu-1", fingerprint="e2"), facts("gpu-2")]) == Eligible(("gpu-2",))
    refused = pending(run, [facts("gpu-1", fingerprint="e2")])
    assert isinstance(refused, Move)
    assert refused.reason is Reason.BAD_SPEC


def test_an_environment_added_beside_the_frozen_one_changes_nothing() -> None:
    both = (environment_value(fingerprint="e0", name="added"), environment_value())
    host = HostFacts(host_value(), connected=True, environments=both)
    assert pending(run_value(prepared=PREPARED), [host]) == Eligible(("gpu-1",))
    assert environment_on(host, TRAINS, "e1") == both[1]
    assert environment_on(host, Needs(None, 1, "scripted", "scripted")) == both[1]


def test_work_without_a_framework_needs_no_environment() -> None:
    assert pending(run_value(), [facts(fingerprint=None)], ANY) == Eligible(("gpu-1",))


CLAIMED = attempt_value(claimed_at=NOW, staged=True)
STAGED = attempt_value(staged=True)
NEW = attempt_value()
FAILED = attempt_value(claimed_at=NOW, ended_at=NOW, exit_code=1)
LATE = NOW - CLAIM_PATIENCE - timedelta(seconds=1)


@pytest.mark.parametrize(
    ("reason", "attempt", "given", "decision"),
    [
        (Reason.STAGING, NEW, {}, Stage()),
        (Reason.STAGING, NEW, {"acting": True}, Nothing()),
        (Reason.LAUNCHING, STAGED, {}, Launch()),
        (Reason.LAUNCHING, STAGED, {"launched_at": NOW}, Nothing()),
        (Reason.LAUNCHING, STAGED, {"launched_at": LATE}, Launch()),
        (Reason.LAUNCHING, STAGED, {"launched_at": LATE, "acting": True}, Nothing()),
        (Reason.LAUNCHING, CLAIMED, {}, Move(Reason.WORKING)),
        (Reason.WORKING, CLAIMED, {}, Nothing()),
        (Reason.WORKING, attempt_value(claimed_at=NOW, ended_at=NOW), {"connected": False}, Conclude()),
        (Reason.UNCLEAR, attempt_value(claimed_at=NOW, ended_at=NOW), {}, Conclude()),
        # A failure is swept before it is concluded: other ranks may outlive the one that failed.
        (Reason.WORKING, attempt_value(claimed_at=NOW, ended_at=NOW, exit_code=0), {}, Conclude()),
        (Reason.WORKING, FAILED, {}, Stop()),
        (Reason.WORKING, FAILED, {"acting": True}, Nothing()),
        (Reason.WORKING, FAILED, {"connected": False, "trouble": "no route"}, Move(Reason.UNREACHABLE, "no route")),
        (Reason.WORKING, attempt_value(claimed_at=NOW, ended_at=NOW, exit_code=1, fenced=True), {}, Conclude()),
        # Silence: nothing is ended, nothing is started, and it is said once.
        (Reason.WORKING, CLAIMED, {"connected": False, "trouble": "no route"}, Move(Reason.UNREACHABLE, "no route")),
        (Reason.UNREACHABLE, CLAIMED, {"connected": False, "trouble": "no route"}, Nothing()),
        (Reason.WORKING, CLAIMED, {"connected": False}, Nothing()),
        (Reason.STAGING, NEW, {"connected": False, "trouble": "no route"}, Move(Reason.UNREACHABLE, "no route")),
        (Reason.UNREACHABLE, CLAIMED, {}, Move(Reason.WORKING)),
        (Reason.UNREACHABLE, STAGED, {}, Move(Reason.LAUNCHING)),
        (Reason.UNREACHABLE, NEW, {}, Move(Reason.STAGING)),
        # What is unclear waits for a person.
        (Reason.UNCLEAR, CLAIMED, {}, Nothing()),
        (Reason.UNCLEAR, NEW, {}, Nothing()),
        # An attempt fenced by somebody who died before saying why.
        (Reason.LAUNCHING, attempt_value(staged=True, fenced=True), {}, Conclude()),
    ],
)
def test_a_run_with_an_attempt(reason: Reason, attempt: object, given: dict[str, object], decision: Decision) -> None:
    values = {"connected": True, "trouble": "", "acting": False, "launched_at": None, "now": NOW} | given
    assert decide_running(run_value(reason=reason), attempt, **values) == decision  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "given", "decision"),
    [
        (Reason.WORKING, {}, Move(Reason.STOPPING, "Asked by U2.")),
        (Reason.LAUNCHING, {"acting": True}, Move(Reason.STOPPING, "Asked by U2.")),
        (Reason.STOPPING, {}, Stop()),
        (Reason.STOPPING, {"acting": True}, Nothing()),
        (Reason.STOPPING, {"connected": False, "trouble": "no route"}, Move(Reason.UNREACHABLE, "no route")),
        (Reason.UNREACHABLE, {}, Move(Reason.STOPPING, "Asked by U2.")),
        (Reason.UNCLEAR, {}, Stop()),
        (Reason.UNCLEAR, {"connected": False}, Nothing()),
    ],
)
def test_a_stop(reason: Reason, given: dict[str, object], decision: Decision) -> None:
    values = {"connected": True, "trouble": "", "acting": False, "launched_at": None, "now": NOW} | given
    assert decide_running(run_value(reason=reason, stop_requested_by="U2"), CLAIMED, **values) == decision  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("reason", "ended", "seen", "decision"),
    [
        (Reason.WORKING, {"exit_code": 0}, {}, Collect()),
        (Reason.WORKING, {"exit_code": 0}, {"acting": True}, Nothing()),
        (Reason.WORKING, {"exit_code": 0}, {"connected": False}, Nothing()),
        (Reason.WORKING, {"exit_code": 0}, {"connected": False, "trouble": "no route"}, Move(Reason.UNREACHABLE, "no route")),
        (Reason.UNREACHABLE, {"exit_code": 0}, {}, Move(Reason.WORKING)),
        (Reason.UNREACHABLE, {"exit_code": 0}, {"connected": False, "trouble": "no route"}, Nothing()),
        (Reason.UNCLEAR, {"exit_code": 0}, {}, Nothing()),
        (Reason.WORKING, {"exit_code": 0, "fenced": True}, {}, Collect()),
        (Reason.WORKING, {"exit_code": 1}, {}, Stop()),
        (Reason.WORKING, {"exit_code": 1, "fenced": True}, {}, Conclude()),
        (Reason.WORKING, {"exit_code": None}, {}, Conclude()),
    ],
)
def test_what_a_run_made_is_brought_here_before_it_counts_as_done(
    reason: Reason, ended: dict[str, object], seen: dict[str, object], decision: Decision
) -> None:
    run = run_value(reason=reason, attempt=1, host="gpu-1")
    attempt = attempt_value(claimed_at=NOW, ended_at=NOW, staged=True, **ended)
    asked: dict[str, object] = {"connected": True, "trouble": "", "acting": False, **seen}
    assert decide_running(run, attempt, launched_at=None, now=NOW, collects=True, **asked) == decision  # type: ignore[arg-type]


def test_a_stop_ends_the_bringing_of_results() -> None:
    run = run_value(reason=Reason.STOPPING, attempt=1, host="gpu-1", stop_requested_by="U2")
    for fenced, decision in ((False, Stop()), (True, Conclude())):
        attempt = attempt_value(claimed_at=NOW, ended_at=NOW, staged=True, exit_code=0, fenced=fenced)
        known = {"connected": True, "trouble": "", "acting": False, "launched_at": None, "now": NOW}
        assert decide_running(run, attempt, collects=True, **known) == decision  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("exit_code", "later", "boot_id", "stopped_by", "waits"),
    [
        (143, timedelta(seconds=1), "b", None, True), (129, timedelta(seconds=1), "b", None, True),
        (143, GOING_DOWN, "b", None, False), (143, timedelta(hours=-1), "b", None, False),  # the host's clock goes ahead
        (143, timedelta(seconds=1), "other", None, False), (143, timedelta(seconds=1), "b", "U2", False),
        (1, timedelta(seconds=1), "b", None, False), (None, timedelta(seconds=1), "b", None, False),
    ],
)  # fmt: skip
def test_what_was_asked_to_end_is_not_judged_before_its_host_could_go_down(
    exit_code: int | None, later: timedelta, boot_id: str, stopped_by: str | None, waits: bool
) -> None:
    attempt = attempt_value(claimed_at=NOW, ended_at=NOW, exit_code=exit_code, boot_id="b")
    run = run_value(reason=Reason.WORKING, stop_requested_by=stopped_by)
    assert may_be_going_down(run, attempt, boot_id=boot_id, now=NOW + later) is waits
