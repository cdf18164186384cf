"""``why`` of a run in every state and for every reason, each reached as the runner reaches it: one cause, until when, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from bot.grammar import answer
from runner.attempt_intake import AttemptIntake
from runner.conclusions import conclude, refusal
from runner.decisions import Move, decide_running
from runner.entities import Environment, Run
from runner.evidence import DeviceUse, DirectoryGone, Resources
from runner.queueing.policy import Policy
from runner.service import queue
from runner.service.house import House
from runner.service.present import facts_now, foreseen
from runner.settings import Role
from runner.specs import TrainSpec, Turn
from runner.states import Reason, State
from runner.store import attempts, hosts, progress, runs
from tests.support.payloads import assert_sendable
from tests.support.words_house import ADA, BEN, NOW, add_dataset, at_work, somebody, training, words_house

CRASHES = Path(__file__).parents[2] / "cases" / "crashes"
PREPARED = {"config": "", "epochs": 20, "batch": 8, "lr": 0.004, "revision": "r", "environment": "f"}
POLICIES = {
    Reason.WAITING_FOR_QUOTA: Policy(person_gpus=1), Reason.WAITING_FOR_APPROVAL: Policy(approval_gpu_hours=2),
    Reason.PREEMPTED: Policy(preempting_priority=1),
}


def house_for(folder: Path, reason: Reason) -> House:
    """gpu1 has one GPU and an environment."""
    made = words_house(folder)
    add_dataset(made, "fish")
    with made.store.writing() as db:
        hosts.note_resources(db, Resources("gpu1", (DeviceUse("GPU-0", 0, "A100", 81_920, 0, processes=()),)), now=NOW)
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/p", "/c", "f"))
    return replace(made, settings=made.settings.model_copy(update={"queue": POLICIES.get(reason, Policy())}))


def prepared(house: House, *, owner: str = ADA, turn: Turn = Turn()) -> Run:
    run = training(house, owner=owner)
    assert isinstance(run.spec, TrainSpec)
    with house.store.writing() as db:
        spec = run.spec.model_copy(update={"turn": turn})
        db.conn.execute("UPDATE runs SET spec = ? WHERE id = ?", (spec.model_dump_json(), run.id))
        runs.keep_prepared(db, run.id, PREPARED)
        return runs.get(db, run.id)


def trains(house: House, *, owner: str = ADA) -> Run:
    """At work on the GPU, claimed, in the middle of its seventh epoch."""
    run = at_work(house, prepared(house, owner=owner))
    with house.store.writing() as db:
        db.conn.execute("UPDATE leases SET device = 'GPU-0' WHERE run_id = ?", (run.id,))
        attempts.note_claim(db, attempts.get(db, run.id, 1), pid=7, process_start="8", boot_id="b", now=NOW - timedelta(minutes=40))
    return run


def decided(house: House, run: Run) -> Run:
    """What the runner would write of a run that waits."""
    with house.store.writing() as db:
        decision = foreseen(house, db, run, facts_now(db))
        assert isinstance(decision, Move), decision
        return runs.transition(db, run, decision.reason, now=NOW, detail=decision.detail)


def ends(
    house: House, *, code: int | None = 1, log: str = "", oom_kills: int | None = None, stopped: Reason | None = None, by: str = ""
) -> Run:
    """A training ended so."""
    run = trains(house)
    (house.settings.logs / f"{run.id}-1.log").write_text(log)
    with house.store.writing() as db:
        runs.note_preemption(db, run, "r-high", now=NOW)
        attempts.note_exit(db, attempts.get(db, run.id, 1), code=code, ended_at=NOW, oom_kills=oom_kills)
        if by:
            runs.request_stop(db, run, by=by, now=NOW, reason=stopped)
        return conclude(house, runs.get(db, run.id), attempts.get(db, run.id, 1))


def crashes(reason: Reason) -> Callable[[House], Run]:
    """As the first case of that reason among the logs of crashes."""
    def crash(house: House) -> Run:
        for case in sorted(CRASHES.glob("*.txt")):
            expected = yaml.safe_load(case.with_suffix(".expected.yaml").read_text())
            if expected["reason"] == reason.value:
                return ends(house, code=expected["exit_code"], log=case.read_text(), oom_kills=expected.get("oom_kills"))
        raise AssertionError(f"no case ends with {reason}")

    return crash


def moved(*reasons: Reason, detail: str = "") -> Callable[[House], Run]:
    def move(house: House) -> Run:
        run = training(house)
        with house.store.writing() as db:
            for reason in reasons:
                run = runs.transition(db, run, reason, now=NOW, detail=detail, host="gpu1")
        return run

    return move


def waits_for_gpu(house: House) -> Run:
    trains(house, owner=BEN)
    return prepared(house)


def drained(house: House) -> Run:
    queue.drain(house, somebody(BEN, role=Role.OPERATOR), "gpu1", drained=True)
    return decided(house, training(house))


def without_environment(house: House) -> Run:
    with house.store.writing() as db:
        hosts.remove_environment(db, "gpu1", "upstream")
    return decided(house, training(house))


def after_another(house: House) -> Run:
    return decided(house, prepared(house, turn=Turn(after=(trains(house).id,))))


def over_quota(house: House) -> Run:
    trains(house)
    return prepared(house)


def held(house: House) -> Run:
    run = queue.hold(house, somebody(BEN, role=Role.OPERATOR), training(house).id)
    return decided(house, run)


def unreachable(house: House) -> Run:
    run = trains(house)
    with house.store.writing() as db:
        hosts.note_trouble(db, "gpu1", "No answer within 10 s.")
        attempt = attempts.get(db, run.id, 1)
        move = decide_running(run, attempt, connected=False, trouble="No answer within 10 s.", acting=False, launched_at=None, now=NOW)
        assert isinstance(move, Move)
        return runs.transition(db, run, move.reason, now=NOW, detail=move.detail)


def vanished(house: House) -> Run:
    run = trains(house)
    AttemptIntake(house).take(DirectoryGone("gpu1", attempts.get(house.store.reading(), run.id, 1).directory))
    return run


def stopping(house: House) -> Run:
    run = trains(house)
    with house.store.writing() as db:
        runs.request_stop(db, run, by=BEN, now=NOW)
        run, attempt = runs.get(db, run.id), attempts.get(db, run.id, 1)
        move = decide_running(run, attempt, connected=True, trouble="", acting=False, launched_at=None, now=NOW)
        assert isinstance(move, Move)
        return runs.transition(db, run, move.reason, now=NOW, detail=move.detail)


def refused(error: Exception) -> Callable[[House], Run]:
    reason, sentence = refusal(error)
    return moved(reason, detail=sentence)


TRIED = ("It was tried 4 times.", "Look at gpu1 and its GPUs first; `resume r-")
REACHED: Mapping[Reason, tuple[Callable[[House], Run], tuple[str, ...]]] = {
    Reason.SUBMITTED: (training, ("has not looked at it yet", "Number 1 of 1 in the queue: starts at once on gpu1 (GPU 0: A100)")),
    Reason.PREPARING: (moved(Reason.PREPARING), ("being resolved on a host", "starts at once on gpu1")),
    Reason.WAITING_FOR_GPU: (waits_for_gpu, ("Needs a device on gpu1: held by r-", "starts about 15:", "on gpu1.", "`top` shows")),
    Reason.WAITING_FOR_HOST: (drained, (f"gpu1 is drained by <@{BEN}>: nothing new starts there until", "`host resume gpu1`")),
    Reason.WAITING_FOR_ENVIRONMENT: (without_environment, ("No mmdet environment on gpu1. `host bootstrap gpu1` builds one.",)),
    Reason.WAITING_FOR_DATASET: (moved(Reason.WAITING_FOR_DATASET), ("`data add`",)),
    Reason.WAITING_FOR_RUN: (after_another, ("has to succeed first (working).", "is done about 15:")),
    Reason.WAITING_FOR_QUOTA: (
        over_quota, (f"The quota of <@{ADA}> is 1 device at a time, and r-", "holds 1: it waits", "starts about 15:"),
    ),
    Reason.WAITING_FOR_APPROVAL: (
        lambda house: decided(house, training(house)), ("more than 2 wait until an operator approves", "`approve r-"),
    ),
    Reason.HELD: (held, (f"Held by <@{BEN}>; `release r-",)),
    Reason.RETRYING: (crashes(Reason.GPU_FAULT), ("Attempt 2 follows.", "The next attempt begins at 14:33 CET.")),
    Reason.PREEMPTED: (lambda house: ends(house, stopped=Reason.PREEMPTED, by="signalbox"), ("gave its devices to r-high",)),
    Reason.STAGING: (moved(Reason.STAGING), ("being sent to the host", "not sent again")),
    Reason.LAUNCHING: (moved(Reason.STAGING, Reason.LAUNCHING), ("told to start it", "within seconds")),
    Reason.WORKING: (trains, ("It is at work.", "Done about 15:32 CET (in 1 h 00 min).")),
    Reason.UNREACHABLE: (
        unreachable, ("gpu1 does not answer (No answer within 10 s). The run most likely goes on", "It was last seen 14:32 CET"),
    ),
    Reason.UNCLEAR: (vanished, ("has vanished while the run was live", "`stop r-")),
    Reason.STOPPING: (stopping, (f"Asked by <@{BEN}>.", "it has 30 s to end by itself")),
    Reason.COMPLETED: (lambda house: ends(house, code=0), ("Best mAP 0.700 at epoch 6",)),
    Reason.BY_USER: (lambda house: ends(house, by=BEN), (f"Stopped by <@{BEN}>.", "`resume r-")),
    Reason.SUPERSEDED: (moved(Reason.SUPERSEDED), ("A newer run took its place.",)),
    Reason.BAD_SPEC: (crashes(Reason.BAD_SPEC), ()),
    Reason.GPU_FAULT: (lambda house: _at_last(house, Reason.GPU_FAULT), TRIED),
    Reason.COLLECTIVE_TIMEOUT: (lambda house: _at_last(house, Reason.COLLECTIVE_TIMEOUT), TRIED),
    Reason.LOST: (lambda house: _at_last(house, Reason.LOST), TRIED),
    Reason.TIME_LIMIT: (lambda house: ends(house, stopped=Reason.TIME_LIMIT, by="signalbox"), ("was reached", "`resume r-")),
    Reason.INTERNAL_ERROR: (refused(ValueError("x")), ("Signalbox itself failed", "for a report")),
}
"""How each is reached, and what has to be said; every other failure as its first case of a crash."""


def _at_last(house: House, reason: Reason) -> Run:
    """The fourth attempt failed like those before."""
    run = crashes(reason)(house)
    while run.state is State.PENDING:
        with house.store.writing() as db:
            number = run.attempt + 1
            attempt = attempts.begin(db, run, number=number, host="gpu1", root="/r", now=NOW)
            (house.settings.logs / f"{run.id}-{number}.log").write_text((house.settings.logs / f"{run.id}-1.log").read_text())
            progress.keep(db, attempt, [], progress.LogPosition(), now=NOW)
            run = runs.transition(db, runs.get(db, run.id), Reason.WORKING, now=NOW, attempt=number, host="gpu1")
            db.conn.execute("UPDATE progress SET epoch = epoch + 1")  # each a little further
            code = attempts.get(db, run.id, 1).exit_code
            attempts.note_exit(db, attempt, code=code, ended_at=NOW)
            run = conclude(house, run, attempts.get(db, run.id, number))
    return run


@pytest.mark.parametrize("reason", Reason)
def test_why_names_one_cause_and_what_to_do(tmp_path: Path, reason: Reason) -> None:
    house = house_for(tmp_path, reason)
    reach, fragments = REACHED.get(reason, (crashes(reason), ()))
    run = reach(house)
    if reason in (Reason.WAITING_FOR_GPU, Reason.WAITING_FOR_QUOTA):  # as the runner's next pass says
        place = queue.places(house)[run.id]
        assert place.reason is reason
    else:
        assert runs.get(house.store.reading(), run.id).reason is reason
    given = answer(house, somebody(), f"why {run.id}")
    assert given.ok, given.text
    head = given.text.split("*What to do:*")[0].splitlines()
    told = "\n".join([*head, given.text.split("*What to do:*")[1].splitlines()[0]])
    for fragment in fragments:
        assert fragment in told, fragment
    assert given.text.count("*What to do:*") == 1
    assert head[1].endswith("."), "a sentence"
    assert not re.search(r"(?<![@#])\b[UC]0[A-Z0-9]{5,}", told), "people by name"
    assert "tried again by itself" not in told or reason is Reason.RETRYING
    assert "None" not in told and "{" not in told
    assert_sendable(given.text, list(given.blocks))
