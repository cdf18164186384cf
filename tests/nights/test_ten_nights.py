"""Ten nights of one schedule over a change of the clocks: what each morning says, who is champion then, and that it is one card.

The clock is simulated: it runs as ever, and jumps from each morning to the next night. All else is real but the framework: what a dataset
makes of a model is written in its annotations (tests/scripted).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlite_utils import Database

from bot import grammar
from bot.firings import carry_out_due
from bot.message import Message
from bot.notifier import notify
from bot.rendering import render
from bot.settings import SlackSettings
from recipes.ingest import ingest
from runner.entities import Place
from runner.schedules import settle
from runner.service import outbox, retraining
from runner.service.house import House, Requester
from runner.settings import Role
from runner.states import Reason
from runner.store import attempts, champions, events, runs, schedules
from tests.support.payloads import assert_sendable
from tests.support.runner_process import runner_process
from tests.support.scripted_house import ScriptedHouse, scripted_house, write_coco

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

BERLIN = ZoneInfo("Europe/Berlin")
FIRST_EVENING = datetime(2025, 10, 18, 18, tzinfo=BERLIN)
"""The clocks went back in the night of the 26th, the eighth: at 03:00 it was 02:00 once more."""
COMMAND = "retrain quick on fish"
SAMPLES = 4
_AHEAD = (
    "from dataclasses import replace; from datetime import UTC, datetime, timedelta; from runner import loop; "
    "opened = loop.open_house; "
    "loop.open_house = lambda settings: replace(opened(settings), now=lambda: datetime.now(UTC) + timedelta(seconds={ahead_s})); "
    "from runner.settings import load_settings; loop.run_runner(load_settings())"
)


@dataclass
class Clock:
    """Runs as ever, some time ahead."""

    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def jump(self, to: datetime) -> None:
        self.ahead = to - datetime.now(UTC)


@dataclass(frozen=True)
class Morning:
    """What lies in the channel in the morning that was not there the evening before."""

    cards: Sequence[Message]
    """Those of retrainings."""
    alerts: Sequence[str]
    texts: Sequence[str]
    champion: str | None


@dataclass
class Nights:
    """A house with its schedule, and what to do with it."""

    scripted: ScriptedHouse
    clock: Clock

    @property
    def house(self) -> House:
        return self.scripted.house

    def who(self, what: str) -> Requester:
        return Requester("terminal:ada", Role.ADMIN, "terminal", what, Place("C1"))

    def add_data(self, **scripted: object) -> None:
        """A new version of fish, whose models are what ``scripted`` says."""
        number = len(self.house.catalog.numbers("fish")) + 1
        folder = fish(self.house.settings.state / f"fish-{number}", number, scripted)
        ingest(self.house.catalog, folder, name="fish", created_at=self.clock())

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Do what the bot does by night until something is so."""
        deadline = time.monotonic() + 25
        while not condition():
            assert time.monotonic() < deadline, f"in vain: {what}; {[(run.id, run.reason, run.detail) for run in runs.live(self.db)]}"
            self.step()
            time.sleep(0.02)

    def step(self) -> None:
        carry_out_due(self.house, SlackSettings())
        retraining.advance(self.house)

    @property
    def db(self) -> Database:
        return self.house.store.reading()

    def fired(self) -> list[datetime]:
        told = (event.payload for event in events.after(self.db, 0) if event.kind == "schedule_fired")
        return [datetime.fromisoformat(str(payload["due_at"])) for payload in told]

    def begin(self, day: int) -> None:
        """It is 02:30 of that day in October, for the first time."""
        self.clock.jump(datetime(2025, 10, day, 2, 30, 1, tzinfo=BERLIN))

    def through(self, day: int) -> Morning:
        """A night in which nothing happens to Signalbox itself."""
        self.begin(day)
        with self.scripted.running():
            self.until(lambda: self.settled(day), f"the end of night {day}")
        return self.morning()

    def settled(self, day: int) -> bool:
        """The schedule fired, its command was carried out, and nothing waits for a verdict."""
        due = datetime(2025, 10, day, 2, 30, tzinfo=BERLIN).astimezone(UTC)
        busy = schedules.untaken_firings(self.db) or runs.live(self.db) or champions.unsettled(self.db)
        return due in self.fired() and not busy

    def morning(self) -> Morning:
        self.clock.jump(self.clock().astimezone(BERLIN).replace(hour=7, minute=0))
        while notify(self.house, home_channel="C1"):
            pass
        owed = outbox.owed(self.house)
        shown = [(each.kind, render(self.house, each)) for each in owed]
        for each in owed:
            outbox.note_sent(self.house, each, ts=None)
        holder = next(iter(retraining.all_champions(self.house)), None)
        assert {kind for kind, _ in shown} <= {"card", "retraining", "alert", "text"}, "no other alarm"
        texts = {kind: [message.text for known, message in shown if known == kind] for kind in ("alert", "text")}
        return Morning(
            [message for kind, message in shown if kind == "retraining"], texts["alert"], texts["text"], holder and holder.run_id
        )


