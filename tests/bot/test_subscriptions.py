"""Who hears what, where, when not, and all at once in the morning."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot import hours
from bot.answer import Answer
from bot.grammar import answer
from bot.notifier import notify
from bot.rendering import render
from runner.entities import Evaluation, Place, Run
from runner.service import digests, outbox
from runner.service.house import House
from runner.service.outbox import Delivery
from runner.settings import Role
from runner.states import Reason
from runner.store import attempts, events, progress, runs
from tests.support.payloads import assert_sendable
from tests.support.words_house import ADA, BEN, NOW, add_dataset, at_work, somebody, training, words_house

CHANNEL, ELSEWHERE = "C0TRAIN01", "C0OTHER01"


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish")
    access = made.settings.access.model_copy(update={"channels": (CHANNEL, ELSEWHERE)})
    return replace(made, settings=made.settings.model_copy(update={"access": access}))


def say(house: House, line: str, person: str = BEN, *, channel: str = CHANNEL, role: Role = Role.MEMBER) -> Answer:
    return answer(house, replace(somebody(person, role=role), place=Place(channel)), line)


def at(house: House, moment: datetime) -> House:
    return replace(house, now=lambda: moment)


def finished(house: House, run: Run, reason: Reason = Reason.COMPLETED, *, detail: str = "") -> None:
    with house.store.writing() as db:
        runs.transition(db, runs.get(db, run.id), reason, now=house.now(), detail=detail)


def owed_to(house: House, place: str) -> list[Delivery]:
    notify(house, home_channel=None)
    return [each for each in outbox.owed(house) if each.channel == place]


def texts(found: list[Delivery]) -> list[str]:
    return [str(each.body["text"]) for each in found if each.kind == "text"]


@pytest.mark.parametrize("what", ["fish", "rtmdet-nano", "all", "{run}"])
def test_a_person_hears_by_themselves_of_what_they_subscribed_to(house: House, what: str) -> None:
    run = at_work(house, training(house))
    assert say(house, f"subscribe {what.format(run=run.id)} results").ok
    finished(house, run)
    (told,) = owed_to(house, BEN)
    message = render(house, told)
    assert_sendable(message.text, message.blocks, mentions=0)
    assert message.text.startswith("✅ *rtmdet-nano on fish@2*") and "best mAP 0.700 at epoch 6" in message.text


@pytest.mark.parametrize(("levels", "heard"), [
    ("all", ["▶️", "epoch 3", "✅"]), ("epochs", ["epoch 3"]), ("results,failures", ["✅"]), ("failures", []), ("none", []),
])
def test_each_level_is_a_kind_of_news(house: House, levels: str, heard: list[str]) -> None:
    assert say(house, f"subscribe all {levels}").ok
    run = training(house)
    with house.store.writing() as db:
        run = runs.transition(db, run, Reason.LAUNCHING, now=NOW, attempt=1, host="gpu1")
        attempts.begin(db, run, number=1, host="gpu1", root="/r", now=NOW)
        run = runs.transition(db, run, Reason.WORKING, now=NOW)
        events.record(db, "evaluation", at=NOW, run_id=run.id, payload={"epoch": 3, "task": "bbox", "ap": 0.5, "best": False})
    finished(house, run)
    said = texts(owed_to(house, BEN))
    assert len(said) == len(heard) and all(word in text for word, text in zip(heard, said, strict=True))


def test_the_narrower_subscription_counts(house: House) -> None:
    loud, muted = at_work(house, training(house)), training(house)
    assert say(house, "subscribe all all").ok and say(house, f"subscribe {muted.id} none").ok
    for run in (loud, muted):
        finished(house, run, Reason.BAD_SPEC)
    assert [loud.id in text for text in texts(owed_to(house, BEN))] == [True]


def test_a_failure_is_told_with_its_cause_and_calls_nobody_twice(house: House) -> None:
    run = at_work(house, training(house))
    assert say(house, "subscribe fish failures").ok and say(house, "subscribe all --channel", channel=ELSEWHERE).ok
    finished(house, run, Reason.OUT_OF_MEMORY, detail="It needed <!channel> 12 GB.")
    for place in (BEN, ELSEWHERE):
        (text,) = texts(owed_to(house, place))
        assert "gpu out of memory" in text and "<!channel>" not in text and "<@" not in text
    assert [each.kind for each in owed_to(house, CHANNEL)] == ["card", "alert"]


def test_a_channel_of_its_own_may_have_failures_in_the_thread(house: House) -> None:
    run = at_work(house, training(house))
    assert say(house, "subscribe all results --channel").ok
    finished(house, run, Reason.OUT_OF_MEMORY)
    alert = next(each for each in owed_to(house, CHANNEL) if each.kind == "alert")
    assert render(house, alert).place == run.place


def test_who_may_not_look_any_more_hears_nothing(house: House) -> None:
    assert say(house, "subscribe all").ok and say(house, "subscribe all --channel", channel=ELSEWHERE).ok
    run = at_work(house, training(house))
    finished(house, run)
    closed = replace(house, settings=house.settings.model_copy(update={"access": house.settings.access.model_copy(
        update={"members": (ADA,), "channels": (CHANNEL,)})}))
    notify(closed, home_channel=None)
    assert {each.channel for each in outbox.owed(house)} == {CHANNEL}


def test_what_was_ended_is_not_heard(house: House) -> None:
    assert say(house, "subscribe fish").ok and "`fish`: results, failures" in say(house, "subscribe").text
    assert say(house, "unsubscribe fish").ok
    assert not say(house, "unsubscribe fish").ok
    finished(house, at_work(house, training(house)))
    assert not owed_to(house, BEN)


@pytest.mark.parametrize(("line", "says"), [
    ("subscribe fsh", "There is no run, preset or dataset 'fsh'"), ("subscribe fish loud", "loud is none of started"),
    ("quiet 22-7", "no time of day"), ("quiet 22:00", "no span of hours"), ("quiet 22:00-22:00", "begins and ends"),
    ("quiet 22:00-07:00 Europe/Belrin", "Did you mean Europe/Berlin?"), ("digest 25:00", "no time of day"),
])
def test_what_is_not_understood_is_said(house: House, line: str, says: str) -> None:
    given = say(house, line)
    assert not given.ok and says in given.text


def test_a_viewer_speaks_for_themselves_and_not_for_a_channel(house: House) -> None:
    assert say(house, "subscribe all", role=Role.VIEWER).ok
    for line in ("subscribe all --channel", "quiet 22:00-07:00 --channel", "digest 08:30 --channel", "unsubscribe --channel"):
        assert "one must be member" in say(house, line, role=Role.VIEWER).text


def test_quiet_hours_hold_back_what_is_not_urgent_and_say_it_once_at_their_end(house: House) -> None:
    assert say(house, "subscribe all").ok and say(house, "quiet 22:00-07:00 Europe/Berlin").ok
    night = datetime(2026, 11, 22, 1, 30, tzinfo=UTC)  # 02:30 in Berlin
    good, bad = at_work(house, training(house)), training(house)
    finished(at(house, night), good)
    finished(at(house, night), bad, Reason.BAD_SPEC)
    assert [bad.id in text for text in texts(owed_to(at(house, night), BEN))] == [True]  # what failed does not wait
    hours.step(at(house, night + timedelta(hours=4, minutes=29)))
    assert len(owed_to(at(house, night), BEN)) == 1
    morning = at(house, night + timedelta(hours=4, minutes=30))  # 07:00 in Berlin
    for _ in range(2):
        hours.step(morning)
    _, told = texts(owed_to(morning, BEN))
    assert told.startswith("*While it was quiet:*") and good.id in told and bad.id not in told


def alert_told(house: House, name: str, severity: str, *, why: str = "new", fresh: bool = True, over: bool = False) -> None:
    """The runner has told of a group of one alert, of a run of Ada's."""
    labels = {"alertname": name, "severity": severity, "host": "gpu1", "channel": CHANNEL, "run": "r-7f3k", "owner": ADA}
    listed = {
        "id": name, "short": "a-1", "labels": labels, "since": house.now().isoformat(), "until": house.now().isoformat() if over else None,
        "detail": f"{name} so and so",
    }
    firing, resolved = ([], [listed]) if over else ([listed], [])
    with house.store.writing() as db:
        events.record(db, "alert", at=house.now(), payload={
            "group": f"g-{name}", "receiver": "run", "why": why, "labels": {"alertname": name, "host": "gpu1", "channel": CHANNEL},
            "message": f"alert:{name}", "fresh": fresh, "firing": firing, "resolved": resolved, "fires": len(firing),
            "ended": len(resolved), "new": len(firing), "owners": [ADA], "of_runs": [],
        })  # fmt: skip


