"""Forty runs for a day in one channel: few messages, and every change of state soon seen. A day of a clock that is moved by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

import pytest

from bot.attachments import Attachments
from bot.cards import Cards
from bot.message import Message
from bot.notifier import notify
from bot.outbox import Outbox
from bot.pacing import EditBudget, Holds
from bot.pictures import Pictures
from bot.rendering import render, render_part
from runner.entities import Run
from runner.service.house import House
from runner.service.outbox import Delivery
from runner.states import Reason
from runner.store import events, runs
from tests.support.slack_house import QUICK, SlackHouse, delivery_ids, evaluation, point, slack_house

RUNS, EPOCHS, POINTS = 40, 8, 2
"""Two points an epoch: what is hard is that all runs log at the same moment, and not how often they do."""
HOUR, STEP, SOON = 3600.0, 3.0, 15.0
LIKE_SLACK = replace(QUICK, message_interval_s=1.0, message_burst=3)
_PNG = b"\x89PNG\r\n\x1a\n"


def drawn_quickly(message: Message) -> Message:
    """Curves take most of a test's time, and their pixels do not matter here."""
    return replace(message, pictures=[replace(each, draw=lambda: _PNG) for each in message.pictures])


@dataclass
class Day:
    """The clock of workspace, house and bot."""

    seconds: float = datetime(2026, 5, 1, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.seconds


class Bot:
    """Notifier, outbox and cards as the delivering thread runs them, on the day's clock."""

    def __init__(self, served: SlackHouse, day: Day) -> None:
        self.served, self.day = served, day
        slack, holds = served.slack(), Holds(day)
        pictures = Pictures(slack, day)

        def draw(house: House, delivery: Delivery) -> Message:
            return drawn_quickly(render(house, delivery))

        def draw_part(house: House, run_id: str, part: str, *, channel: str) -> Message:
            return drawn_quickly(render_part(house, run_id, part, channel=channel))

        self.outbox = Outbox(served.house, slack, pictures, holds, render=draw, attachments=Attachments(slack, day))
        budget = EditBudget(day, per_minute=40)
        self.cards = Cards(served.house, slack, pictures, holds, budget=budget, render_part=draw_part, clock=day)
        self.unseen: dict[str, float] = {}
        self.latest = 0.0

    def until(self, moment: float) -> None:
        """Work until a moment, in steps; sleep through what is left once nothing is owed."""
        while self.day.seconds < moment:
            notify(self.served.house, home_channel=None)
            self.outbox.step()
            while self.cards.step():
                pass
            self._look()
            idle = not (self.unseen or self.outbox.pending or self.cards.pending)
            self.day.seconds = moment if idle else min(moment, self.day.seconds + STEP)

    def _look(self) -> None:
        for run_id, since in [*self.unseen.items()]:
            shown = self.served.rows("SELECT sent_at FROM cards WHERE run_id = ? AND part = 'card' AND sent_at IS NOT NULL", run_id)
            if shown and datetime.fromisoformat(shown[0]["sent_at"]).timestamp() >= since:
                self.latest = max(self.latest, self.day.seconds - since)
                del self.unseen[run_id]


def plan_of(number: int) -> list[tuple[float, Callable[[SlackHouse, Run, Bot], None]]]:
    """What happens to one run, and when: it waits, trains for eight hours, and ends well or not."""
    asked = number * 22 * 60.0
    started = asked + 300.0
    happens: list[tuple[float, Callable[[SlackHouse, Run, Bot], None]]] = [(started, _start)]
    last = EPOCHS if number % 10 else 4  # one in ten fails on its way
    for epoch in range(1, last + 1):
        for place in range(1, POINTS + 1):
            happens.append((_tens(started + (epoch - 1 + place / POINTS) * HOUR), _logged(epoch, place)))
        happens.append((_tens(started + epoch * HOUR) + 1, _evaluated(epoch)))
    end = _tens(started + last * HOUR) + 60
    if number % 8 == 3:
        happens += [(started + 2.5 * HOUR, _moved(Reason.UNREACHABLE)), (started + 2.6 * HOUR, _moved(Reason.WORKING))]
    return [*happens, (end, _moved(Reason.COMPLETED if number % 10 else Reason.OUT_OF_MEMORY))]


def _tens(moment: float) -> float:
    """Everybody logs at the same moment, which is the hardest for the pace of edits."""
    return round(moment / 600) * 600


def _start(served: SlackHouse, run: Run, bot: Bot) -> None:
    served.start(run)
    bot.unseen[run.id] = bot.day.seconds


def _logged(epoch: int, place: int) -> Callable[[SlackHouse, Run, Bot], None]:
    return lambda served, run, bot: served.log(run, point(epoch, round(10 * place / POINTS), loss=9.0 / (epoch + place)))


def _evaluated(epoch: int) -> Callable[[SlackHouse, Run, Bot], None]:
    return lambda served, run, bot: served.log(run, evaluation(epoch, 0.1 * epoch if epoch != 5 else 0.1), best=epoch != 5)


def _moved(reason: Reason) -> Callable[[SlackHouse, Run, Bot], None]:
    def act(served: SlackHouse, run: Run, bot: Bot) -> None:
        served.move(run, reason)
        bot.unseen[run.id] = bot.day.seconds

    return act


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_forty_runs_for_a_day_are_quiet_and_every_change_is_soon_seen(tmp_path: Path) -> None:
    day = Day()
    begun = day.seconds
    with slack_house(tmp_path, limits=LIKE_SLACK, now=day) as served:
        bot, live = Bot(served, day), {}
        happens = [(number * 22 * 60.0, number, None) for number in range(RUNS)]
        happens += [(moment, number, act) for number in range(RUNS) for moment, act in plan_of(number)]  # type: ignore[misc]
        for moment, group in groupby(sorted(happens, key=lambda each: each[:2]), key=lambda each: each[0]):
            bot.until(begun + moment)
            for _, number, act in group:
                if act is None:
                    live[number] = served.submit()
                else:
                    act(served, runs.get(served.house.store.reading(), live[number].id), bot)  # type: ignore[misc]
        bot.until(day.seconds + 600)
        assert day.seconds - begun > 20 * HOUR
        print(f"the latest change of state was seen after {bot.latest:.0f} s")
        assert not bot.unseen and bot.latest <= SOON, f"a change was seen after {bot.latest:.0f} s"
        judge(served, [*live.values()])


def judge(served: SlackHouse, live: list[Run]) -> None:
    top = [m for m in served.person().messages(served.training, limit=1000) if m.get("bot_id")]
    replies = [reply for m in top if m.get("reply_count") for reply in served.person().thread(served.training, m["ts"])[1:]]
    kinds = Counter(each.partition(":")[0] for each in delivery_ids(top))
    print(f"{len(top)} messages in the channel {dict(kinds)}, {len(replies)} in {RUNS} threads")
    assert len(live) == kinds["card"] == RUNS
    assert len(top) < 300
    assert set(Counter(delivery_ids([*top, *replies])).values()) == {1}
    told = {row["id"]: row for row in served.rows("SELECT id, reason FROM runs")}
    for message in top:
        kind, _, run_id = delivery_ids([message])[0].partition(":")
        if kind == "card":
            word = "Finished" if told[run_id]["reason"] == "COMPLETED" else "Failed"
            assert word in message["text"]
    assert len(events.after(served.house.store.reading(), 0, limit=10_000)) > 400