def fish(folder: Path, number: int, scripted: Mapping[str, object]) -> Path:
    """No image of one version is in another, so that none of what is trained on is measured on."""
    return write_coco(folder, images=SAMPLES, size=(32 + number, 24), scripted=scripted)


def learned(ap: float, *found: int, **classes: float) -> dict[str, object]:
    """A model of that mAP which finds the fish in these images of the test split, and nothing in the others."""
    boxes = [{"image_id": number, "category_id": 1, "bbox": [2, 3, 10, 8], "score": 0.9} for number in found]
    return {"ap": ap, "per_class": classes, "found": boxes}


@pytest.fixture
def nights(tmp_path: Path) -> Iterator[Nights]:
    clock = Clock()
    clock.jump(FIRST_EVENING)
    with scripted_house(tmp_path, slots=2) as opened:
        yield Nights(replace(opened, house=replace(opened.house, now=clock)), clock)


def test_ten_nights(nights: Nights) -> None:
    asked = grammar.answer(nights.house, nights.who("add"), f'schedule add "every night 02:30 Europe/Berlin" {COMMAND}')
    assert asked.ok, asked.text
    nights.add_data(learned=learned(0.5, 1, 2, 3, cod=0.5, eel=0.5))
    first = _the_first_champion(nights)
    _nothing_changed(nights, 20, first)
    better = _more_and_better_data(nights, first)
    _data_that_fails_its_checks(nights, better)
    _data_that_breaks_the_training(nights, better)
    _a_class_that_is_lost(nights, better)
    survivor = _a_crash_at_three(nights)
    _the_hour_that_comes_twice(nights, survivor)
    _nothing_changed(nights, 27, survivor)
    _the_last_night(nights, survivor)
    due = [moment.astimezone(BERLIN) for moment in nights.fired()]
    assert [(moment.day, moment.hour, moment.minute) for moment in due] == [(day, 2, 30) for day in range(19, 29)]


def _the_first_champion(nights: Nights) -> str:
    morning = nights.through(19)
    text, run_id = _one_card(morning)
    assert "New champion of" in text and "It is the first: mAP 0.500." in text
    assert morning.champion == run_id
    return run_id


def _nothing_changed(nights: Nights, day: int, champion: str) -> None:
    morning = nights.through(day)
    assert (list(morning.cards), list(morning.alerts), morning.champion) == ([], [], champion)
    [said] = morning.texts
    assert "Nothing changed in fish, quick or its code since" in said, said


def _more_and_better_data(nights: Nights, champion: str) -> str:
    nights.add_data(learned=learned(0.6, 1, 2, 3, 4, cod=0.6, eel=0.6))
    morning = nights.through(21)
    text, run_id = _one_card(morning)
    assert "New champion of" in text and "mAP 0.600 against 0.500 (+0.100)" in text
    assert morning.champion == run_id != champion
    assert _worse(morning) is None, "it is worse in no image"
    return run_id