def alert_messages(house: House) -> list[Delivery]:
    return [each for each in owed_to(house, CHANNEL) if each.kind == "alert_group"]


def test_in_quiet_hours_only_critical_alerts_ring_and_no_other_is_lost(house: House) -> None:
    assert say(house, "quiet 22:00-07:00 Europe/Berlin --channel").ok
    evening, night = (at(house, datetime(2026, 11, day, hour, 30, tzinfo=UTC)) for day, hour in ((21, 20), (22, 1)))
    alert_told(evening, "gpu_hot", "warning")
    (stands,) = alert_messages(evening)
    with house.store.writing() as db:
        db.conn.execute("UPDATE deliveries SET state = 'sent', ts = '1.5' WHERE id = ?", (stands.id,))
    alert_told(night, "stalled", "critical")
    alert_told(night, "slow", "warning")
    alert_told(night, "slow", "warning", why="resolved", fresh=False, over=True)
    alert_told(night, "gpu_hot", "warning", why="resolved", fresh=False, over=True)
    urgent, edit = alert_messages(night)
    assert urgent.body["mentions"] and "stalled" in str(urgent.body["firing"])
    assert render(house, edit).edits == "1.5" and "over" in render(house, edit).text  # rings no phone
    alert_told(night, "idle_gpu", "info", why="repeat")
    assert len(alert_messages(night)) == 2
    morning = at(house, datetime(2026, 11, 22, 6, tzinfo=UTC))
    hours.step(morning)
    (told,) = texts(owed_to(morning, CHANNEL))
    for words in ("While it was quiet", "*Slow on gpu1* • gpu1, `r-7f3k`: slow so and so", "*Slow on gpu1*: over", "*Idle gpu on gpu1*"):
        assert words in told
    assert "stalled" not in told and ADA not in told
    assert outbox.held(house) == []
    alert_told(morning, "slow", "warning", why="resolved", fresh=False, over=True)  # of a message that never stood
    assert render(house, alert_messages(morning)[-1]).edits is None


