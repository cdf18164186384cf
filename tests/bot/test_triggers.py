"""Triggers: what happens, which of them it fires, and that each firing is carried out once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.firings import carry_out_due
from bot.grammar import answer, tried
from bot.settings import SlackSettings
from bot.typed_text import split_like_a_shell
from runner.alerts.configuration import AlertSettings
from runner.alerts.engine import payload
from runner.alerts.routing import Alert, State, step
from runner.entities import Place, Run
from runner.errors import NotAllowedError, RequestError
from runner.service import hooks, standing_orders, triggers
from runner.service.causes import EXAMPLES, AlertFires, Cause, NewData, Result, RunEnded, parse_cause
from runner.service.house import House
from runner.service.standing_orders import TRIGGERS
from runner.service.triggers import Outcome
from runner.settings import Role
from runner.specs import DatasetRef, IngestSpec, Kind, TrainSpec
from runner.states import Reason
from runner.store import events, outbox, runs
from tests.support.words_house import ADA, add_dataset, at_work, ended, somebody, training, words_house

COOLDOWN = timedelta(minutes=10)


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish")
    add_dataset(made, "fish")
    add_dataset(made, "shark")
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
        ("new data fish", NewData("fish")),
        ("New version of fish", NewData("fish")),
        ("mAP below 0.5 of rtmdet-nano on fish", Result("below", "0.5", "rtmdet-nano", "fish")),
        ("map dropped by .02 on fish", Result("dropped by", ".02", None, "fish")),
        ("failure", RunEnded("failure")),
        ("success of rtmdet-nano", RunEnded("success", "rtmdet-nano")),
        ("alert stalled", AlertFires("stalled")),
    ],
)
def test_words_say_what_is_waited_for(text: str, when: Cause) -> None:
    assert parse_cause(text) == when


@pytest.mark.parametrize("text", ["", "new data", "mAP below 5 on fish", "mAP near 0.5", "failure on", "x" * 300, "alert a b"])
def test_what_is_not_understood_is_refused_with_lines_that_are(text: str) -> None:
    with pytest.raises(RequestError, match="new data fish"):
        parse_cause(text)


@pytest.mark.parametrize("line", EXAMPLES)
def test_the_lines_that_errors_show_are_understood(line: str) -> None:
    assert parse_cause(line)


@pytest.mark.parametrize(
    ("words", "fires"),
    [
        ("success of rtmdet-nano on fish", True), ("success on shark", False), ("success of yolox-s on fish", False),
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
    standing_orders.pause(house, somebody(), TRIGGERS, trigger.id)
    trained(house)
    assert outcomes(house, trigger) == []
    standing_orders.pause(house, somebody(), TRIGGERS, trigger.id, paused=False)
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
    second = came_in(house, "pike@1", request_id=standing_orders.requester(house, TRIGGERS, a, firing.key).request_id)
    assert outcomes(house, b) == [Outcome.FIRED]
    of_b = next(each for trigger, each in triggers.ready(house) if trigger.id == b.id)
    came_in(house, "fish@2", request_id=standing_orders.requester(house, TRIGGERS, b, of_b.key).request_id)
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


def test_each_alert_of_a_storm_fires(house: House) -> None:
    trigger = add(house, "alert stalled", "log {run}", cooldown=timedelta())
    storm = [Alert({"alertname": "stalled", "severity": "critical", "run": f"r-{number}"}, house.now()) for number in range(300)]
    settings = AlertSettings.model_validate({"route": {"receiver": "home", "group_by": ["alertname"], "group_wait": "0s"}})
    state, (told,) = step(State(), storm, settings, house.now())
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload=payload(told, state.log[told.key]))
    outcomes(house, trigger)
    assert {firing.command for _, firing in triggers.ready(house)} == {f"log r-{number}" for number in range(300)}


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


HOSTILE = ("a; stop r-1 --yes", "a' --yes 'b", 'a" --yes "b', "{run}", "{alert}", "a\\", "`x`")


@pytest.mark.parametrize("quotes", ["", '"', "'"])
@pytest.mark.parametrize("host", HOSTILE)
def test_a_name_from_outside_is_one_word_of_the_command(house: House, host: str, quotes: str) -> None:
    trigger = add(house, "alert gpu_hot", f"show {quotes}{{host}}{quotes} -n 100")
    fire_alert(house, host)
    assert outcomes(house, trigger) == [Outcome.FIRED]
    assert split_like_a_shell(triggers.ready(house)[0][1].command) == ["show", host, "-n", "100"]


@pytest.mark.parametrize("host", ["--yes", "-n", "epochs=9"])
def test_a_name_from_outside_never_becomes_an_option(house: House, host: str) -> None:
    trigger = add(house, "alert gpu_hot", "show {host}")
    fire_alert(house, host)
    assert outcomes(house, trigger) == [Outcome.UNSAFE]
    assert triggers.ready(house) == []


def fire_alert(house: House, host: str) -> None:
    alert = {"id": "x1", "since": "s", "labels": {"alertname": "gpu_hot", "host": host}}
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload={"firing": [alert]})


@pytest.mark.parametrize(("words", "said"), [
    ("alert stall", "mean stalled"), ("failure on fsh", "mean fish"), ("mAP below 0.5 of rtmdet-nno", "mean rtmdet-nano"),
])  # fmt: skip
def test_what_can_never_happen_is_refused_with_the_nearest_that_can(house: House, words: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        add(house, words)


def test_a_name_that_its_cause_does_not_know_is_refused(house: House) -> None:
    with pytest.raises(RequestError, match=r"has no \{alert\}; its command may name \{run\}, \{data\}"):
        add(house, "failure on fish", "silence {alert} --for 1h --reason x")


@pytest.mark.parametrize(("line", "said"), [
    ('trigger add "failure on fish" resmue {run}', "resume"),
    ('trigger add "alert stalled" stop {run}', 'stop "{run}" --yes'),
    ('trigger add "failure on fish" resume {run} --epoch 3', "--epochs"),
    ('trigger add "new data fish" retrain rtmdet-nano on fish {data}', "too much"),
    ('trigger add "new data fish" retrain rtmdet-nno on {data}', "rtmdet-nano"),
])  # fmt: skip
def test_a_line_that_cannot_be_carried_out_is_refused_at_once(house: House, line: str, said: str) -> None:
    told, _ = tried(house, somebody(), line)
    assert not told.ok and said in told.text


def test_removing_asks_first_and_an_id_is_found_by_what_is_near(house: House) -> None:
    trigger = add(house, "failure on fish")
    asked = answer(house, somebody(role=Role.OPERATOR), f"trigger remove {trigger.id}")
    assert "Remove" in asked.text and triggers.all_triggers(house)
    nearly, _ = tried(house, somebody(role=Role.OPERATOR), f"trigger pause {trigger.id}x")
    assert not nearly.ok and f"Did you mean {trigger.id}?" in nearly.text
    gone = answer(house, somebody(role=Role.OPERATOR), f"trigger remove {trigger.id[2:]} --yes")
    assert "forgotten" in gone.text and not triggers.all_triggers(house)


@pytest.mark.parametrize("command", ["", " ", "trigger list", 'schedule add "every day 02:30" ps'])
def test_a_command_that_makes_no_sense_is_refused(house: House, command: str) -> None:
    with pytest.raises(RequestError):
        add(house, "failure", command)


def test_only_its_owner_or_an_operator_changes_a_trigger_and_a_viewer_adds_none(house: House) -> None:
    trigger = add(house, "failure")
    other = somebody("U0BO00001")
    for change in (standing_orders.pause, standing_orders.remove):
        with pytest.raises(NotAllowedError, match="somebody else's trigger"):
            change(house, other, TRIGGERS, trigger.id)
    with pytest.raises(NotAllowedError, match="must be member"):
        triggers.add(house, somebody(role=Role.VIEWER), words="failure", command="ps", cooldown=COOLDOWN)
    operator = somebody("U0BO00001", role=Role.OPERATOR)
    assert standing_orders.remove(house, operator, TRIGGERS, trigger.id.removeprefix("t-").upper()).id == trigger.id
    with pytest.raises(RequestError, match="no trigger t-nope"):
        standing_orders.pause(house, other, TRIGGERS, "nope")


NIGHTS = Path(__file__).parents[2] / "deploy" / "nights.md"


@pytest.mark.parametrize("line", [line for block in NIGHTS.read_text().split("```")[1::2] for line in block.strip().splitlines()])
def test_the_lines_of_the_guide_work(house: House, line: str) -> None:
    told, _ = tried(house, somebody(role=Role.OPERATOR), line)
    assert told.ok, told.text


def test_an_event_that_cannot_be_read_stops_none_of_those_after_it(house: House) -> None:
    trigger = add(house, "success on fish")
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload={"firing": ["no alert"]})
    trained(house)
    assert outcomes(house, trigger) == [Outcome.FIRED]


def told_by_hook(house: House, name: str = "DiskFailing", *, key: str = "k1", resolved: bool = False, **labels: str) -> None:
    hooks.keep(house, [hooks.HookCall(key, name, labels, resolved)])


@pytest.mark.parametrize(
    ("words", "fires"),
    [
        ("hook DiskFailing", True), ("hook diskfailing", True), ("hook DiskFull", False), ("hook DiskFailing resolved", False),
        ("hook DiskFailing where severity=critical and host!=gpu2", True), ("hook DiskFailing where severity=info", False),
    ],
)
def test_a_hook_fires_what_waits_for_its_name_and_labels(house: House, words: str, fires: bool) -> None:
    trigger = add(house, words, "host drain {host}")
    told_by_hook(house, severity="critical", host="gpu1")
    assert outcomes(house, trigger) == ([Outcome.FIRED] if fires else [])
    assert [firing.command for _, firing in triggers.ready(house)] == (["host drain gpu1"] if fires else [])


def test_the_end_of_what_a_hook_told_fires_only_what_asks_for_it(house: House) -> None:
    begins, ends = add(house, "hook DiskFailing", "host drain {host}"), add(house, "hook DiskFailing resolved", "host resume {host}")
    told_by_hook(house, key="end", resolved=True, host="gpu1")
    assert (outcomes(house, begins), outcomes(house, ends)) == ([], [Outcome.FIRED])


def test_a_hook_may_name_any_of_its_labels_and_only_what_a_command_names_has_to_be_safe(house: House) -> None:
    trigger = add(house, "hook DiskFailing", "say {instance} {told}", cooldown=timedelta())
    told_by_hook(house, instance="gpu1:9100 <!channel>", expr="-1 < x")
    told_by_hook(house, key="k2", instance="--to")
    told_by_hook(house, key="k3", instance="gpu1\n2026-11-21 INFO all is well")
    assert outcomes(house, trigger) == [Outcome.UNSAFE, Outcome.UNSAFE, Outcome.FIRED]
    assert split_like_a_shell(triggers.ready(house)[0][1].command) == ["say", "gpu1:9100 <!channel>", "{told}"]


def test_a_trigger_fires_no_more_than_its_most_an_hour(house: House) -> None:
    trigger = triggers.add(house, somebody(role=Role.OPERATOR), words="hook DiskFailing", command="ps", most=2)
    for key in ("a", "b", "c"):
        told_by_hook(house, key=key)
    assert sorted(outcomes(house, trigger)) == [Outcome.FIRED, Outcome.FIRED, Outcome.TOO_OFTEN]
    later = replace(house, now=lambda: house.now() + timedelta(minutes=61))
    told_by_hook(later, key="d")
    assert outcomes(later, trigger)[0] is Outcome.FIRED
    assert len(triggers.ready(house)) == 3


def test_a_run_that_a_hook_names_does_not_fire_what_made_it(house: House) -> None:
    trigger = add(house, "hook Slow", "retry {run}")
    made = came_in(house, "fish@3", request_id=f"trigger:{trigger.id}:x")
    told_by_hook(house, "Slow", run=made.id)
    assert outcomes(house, trigger) == [Outcome.OWN_PRODUCT]


@pytest.mark.parametrize(("words", "said"), [("hook X where a~b", "no matcher"), ("hook X where a=b and c=~d+", "no patterns")])
def test_what_a_hook_cannot_be_compared_with_is_refused(house: House, words: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        add(house, words)


def test_a_trigger_of_an_earlier_release_that_means_nothing_now_says_so_and_stops_none_of_the_others(house: House) -> None:
    old, trigger = add(house, "failure on fish"), add(house, "success on fish")
    with house.store.writing() as db:
        db.conn.execute("UPDATE triggers SET words = 'full moon' WHERE id = ?", (old.id,))
    trained(house)
    trained(house)
    assert outcomes(house, trigger) == [Outcome.COOLING, Outcome.FIRED]
    assert outcomes(house, old) == [Outcome.BLIND]
    assert triggers.waiting_for_files(house) == []


def test_a_path_with_an_equals_sign_is_no_option(house: House) -> None:
    told, _ = tried(house, somebody(role=Role.OPERATOR), "data add fish gpu1:/data/a=b.zip")
    assert told.ok, told.text
    told, _ = tried(house, somebody(role=Role.OPERATOR), "data add fish model.depth=1")
    assert not told.ok and "has no option `model.depth`" in told.text
