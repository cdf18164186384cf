"""Nights: retrain, measure against the champion, promote or keep; on a real host with the scripted framework."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.notifier import notify
from recipes.ingest import ingest
from runner.errors import NotAllowedError, RequestError
from runner.service import outbox, presets, retraining
from runner.service.retraining import Challenge, Retraining, Rule, Verdict
from runner.settings import Role
from runner.specs import Overrides, StartMode, TrainSpec
from runner.states import Reason
from runner.store import champions, progress, runs
from tests.support.scripted_house import ScriptedHouse, scripted_house, write_coco

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedHouse]:
    with scripted_house(tmp_path) as house:
        yield house


def begin(scripted: ScriptedHouse, *, epochs: int = 3, options: tuple[str, ...] = (), **challenge: object) -> tuple[Retraining, bool]:
    asked = Challenge(**challenge)  # type: ignore[arg-type]
    changed = Overrides(epochs=epochs, options=options)
    return retraining.retrain(scripted.house, scripted.who(), preset="quick", dataset="fish", challenge=asked, overrides=changed)


def settle(scripted: ScriptedHouse, begun: Retraining) -> Retraining:
    """Let the runner and the bot work until there is a verdict."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        retraining.advance(scripted.house)
        found = retraining.retraining_with(scripted.house, begun.run_id)
        assert found is not None
        if found.verdict:
            return found
        time.sleep(0.05)
    raise AssertionError("no verdict in time")


def night(scripted: ScriptedHouse, **asked: object) -> Retraining:
    begun, new = begin(scripted, **asked)  # type: ignore[arg-type]
    assert new
    return settle(scripted, begun)


def new_data(scripted: ScriptedHouse, images: int) -> None:
    folder = scripted.house.settings.state / f"more-{images}"
    ingest(scripted.house.catalog, write_coco(folder, images=images), name="fish", created_at=datetime.now(UTC))


def test_nights_of_one_dataset_promote_the_better_and_keep_the_champion_from_the_worse(scripted: ScriptedHouse) -> None:
    with scripted.running():
        first = night(scripted)
        assert (first.verdict, first.why) == (Verdict.PROMOTED, "It is the first: mAP 0.600.")

        same, new = begin(scripted)
        assert (same.run_id, new) == (first.run_id, False)

        new_data(scripted, images=3)
        worse = night(scripted, epochs=2)
        assert worse.verdict is Verdict.KEPT
        assert "0.400 against 0.600 (-0.200), but fish lost 0.200" in worse.why
        assert (worse.test, worse.split) == ("fish@1", "val"), "measured on what the first was measured on"
        spec = runs.get(scripted.house.store.reading(), worse.run_id).spec
        assert isinstance(spec, TrainSpec)
        assert (str(spec.dataset), spec.start.mode, spec.start.run_id) == ("fish@2", StartMode.FINETUNE, first.run_id)

        better = night(scripted, epochs=4, test="fish", scratch=True)
        assert (better.verdict, better.test, better.champion_id) == (Verdict.PROMOTED, "fish@2", first.run_id)
    house, who = scripted.house, scripted.who()
    assert [each.run_id for each in retraining.all_champions(house)] == [better.run_id]
    gone, again = retraining.rollback(house, who, "quick", "fish")
    assert (gone.run_id, again and again.run_id) == (better.run_id, first.run_id)
    assert retraining.promote(house, who, worse.run_id).run_id == worse.run_id
    assert [each.run_id for each in retraining.history(house, "quick", "fish")] == [worse.run_id, better.run_id, first.run_id]


def test_a_night_is_one_card_and_not_four_messages(scripted: ScriptedHouse) -> None:
    with scripted.running():
        first = night(scripted)
    while notify(scripted.house, home_channel="C1"):
        pass
    owed = [(each.kind, each.run_id) for each in outbox.owed(scripted.house) if each.kind in ("result", "retraining")]
    cards = [each.run_id for each in outbox.owed(scripted.house) if each.id == f"card:{each.run_id}"]
    assert owed == [("retraining", first.run_id)]
    assert cards == [first.run_id]


def test_a_training_that_crashes_by_night_ends_the_retraining_and_the_next_night_tries_again(scripted: ScriptedHouse) -> None:
    with scripted.running():
        crashed = night(scripted, options=("fail_at_epoch=1", 'message="KeyError: 7"'))
        assert crashed.verdict is Verdict.FAILED
        assert crashed.why.startswith("The training ended:")
        again = night(scripted, options=("fail_at_epoch=1", 'message="KeyError: 7"'))
        assert again.run_id != crashed.run_id
    assert retraining.all_champions(scripted.house) == []


