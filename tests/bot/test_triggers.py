"""Triggers: what happens, which of them it fires, and that each firing is carried out once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.firings import carry_out_due
from bot.grammar import tried
from bot.settings import SlackSettings
from runner.entities import Place, Run
from runner.errors import NotAllowedError, RequestError
from runner.service import triggers
from runner.service.house import House
from runner.service.triggers import Outcome
from runner.settings import Role
from runner.specs import DatasetRef, IngestSpec, Kind, TrainSpec
from runner.states import Reason
from runner.store import events, outbox, runs
from runner.trigger_words import EXAMPLES, Happening, When, parse_when
from tests.support.words_house import ADA, add_dataset, at_work, ended, somebody, training, words_house

COOLDOWN = timedelta(minutes=10)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish")
    add_dataset(made, "fish")
    return made


def add(house: House, words: str, command: str = "ps", *, cooldown: timedelta = COOLDOWN, dry_run: bool = False) -> triggers.Trigger:
    return triggers.add(house, somebody(role=Role.OPERATOR), words=words, command=command, cooldown=cooldown, dry_run=dry_run)


def trained(house: House, reason: Reason = Reason.COMPLETED, *, parent_id: str | None = None, best_epoch: int = 6) -> Run:
    """A training that ended; its best mAP is 0.7, or with ``best_epoch=0`` 0.086."""
    return ended(house, at_work(house, training(house, parent_id=parent_id), best_epoch=best_epoch), reason)


def came_in(house: House, reference: str, *, request_id: str | None = None) -> Run:
    """An import that made that dataset version."""
    spec = IngestSpec(archive="/inbox/a.zip", dataset="fish", file_name="a.zip")
    with house.store.writing() as db:
        run = runs.submit(db, spec, owner=ADA, place=Place("C1"), now=house.now(), request_id=request_id)
        runs.keep_result(db, run.id, {"reference": reference})
    return ended(house, run, Reason.COMPLETED)


def outcomes(house: House, trigger: triggers.Trigger) -> list[Outcome]:
    while triggers.look(house):
        pass
    return [each.outcome for row, firings in triggers.all_triggers(house) if row.id == trigger.id for each in firings]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("new data fish", When(Happening.DATA, dataset="fish")),
        ("New version of fish", When(Happening.DATA, dataset="fish")),
        ("mAP below 0.5 of rtmdet-nano on fish", When(Happening.BELOW, "rtmdet-nano", "fish", 0.5)),
        ("map dropped by .02 on fish", When(Happening.DROPPED, None, "fish", 0.02)),
        ("failure", When(Happening.FAILURE)),
        ("success of rtmdet-nano", When(Happening.SUCCESS, "rtmdet-nano")),
        ("alert stalled", When(Happening.ALERT, alert="stalled")),
    ],
)
def test_words_say_what_is_waited_for(text: str, when: When) -> None:
    assert parse_when(text) == when


@pytest.mark.parametrize("text", ["", "new data", "mAP below 5 on fish", "mAP near 0.5", "failure on", "x" * 300, "alert a b"])
def test_what_is_not_understood_is_refused_with_lines_that_are(text: str) -> None:
    with pytest.raises(RequestError, match="new data fish"):
        parse_when(text)


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_lines_that_errors_show_are_understood(line: str) -> None:
    assert parse_when(line)


@pytest.mark.parametrize(
    ("words", "fires"),
    [
        ("success of rtmdet-nano on fish", True), ("success on shark", False), ("success of yolox on fish", False),
        ("failure on fish", False),
        ("mAP above 0.6 on fish", True), ("mAP above 0.7 on fish", False), ("mAP below 0.71", True), ("mAP dropped by 0.01", False),
        ("new data fish", False), ("alert stalled", False),
    ],
)
def test_a_training_that_succeeds_fires_what_waits_for_that(house: House, words: str, fires: bool) -> None:
    trigger = add(house, words)
    trained(house)
    assert outcomes(house, trigger) == ([Outcome.FIRED] if fires else [])


def test_a_drop_against_the_parent_and_a_failure_fire(house: House) -> None:
    parent = trained(house)
    drop, failure = add(house, "mAP dropped by 0.6 on fish"), add(house, "failure on fish")
    trained(house, parent_id=parent.id, best_epoch=0)
    trained(house, Reason.CODE_ERROR)
    assert outcomes(house, drop) == [Outcome.FIRED]
    assert outcomes(house, failure) == [Outcome.FIRED]


def test_what_happened_before_a_trigger_and_while_it_is_paused_does_not_count(house: House) -> None:
    trained(house)
    trigger = add(house, "success on fish")
    assert outcomes(house, trigger) == []
    triggers.pause(house, somebody(), trigger.id)
    trained(house)
    assert outcomes(house, trigger) == []
    triggers.pause(house, somebody(), trigger.id, paused=False)
    trained(house)
    assert outcomes(house, trigger) == [Outcome.FIRED]


def test_within_its_cooldown_it_does_not_fire_again_and_a_dry_run_only_notes(house: House) -> None:
    trigger, dry = add(house, "success on fish"), add(house, "success on fish", dry_run=True)
    trained(house)
    trained(house)
    assert outcomes(house, trigger) == [Outcome.COOLING, Outcome.FIRED]
    assert outcomes(house, dry) == [Outcome.DRY_RUN, Outcome.DRY_RUN]
    later = replace(house, now=lambda: house.now() + COOLDOWN)
    trained(house)
    assert outcomes(later, trigger)[0] is Outcome.FIRED
    assert {each.id for each, _ in triggers.ready(house)} == {trigger.id}


def test_a_trigger_never_fires_for_what_it_made_itself(house: House) -> None:
    """A's convert makes new data, which fires B, whose import makes data that A waits for as well: A stops there."""
    a, b = add(house, "new data fish", cooldown=timedelta()), add(house, "new data pike", cooldown=timedelta())
    first = came_in(house, "fish@1")
    assert outcomes(house, a) == [Outcome.FIRED]
    [(_, firing)] = triggers.ready(house)
    second = came_in(house, "pike@1", request_id=triggers.requester(house, a, firing).request_id)
    assert outcomes(house, b) == [Outcome.FIRED]
    of_b = next(each for trigger, each in triggers.ready(house) if trigger.id == b.id)
    came_in(house, "fish@2", request_id=triggers.requester(house, b, of_b).request_id)
    assert outcomes(house, a) == [Outcome.OWN_PRODUCT, Outcome.FIRED]
    assert first.id in firing.because and second.id in of_b.because


