"""What may cost much waits until an operator approves it; who may not approve cannot, through whatever door."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from bot.notifier import notify
from bot.rendering import render
from runner.approving import unapproved
from runner.entities import Run
from runner.queue_scene import Learned
from runner.queueing.policy import Policy
from runner.service import approvals, outbox
from runner.service.house import House, open_house
from runner.settings import Role
from runner.specs import Turn
from runner.states import Reason
from runner.store import runs
from tests.support.payloads import assert_sendable
from tests.support.run_rows import SPEC, run_value
from tests.support.scripted_house import ScriptedHouse, scripted_house
from tests.support.words_house import ADA, BEN, somebody, training, words_house

TEN = Policy(approval_gpu_hours=10)


class Taught(Learned):
    """What earlier runs taught."""

    def __init__(self, lasts_s: float | None) -> None:
        self._lasts_s = lasts_s

    def lasts_s(self, run: Run) -> float | None:
        return self._lasts_s


def asking(run: Run, *, hours: float | None, policy: Policy = TEN) -> str:
    return unapproved(run, policy, lambda: Taught(None if hours is None else hours * 3600))


def of(*, gpus: int = 1, limit_h: float | None = None, **changes: object) -> Run:
    turn = Turn(limit_s=None if limit_h is None else limit_h * 3600)
    return run_value(spec=SPEC.model_copy(update={"gpus": gpus, "turn": turn}), **changes)


@pytest.mark.parametrize(
    ("run", "hours", "says"),
    [
        (of(), 10, ""),
        (of(), 10.5, "It may take 10.5 GPU-hours"),
        (of(gpus=4), 3, "It may take 12 GPU-hours"),
        (of(gpus=4, limit_h=2), 3, ""),  # it is stopped by then
        (of(), None, "Nobody knows yet how many GPU-hours it takes"),
        (of(limit_h=10), None, ""),
        (of(limit_h=11), None, "It may take 11 GPU-hours"),
        (of(approved_by="U9"), 99, ""),
        (of(attempt=1), 99, ""),  # what has begun is not asked about
    ],
)
def test_what_a_training_may_cost(run: Run, hours: float | None, says: str) -> None:
    found = asking(run, hours=hours)
    assert found.startswith(says) and bool(found) is bool(says)
    assert asking(run, hours=hours, policy=Policy()) == ""


def test_it_names_the_limit_the_line_and_the_way_around() -> None:
    way_around = "(with `--time 300m` it would need no approval)."
    assert asking(of(gpus=2), hours=9).endswith(f"more than 10 wait until an operator approves: `approve r-1` {way_around}")


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    access = made.settings.access.model_copy(update={"operators": (BEN, "U0CARL001"), "admins": (ADA,)})
    return replace(made, settings=made.settings.model_copy(update={"access": access, "queue": TEN}))


def waiting(house: House) -> Run:
    run = training(house)
    with house.store.writing() as db:
        return runs.transition(db, run, Reason.WAITING_FOR_APPROVAL, now=house.now(), detail="It may take 99 GPU-hours.")


def test_operators_are_asked_once_with_buttons_and_the_owner_is_not(house: House) -> None:
    run = waiting(house)
    with house.store.writing() as db:
        run = runs.transition(db, run, Reason.HELD, now=house.now())
        runs.transition(db, run, Reason.WAITING_FOR_APPROVAL, now=house.now())
    notify(house, home_channel=None)
    (request,) = [each for each in outbox.owed(house) if each.kind == "approval"]
    message = render(house, request)
    assert_sendable(message.text, message.blocks, mentions=2)
    assert f"<@{BEN}>" in message.text and f"<@{ADA}>" not in message.text
    assert [each["value"] for each in message.blocks[-1]["elements"]] == [  # type: ignore[attr-defined]
        f"approve {run.id}", f"approve {run.id} --refuse", f"show {run.id}",
    ]


@pytest.mark.parametrize("line", ["approve {run}", "approve {run} --refuse"])
@pytest.mark.parametrize(
    ("person", "role", "says"),
    [(BEN, Role.MEMBER, "one must be operator"), (BEN, Role.VIEWER, "one must be operator"), (ADA, Role.ADMIN, "is your own")],
)
def test_who_may_not_approve_cannot(house: House, line: str, person: str, role: Role, says: str) -> None:
    run = waiting(house)
    for door in ("slash", "mention", "button"):
        given = answer(house, somebody(person, role=role, door=door), line.format(run=run.id))
        assert not given.ok and says in given.text
    seen = runs.get(house.store.reading(), run.id)
    assert (seen.approved_by, seen.stop_requested_by) == (None, None)


def test_ones_own_where_the_settings_allow_it(house: House) -> None:
    run = waiting(house)
    own = replace(house, settings=house.settings.model_copy(update={"queue": TEN.model_copy(update={"approve_own": True})}))
    assert ADA in approvals.approvers(own, run)
    assert answer(own, somebody(ADA, role=Role.OPERATOR), f"approve {run.id}").ok


def test_what_was_decided_is_not_decided_again(house: House) -> None:
    run = waiting(house)

    def ask(person: str, line: str) -> Answer:
        return answer(house, somebody(person, role=Role.OPERATOR), line)

    assert ask(BEN, f"approve {run.id}").ok
    assert f"was approved by {BEN} before" in ask("U0CARL001", f"approve {run.id} --refuse").text
    other = waiting(house)
    assert ask(BEN, f'approve {other.id} --refuse --reason "next &lt;!channel&gt; week."').ok
    assert "does not wait for approval" in ask("U0CARL001", f"approve {other.id}").text
    notify(house, home_channel=None)
    (told,) = [each for each in outbox.owed(house) if "was refused" in str(each.body.get("text"))]
    assert str(told.body["text"]).startswith(f"<@{ADA}> {other.id} was refused: next &lt;!channel&gt; week.")


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedHouse]:
    with scripted_house(tmp_path / "house") as made:
        settings = made.house.settings.model_copy(update={"queue": TEN})
        house = open_house(settings)
        yield replace(made, house=house)
        house.store.close()


def test_the_runner_starts_it_once_it_is_approved(scripted: ScriptedHouse) -> None:
    run, quick = scripted.submit(), scripted.submit()
    with scripted.house.store.writing() as db:
        db.conn.execute("UPDATE runs SET spec = json_set(spec, '$.turn.limit_s', 60.0) WHERE id = ?", (quick.id,))
    with scripted.running():
        scripted.wait(run, Reason.WAITING_FOR_APPROVAL)
        scripted.wait(quick, Reason.COMPLETED)
        assert scripted.view(run).run.attempt == 0
        approvals.approve(scripted.house, scripted.who(person="U2", role=Role.OPERATOR), run.id)
        scripted.wait(run, Reason.COMPLETED)