def _data_that_fails_its_checks(nights: Nights, champion: str) -> None:
    """Reported in the evening; by night nothing has changed."""
    folder = fish(nights.house.settings.state / "cut off", 77, {})
    picture = folder / "images" / "train_2.jpg"
    picture.write_bytes(picture.read_bytes()[:-200])
    with nights.scripted.running():
        asked = grammar.answer(nights.house, nights.who("bad"), f'data add fish "local:{folder}"')
        assert asked.ok and asked.run_id, asked.text
        nights.until(lambda: runs.get(nights.db, asked.run_id).state.final, "the end of the import")
    [alert] = nights.morning().alerts
    assert "train_2.jpg" in alert
    _nothing_changed(nights, 22, champion)


def _data_that_breaks_the_training(nights: Nights, champion: str) -> None:
    nights.add_data(fail_at_epoch=1, message="OSError: image file is truncated (12 bytes not processed)")
    morning = nights.through(23)
    text, _ = _one_card(morning)
    assert "came to nothing" in text and "data error" in text and "An image cannot be read" in text, text
    assert len(morning.alerts) == 1
    assert morning.champion == champion


def _a_class_that_is_lost(nights: Nights, champion: str) -> None:
    nights.add_data(learned=learned(0.65, 1, 2, cod=0.9, eel=0.4))
    morning = nights.through(24)
    text, run_id = _one_card(morning)
    assert "stays" in text and "mAP 0.650 against 0.600 (+0.050), but eel lost 0.200" in text
    assert morning.champion == champion != run_id
    assert _worse(morning) is not None, "two images are worse"


def _a_crash_at_three(nights: Nights) -> str:
    """The runner is killed, and so is the training with all that could tell how it ended: both are made good by themselves."""
    nights.add_data(vanish_at_epoch=1, step_s=0.1, learned=learned(0.7, 1, 2, 3, 4, cod=0.7, eel=0.7))
    nights.begin(25)
    program = _AHEAD.format(ahead_s=nights.clock.ahead.total_seconds())
    with runner_process(nights.house.settings, program=program) as process:
        nights.until(lambda: any(run.reason is Reason.WORKING for run in runs.live(nights.db)), "a training at work")
        process.kill()
    [training] = runs.live(nights.db)
    with nights.scripted.running():
        nights.until(lambda: nights.settled(25), "the end of the night of the crash")
    morning = nights.morning()
    text, run_id = _one_card(morning)
    assert run_id == training.id
    assert len(attempts.of(nights.db, run_id)) == 2
    assert "New champion of" in text and "mAP 0.700 against 0.600" in text
    assert list(morning.alerts) == []
    return run_id


def _the_hour_that_comes_twice(nights: Nights, champion: str) -> None:
    nights.add_data(learned=learned(0.701, 1, 2, 3, 4, cod=0.7, eel=0.702))
    nights.begin(26)
    with nights.scripted.running():
        nights.until(lambda: nights.settled(26), "the end of the first 02:30")
    nights.clock.jump(datetime(2025, 10, 26, 2, 30, 1, tzinfo=BERLIN, fold=1))
    [schedule] = schedules.BOOK.all(nights.db)
    assert settle(nights.house.store, schedule.id, now=nights.clock()) is None, "at the second 02:30 it is done already"
    morning = nights.morning()
    text, _ = _one_card(morning)
    assert "stays" in text and "mAP 0.701 against 0.700 (+0.001): not more than 0.002." in text
    assert morning.champion == champion
    assert sum(moment.astimezone(BERLIN).day == 26 for moment in nights.fired()) == 1


def _the_last_night(nights: Nights, champion: str) -> None:
    nights.add_data(learned=learned(0.8, 1, 2, 3, 4, cod=0.8, eel=0.8))
    morning = nights.through(28)
    text, run_id = _one_card(morning)
    assert "New champion of" in text and "mAP 0.800 against 0.700" in text
    assert [each.run_id for each in retraining.history(nights.house, "quick", "fish")][:2] == [run_id, champion]


def _one_card(morning: Morning) -> tuple[str, str]:
    """(its text, its run)."""
    [card] = morning.cards
    assert_sendable(card.text, card.blocks)
    lines = [element["value"] for block in card.blocks if block["type"] == "actions" for element in block["elements"]]
    [run_id] = [line.removeprefix("show ") for line in lines if line.startswith("show ")]
    return card.text, run_id


def _worse(morning: Morning) -> bytes | None:
    [card] = morning.cards
    return card.pictures[1].draw()