def test_who_has_quiet_hours_is_not_mentioned_for_what_is_not_critical(house: House) -> None:
    assert say(house, "quiet 22:00-07:00 Europe/Berlin", ADA).ok
    night = at(house, datetime(2026, 11, 22, 1, 30, tzinfo=UTC))
    alert_told(night, "slow", "warning")
    alert_told(night, "stalled", "critical")
    slow, stalled = (render(house, each).text for each in alert_messages(night))
    assert ADA not in slow and ADA in stalled


def test_what_was_held_in_a_long_night_fits_into_a_message_that_slack_takes(house: House) -> None:
    assert say(house, "quiet 22:00-07:00 Europe/Berlin --channel").ok
    night = at(house, datetime(2026, 11, 22, 1, 30, tzinfo=UTC))
    for number in range(50):
        alert_told(night, f"rule_{number}_{'x' * 200}", "warning")
    notify(night, home_channel=None)
    hours.step(at(house, datetime(2026, 11, 22, 6, tzinfo=UTC)))
    (told,) = [each for each in outbox.owed(house) if each.id.startswith("news:")]
    message = render(house, told)
    assert_sendable(message.text, message.blocks, mentions=0)
    assert "rule_49_" in str(message.blocks) and "earlier messages left out here" in str(message.blocks)