def test_a_crash_between_training_and_verdict_is_made_good(scripted: ScriptedHouse) -> None:
    """Every step is one transaction: whoever looks next goes on, and nothing is measured twice."""
    begun, _ = begin(scripted)
    with scripted.running():
        scripted.wait(runs.get(scripted.house.store.reading(), begun.run_id), Reason.COMPLETED)
        assert retraining.advance(scripted.house) == 1
        measured = retraining.retraining_with(scripted.house, begun.run_id)
        assert measured is not None and measured.eval_id is not None
        again = replace(scripted.house)  # another process that begins to look
        assert retraining.advance(again) == 0
        settled = settle(replace(scripted, house=again), begun)
    assert settled.eval_id == measured.eval_id
    assert retraining.advance(scripted.house) == 0


def test_the_noise_is_what_repeated_evaluations_of_the_champion_differ_by(scripted: ScriptedHouse) -> None:
    with scripted.running():
        first = night(scripted)
        second = night(scripted, epochs=2, always=True)
        with scripted.house.store.writing() as db:  # as if that evaluation of the champion had come out otherwise
            db.conn.execute("UPDATE evaluations SET ap = 0.35 WHERE run_id = ?", (second.champion_eval_id,))
        third = night(scripted, epochs=4, always=True, rule=Rule(most_loss=1.0))
    assert third.champion_id == first.run_id
    assert (third.verdict, third.why.partition(": ")[2]) == (Verdict.KEPT, "not more than the noise of repeated evaluation, 0.250.")
    db = scripted.house.store.reading()
    assert len(champions.evaluations_at(db, first.run_id, "fish@1", "val")) == 3
    assert third.eval_id is not None
    assert progress.evaluations(db, third.eval_id)[0].ap == 0.8


def test_what_it_is_measured_on_is_not_trained_on(scripted: ScriptedHouse) -> None:
    house = scripted.house
    folder = write_coco(house.settings.state / "leaky", images=3, size=(40, 24))
    for number in (2, 3):  # under another name, and the same content all the same
        shutil.copyfile(folder / "images" / f"val_{number}.jpg", folder / "images" / f"train_{number}.jpg")
    ingest(house.catalog, folder, name="leaky", created_at=datetime.now(UTC))
    asked = {"preset": "quick", "dataset": "leaky"}
    with pytest.raises(RequestError) as refused:
        retraining.retrain(house, scripted.who(), **asked, challenge=Challenge())  # type: ignore[arg-type]
    said = str(refused.value)
    assert "2 images are both in what it would train on (leaky@1 train) and in what it would be measured on (leaky@1 val)" in said
    assert "train_2.jpg (there val_2.jpg), train_3.jpg (there val_3.jpg)." in said
    assert runs.live(house.store.reading()) == []
    assert retraining.retrain(house, scripted.who(), **asked, challenge=Challenge(test="fish@1"))[1]  # type: ignore[arg-type]
    assert retraining.retrain(house, scripted.who(), **asked, challenge=Challenge(despite_leaks=True, always=True))[1]  # type: ignore[arg-type]


def test_a_new_champion_is_published_where_that_was_asked_for(scripted: ScriptedHouse) -> None:
    with pytest.raises(NotAllowedError, match="To publish models one must be operator"):
        retraining.retrain(
            scripted.house, scripted.who(role=Role.MEMBER), preset="quick", dataset="fish", challenge=Challenge(publish="fish-best")
        )
    with pytest.raises(RequestError, match="quick is a preset that comes with this installation"):
        begin(scripted, publish="quick")
    with scripted.running():
        first = night(scripted, publish="fish-best")
        assert first.export_id is not None
        scripted.wait(runs.get(scripted.house.store.reading(), first.export_id), Reason.COMPLETED)
        kept = night(scripted, epochs=2, always=True, publish="fish-best")
        assert (kept.verdict, kept.export_id) == (Verdict.KEPT, None)
    start = presets.find(scripted.house, "fish-best")
    assert (start.start or "").startswith("sha256:"), "the weights are kept here, whatever becomes of the host"


def test_what_cannot_be_is_refused_before_anything_is_queued(scripted: ScriptedHouse) -> None:
    house = scripted.house
    with pytest.raises(NotAllowedError, match="must be member"):
        retraining.retrain(house, scripted.who(role=Role.VIEWER), preset="quick", dataset="fish", challenge=Challenge())
    with pytest.raises(RequestError, match="dataset"):
        begin(scripted, test="shark")
    with pytest.raises(RequestError, match="fish@1 has no split test"):
        begin(scripted, split="test")
    run = scripted.submit()
    with pytest.raises(RequestError, match="Only a training that has succeeded"):
        retraining.promote(house, scripted.who(), run.id)
    with pytest.raises(NotAllowedError, match="must be operator"):
        retraining.promote(house, scripted.who(role=Role.MEMBER), run.id)
    with pytest.raises(RequestError, match="has no champion"):
        retraining.rollback(house, scripted.who(), "quick", "fish")
    assert champions.unsettled(house.store.reading()) == []
