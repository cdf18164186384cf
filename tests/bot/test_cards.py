"""Cards follow their runs: soon, in place, at a pace that Slack allows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bot.attachments import Attachments
from bot.cards import Cards
from bot.notifier import notify
from bot.outbox import Outbox
from bot.pacing import EditBudget, Holds
from bot.pictures import Pictures
from bot.rendering import render, render_part
from recipes.ingest import ingest
from runner.entities import Place
from runner.specs import IngestSpec
from runner.states import Reason
from runner.store import runs
from tests.support.scripted_house import write_coco
from tests.support.slack_house import SlackHouse, delivery_ids, evaluation, point, slack_house


@dataclass
class Teller:
    """Notifier, outbox and cards with a clock that a test moves; ``tell`` is one round after ``seconds``."""

    served: SlackHouse
    ahead: float = 0.0
    edits: int = 0
    outbox: Outbox = field(init=False)
    cards: Cards = field(init=False)

    def __post_init__(self) -> None:
        slack, holds = self.served.slack(), Holds(self.clock)
        pictures = Pictures(slack, self.clock)
        self.outbox = Outbox(self.served.house, slack, pictures, holds, render=render, attachments=Attachments(slack, self.clock))
        budget = EditBudget(self.clock, per_minute=40)
        self.cards = Cards(self.served.house, slack, pictures, holds, budget=budget, render_part=render_part, clock=self.clock)

    def clock(self) -> float:
        return time.monotonic() + self.ahead

    def tell(self, seconds: float = 0.0) -> None:
        self.ahead += seconds
        notify(self.served.house, home_channel=None)
        self.outbox.step()
        while self.cards.step():
            self.edits += 1

    def card(self) -> dict[str, Any]:
        return self.served.posted(self.served.training)[0]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[SlackHouse]:
    with slack_house(tmp_path) as house:
        yield house


@pytest.fixture
def teller(served: SlackHouse) -> Teller:
    return Teller(served)


def test_a_run_is_one_card_edited_in_place(served: SlackHouse, teller: Teller) -> None:
    run = served.submit()
    teller.tell()
    (card,) = served.posted(served.training)
    assert run.id in card["text"]
    served.start(run)
    teller.tell()
    teller.tell(2.0)
    (edited,) = served.posted(served.training)
    assert edited["ts"] == card["ts"]
    assert edited["text"] != card["text"]
    assert served.rows("SELECT thread FROM runs") == [{"thread": card["ts"]}]


def test_progress_edits_coalesce_and_the_newest_wins(served: SlackHouse, teller: Teller) -> None:
    run = served.start(served.submit())
    teller.tell()
    teller.tell(2.0)
    before = teller.edits
    for iteration in range(1, 10):
        served.log(run, point(1, iteration, loss=9.0 - iteration))
        teller.tell(0.1)
    assert teller.edits - before <= 1
    teller.tell(2.0)
    assert "loss" in str(teller.card()).lower()
    shown = str(teller.card()["blocks"])
    served.log(run, point(2, 5))
    teller.tell(2.0)
    assert str(teller.card()["blocks"]) != shown


def test_nothing_new_means_no_edit(served: SlackHouse, teller: Teller) -> None:
    served.start(served.submit())
    teller.tell()
    teller.tell(2.0)
    before = teller.edits
    teller.tell(60.0)
    assert teller.edits == before


def test_a_change_of_state_jumps_the_queue(served: SlackHouse, teller: Teller) -> None:
    run = served.start(served.submit())
    teller.tell()
    teller.tell(2.0)
    served.log(run, point(1, 1))
    teller.tell(0.2)
    served.move(run, Reason.OUT_OF_MEMORY)
    before = teller.edits
    teller.tell(0.01)
    assert teller.edits > before
    assert "failed" in teller.card()["text"].lower()


@pytest.mark.slow
def test_many_runs_share_forty_edits_a_minute(served: SlackHouse, teller: Teller) -> None:
    live = [served.start(served.submit()) for _ in range(20)]
    for _ in range(21):
        teller.tell(1.0)
    teller.tell(600.0)
    teller.edits, begun = 0, teller.clock()
    for second in range(30):
        for run in live:
            served.log(run, point(1 + second // 10, 1 + second % 10))
        teller.tell(1.0)
    assert 10 <= teller.edits <= 6 + (teller.clock() - begun) * 40 / 60  # a busy machine adds seconds of its own


def test_a_deleted_card_is_posted_anew(served: SlackHouse, teller: Teller) -> None:
    run = served.submit()
    teller.tell()
    old = teller.card()["ts"]
    served.slack().call("chat.delete", channel=served.training, ts=old)
    served.start(run)
    for _ in range(3):
        teller.tell(2.0)
    (card,) = served.posted(served.training)
    assert card["ts"] != old
    assert served.rows("SELECT thread FROM runs") == [{"thread": card["ts"]}]


def test_the_last_edit_is_not_lost_with_the_process(served: SlackHouse, teller: Teller) -> None:
    run = served.start(served.submit())
    teller.tell()
    teller.tell(2.0)
    served.move(run, Reason.COMPLETED)
    Teller(served).tell()  # another process, which has seen nothing
    assert "running" not in teller.card()["text"].lower()
    again = Teller(served)
    again.tell()
    assert again.edits == 0


def test_the_thread_gets_epochs_curve_best_and_result(served: SlackHouse, teller: Teller) -> None:
    run = served.start(served.submit())
    teller.tell()
    served.log(run, point(1, 10), evaluation(1, 0.4), best=True)
    for _ in range(12):
        teller.tell(1.0)
        time.sleep(0.02)
    served.log(run, point(2, 10, loss=0.5), evaluation(2, 0.6), best=True)
    served.move(run, Reason.COMPLETED)
    for _ in range(20):
        teller.tell(1.0)
        time.sleep(0.02)
    (card,) = served.posted(served.training)
    thread = served.posted(served.training, thread=card["ts"])[1:]
    ids = delivery_ids(thread)
    assert sorted(name.split(":")[0] for name in ids) == ["epochs", "event", "event", "event", "plot"]
    assert [m for m in thread if m["text"].startswith("New best: bbox mAP 0.600 at epoch 2")]
    shows_curve = [m for m in thread if any(block["type"] == "image" for block in m.get("blocks", ()))]
    assert len(shows_curve) == 2  # the plot, edited in place, and the result
    table = next(m for m in thread if m["metadata"]["event_payload"]["id"] == f"epochs:{run.id}")
    assert "0.600" in table["text"]


def test_a_new_dataset_version_is_shown_with_its_picture(served: SlackHouse, teller: Teller, tmp_path: Path) -> None:
    version = ingest(served.house.catalog, write_coco(tmp_path / "coco"), name="fish", created_at=datetime.now(UTC))
    spec = IngestSpec(archive="/inbox/fish.zip", dataset="fish", file_name="fish.zip")
    with served.house.store.writing() as db:
        run = runs.submit(db, spec, owner=served.people["ada"], place=Place(served.training), now=served.house.now())
        run = runs.transition(db, run, Reason.LAUNCHING, now=served.house.now())
        runs.keep_result(db, run.id, {"reference": version.reference})
        runs.transition(db, run, Reason.COMPLETED, now=served.house.now())
    for _ in range(10):
        teller.tell(1.0)
        time.sleep(0.02)
    _, shown = served.posted(served.training)
    assert version.reference in shown["text"]
    (picture,) = [block for block in shown["blocks"] if block["type"] == "image"]
    assert picture["alt_text"] == "Samples of fish@1"


def test_a_failure_is_a_new_message_that_mentions_the_owner_once(served: SlackHouse, teller: Teller) -> None:
    run = served.start(served.submit())
    teller.tell()
    served.move(run, Reason.CODE_ERROR)
    teller.tell(2.0)
    teller.tell(2.0)
    card, alert = served.posted(served.training)
    assert f"<@{served.people['ada']}>" in alert["text"]
    assert alert["text"].count("<@") == 1
    assert "<@" not in card["text"] or "failed" in card["text"].lower()