@pytest.mark.parametrize(("hour", "quiet"), [(21, False), (22, True), (3, True), (6, True), (7, False), (12, False)])
def test_hours_go_over_midnight_in_their_own_zone(house: House, hour: int, quiet: bool) -> None:
    assert say(house, "quiet 22:00-07:00 Asia/Tokyo").ok
    from runner.service.subscriptions import hours_of

    assert hours_of(house, BEN).quiet(datetime(2026, 5, 1, (hour - 9) % 24, tzinfo=UTC)) is quiet


def test_the_digest_comes_once_a_day_at_its_time_with_what_ran(house: House) -> None:
    earlier = at_work(house, training(house), best_epoch=2)
    with house.store.writing() as db:
        db.conn.execute("UPDATE evaluations SET ap = 0.6 WHERE ap = 0.7")
        db.conn.execute("UPDATE runs SET created_at = '2026-11-01T00:00:00.000000Z' WHERE id = ?", (earlier.id,))
        runs.transition(db, runs.get(db, earlier.id), Reason.COMPLETED, now=NOW - timedelta(days=3))
        db.conn.execute("UPDATE attempts SET devices = 2, claimed_at = '2026-11-21T11:32:00.000000Z' WHERE 1")
    with house.store.writing() as db:
        db.conn.execute("DELETE FROM leases")
    run = at_work(house, training(house))
    with house.store.writing() as db:
        db.conn.execute(
            "UPDATE attempts SET devices = 2, claimed_at = '2026-11-21T11:32:00.000000Z', ended_at = ? WHERE run_id = ?",
            ("2026-11-21T13:02:00.000000Z", run.id),
        )
    finished(house, run)
    failed = training(house)
    finished(house, failed, Reason.BAD_SPEC)
    assert say(house, "digest 08:30 Europe/Berlin --channel").ok
    hours.step(house)  # 14:32 in Berlin: today's time has passed
    assert not [each for each in outbox.owed(house) if each.id.startswith("digest")]
    found = digests.digest(house, CHANNEL, until=house.now())
    assert (found.gpu_hours, [each.id for each in found.failed]) == (3.0, [failed.id])
    for moment in (NOW + timedelta(hours=17), NOW + timedelta(hours=18), NOW + timedelta(hours=19)):  # 07:32, 08:32, 09:32
        hours.step(at(house, moment))
    (told,) = [each for each in outbox.owed(house) if each.id.startswith("digest")]
    message = render(house, told)
    assert_sendable(message.text, message.blocks, mentions=0)
    assert "2 runs ended, 3.0 GPU-hours, 1 failure." in message.text
    assert f"`{run.id}`: mAP 0.700 (+0.100 against the best before)" in message.text and f"`{failed.id}`: " in message.text


def test_a_day_in_which_nothing_ran_is_not_told(house: House) -> None:
    assert say(house, "digest 08:30 UTC --channel", channel=ELSEWHERE).ok
    hours.step(at(house, NOW + timedelta(days=1)))
    assert not outbox.owed(house)
    assert "Nothing ran" in say(house, "digest", channel=ELSEWHERE).text


def test_epochs_of_a_subscribed_channel_come_in_the_thread(house: House) -> None:
    run = at_work(house, training(house))
    assert say(house, "subscribe all epochs,failures --channel").ok
    with house.store.writing() as db:
        attempt = attempts.get(db, run.id, 1)
        progress.keep(db, attempt, [Evaluation(7, "bbox", 0.2)], progress.LogPosition(200), now=NOW)
        events.record(db, "evaluation", at=NOW, run_id=run.id, payload={"epoch": 7, "task": "bbox", "ap": 0.2, "best": False})
    (told,) = [each for each in owed_to(house, CHANNEL) if "epoch 7" in str(each.body.get("text"))]
    assert render(house, told).place.thread == run.place.thread