def test_an_alert_fires_once_however_often_its_group_is_told(house: House) -> None:
    trigger = add(house, "alert stalled", "stop {run}", cooldown=timedelta())
    run = training(house)
    alert = {"id": "x1", "since": "2026-11-21T00:00:00Z", "labels": {"alertname": "stalled", "run": run.id}}
    for _ in range(2):
        with house.store.writing() as db:
            events.record(db, "alert", at=house.now(), payload={"firing": [alert], "why": "first"})
        assert outcomes(house, trigger) == [Outcome.FIRED]
    assert triggers.ready(house)[0][1].command == f"stop {run.id}"


def test_a_firing_is_carried_out_once_with_names_filled_in_and_told_in_its_channel(house: House) -> None:
    trigger = add(house, "new data fish", "run rtmdet-nano on {data}")
    came_in(house, "fish@2")
    assert outcomes(house, trigger) == [Outcome.FIRED]
    assert carry_out_due(house, SlackSettings()) == 1
    assert carry_out_due(house, SlackSettings()) == 0
    trains = [run.spec for run in runs.newest(house.store.reading(), limit=10) if run.kind is Kind.TRAIN]
    assert [spec.dataset for spec in trains if isinstance(spec, TrainSpec)] == [
        DatasetRef(name="fish", version=2, fingerprint=house.catalog.get("fish@2").fingerprint, format="coco")
    ]
    [owed] = [each for each in outbox.owed(house.store.reading()) if each.id.startswith("answer:trigger:")]
    assert trigger.id in str(owed.body["text"])
    assert "made fish@2" in str(owed.body["text"])


def test_a_name_from_outside_is_one_word_of_the_command(house: House) -> None:
    trigger = add(house, "alert gpu_hot", "show {host}")
    alert = {"id": "x1", "since": "s", "labels": {"alertname": "gpu_hot", "host": "a; stop r-1 --yes"}}
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload={"firing": [alert]})
    assert outcomes(house, trigger) == [Outcome.FIRED]
    assert triggers.ready(house)[0][1].command == "show 'a; stop r-1 --yes'"


def test_an_alert_that_no_rule_makes_is_refused_with_the_nearest(house: House) -> None:
    with pytest.raises(RequestError, match="Did you mean stalled"):
        add(house, "alert stall")


def test_a_verb_that_there_is_not_is_refused_at_once(house: House) -> None:
    told, _ = tried(house, somebody(), 'trigger add "failure on fish" resmue {run}')
    assert not told.ok and "resume" in told.text


@pytest.mark.parametrize("command", ["", " ", "trigger list", 'schedule add "every day 02:30" ps'])
def test_a_command_that_makes_no_sense_is_refused(house: House, command: str) -> None:
    with pytest.raises(RequestError):
        add(house, "failure", command)


def test_only_its_owner_or_an_operator_changes_a_trigger_and_a_viewer_adds_none(house: House) -> None:
    trigger = add(house, "failure")
    other = somebody("U0BO00001")
    for change in (triggers.pause, triggers.remove):
        with pytest.raises(NotAllowedError, match="somebody else's trigger"):
            change(house, other, trigger.id)
    with pytest.raises(NotAllowedError, match="must be member"):
        triggers.add(house, somebody(role=Role.VIEWER), words="failure", command="ps", cooldown=COOLDOWN)
    assert triggers.remove(house, somebody("U0BO00001", role=Role.OPERATOR), trigger.id.removeprefix("t-").upper()).id == trigger.id
    with pytest.raises(RequestError, match="no trigger t-nope"):
        triggers.pause(house, other, "nope")


NIGHTS = Path(__file__).parents[2] / "deploy" / "nights.md"


@pytest.mark.parametrize("line", [line for block in NIGHTS.read_text().split("```")[1::2] for line in block.strip().splitlines()])
def test_the_lines_of_the_guide_work(house: House, line: str) -> None:
    told, _ = tried(house, somebody(), line)
    assert told.ok, told.text


def test_an_event_that_cannot_be_read_stops_none_of_those_after_it(house: House) -> None:
    trigger = add(house, "success on fish")
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload={"firing": ["no alert"]})
    trained(house)
    assert outcomes(house, trigger) == [Outcome.FIRED]
