"""Edits cards in place: what a run's card, epoch table and plot should show against what they show. The newest wins."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.calls import Done, Refused, Slack, TooFast, Unknown
from bot.message import Message
from bot.notifier import CHANNEL_GONE, channel_gone
from bot.notifier import card as first_posting
from bot.outbox import EDIT_GONE
from bot.pacing import EditBudget, Holds
from bot.pictures import Pictures
from runner.service import outbox as rows
from runner.service.house import House
from runner.service.outbox import Card, CardStamp
from runner.specs import Kind
from runner.states import Reason, State

_log = logging.getLogger(__name__)
_UPDATE = "chat.update"
_EVERY_CHANNEL = ""
"""Slack counts edits by method, not by channel."""
_REDRAW_EVERY = timedelta(minutes=2)
_REDRAW_SHARE = 20
"""A plot is drawn anew every two minutes, later every 1/20 of the run's age: the longer it trains, the less one point changes."""

RenderPart = Callable[..., Message]


@dataclass(frozen=True, slots=True)
class _Look:
    """When a part was last looked at: the mark and reason of its run then, and when it was last edited (monotonic)."""

    mark: str
    reason: Reason
    edited_at: float


class Cards:
    """The one editor of cards. Used by one thread."""

    def __init__(
        self, house: House, slack: Slack, pictures: Pictures, holds: Holds, *,
        budget: EditBudget, render_part: RenderPart, clock: Callable[[], float],
    ) -> None:
        self._house = house
        self._slack = slack
        self._pictures = pictures
        self._holds = holds
        self._budget = budget
        self._render_part = render_part
        self._clock = clock
        self._looks: dict[tuple[str, str], _Look] = {}
        self._owed: set[tuple[str, str]] = set()
        self._stale = rows.StaleCards()
        self._asked_for_links: set[str] = set()
        self._waits: set[bool] = {True}

    @property
    def pending(self) -> bool:
        """Whether a card waits that may be edited now, as far as the budget goes: what is urgent always may."""
        return any(self._budget.offers(urgent=urgent) for urgent in self._waits)

    def step(self) -> bool:
        """Edit the one card that needs it most and may be edited now; whether one was."""
        stamps = self._stale.look(self._house.store)
        interval_s = self._budget.interval_s(sum(stamp.state is State.RUNNING for stamp in stamps))
        changed = [(stamp, part) for stamp in stamps for part in self._changed(stamp)]
        changed.sort(key=lambda item: self._order(*item))
        self._waits = {self._is_urgent(*item) for item in changed}
        return any(self._edit(stamp, part) for stamp, part in changed if self._may_edit(stamp, part, interval_s))

    def _changed(self, stamp: CardStamp) -> Sequence[str]:
        """The parts of a run that were not looked at since it changed; those it should have and has not are owed."""
        parts = [part for part in _parts(stamp) if self._mark(stamp, part) != stamp.mark]
        for part in parts:
            told = part == "plot" and stamp.state is State.SUCCEEDED  # the result has the curves
            if part not in stamp.parts and "card" in stamp.parts and not told and (stamp.run_id, part) not in self._owed:
                rows.add(self._house, first_posting(stamp.run_id, rows.cards(self._house, stamp.run_id)["card"].channel, part))
                self._owed.add((stamp.run_id, part))
        return [part for part in parts if part in stamp.parts]

    def _mark(self, stamp: CardStamp, part: str) -> str | None:
        look = self._looks.get((stamp.run_id, part))
        return look.mark if look else None

    def _is_urgent(self, stamp: CardStamp, part: str) -> bool:
        look = self._looks.get((stamp.run_id, part))
        return look is not None and look.reason is not stamp.reason

    def _order(self, stamp: CardStamp, part: str) -> tuple[bool, float]:
        """Changes of state first, then what was not edited for longest."""
        look = self._looks.get((stamp.run_id, part))
        return not self._is_urgent(stamp, part), look.edited_at if look else 0.0

    def _may_edit(self, stamp: CardStamp, part: str, interval_s: float) -> bool:
        if self._holds.held(stamp.place.channel or "", _UPDATE) or self._holds.held(_EVERY_CHANNEL, _UPDATE):
            return False
        look, urgent = self._looks.get((stamp.run_id, part)), self._is_urgent(stamp, part)
        if part == "plot" and not stamp.state.final and look is not None:
            age = self._house.now() - stamp.created_at
            interval_s = max(_REDRAW_EVERY, age / _REDRAW_SHARE).total_seconds()
            urgent = False
        early = look is not None and self._clock() - look.edited_at < interval_s
        return self._budget.offers(urgent=urgent) and (urgent or not early)

    def _edit(self, stamp: CardStamp, part: str) -> bool:
        """Look at one card and edit it if it shows something else; whether Slack was asked to."""
        card = self._with_link(rows.cards(self._house, stamp.run_id)[part])
        message = self._render_part(self._house, stamp.run_id, card.part, channel=card.channel)
        if message.digest == card.sent_digest:
            self._settle(stamp, replace(card, sent_at=message.as_of), edited=False)
            return False
        pictures = self._pictures.files_for(message.pictures)
        if pictures is None:
            return False
        shown = message.with_pictures(pictures)
        self._budget.take()
        outcome = self._slack.call(_UPDATE, channel=card.channel, ts=card.ts, text=shown.text, blocks=list(shown.blocks))
        after = replace(card, sent_digest=message.digest, sent_at=message.as_of)
        match outcome:
            case Done():
                self._holds.succeeded(card.channel, _UPDATE)
                self._settle(stamp, after, edited=True)
            case TooFast():
                self._holds.hold(_EVERY_CHANNEL, _UPDATE, outcome.retry_after_s)
            case Unknown():  # an edit may be repeated safely
                self._holds.back_off(card.channel, _UPDATE)
            case Refused() if outcome.error in EDIT_GONE:
                again = first_posting(stamp.run_id, card.channel, card.part, again=card.ts or "")
                rows.forget_card(self._house, card, again)
            case Refused():
                if outcome.error in CHANNEL_GONE:
                    self._owe_note(stamp.run_id, card.channel, outcome.error)
                _log.error("The %s of %s cannot be edited: %s.", card.part, stamp.run_id, outcome)
                self._settle(stamp, after, edited=True)
        return True

    def _with_link(self, card: Card) -> Card:
        """The card with the address that Slack has for it, asked once; what speaks of its run leads there."""
        if card.part != "card" or card.link or card.ts is None or card.ts in self._asked_for_links:
            return card
        self._asked_for_links.add(card.ts)
        found = self._slack.call("chat.getPermalink", channel=card.channel, message_ts=card.ts)
        if not isinstance(found, Done):
            return card
        card = replace(card, link=str(found.data.get("permalink") or "") or None)
        rows.keep_card(self._house, card)
        return card

    def _owe_note(self, run_id: str, channel: str, error: str) -> None:
        note = channel_gone(self._house, run_id, channel, error)
        if note is not None:
            rows.add(self._house, note)

    def _settle(self, stamp: CardStamp, card: Card, *, edited: bool) -> None:
        """Note what was seen; of an ended run also in the database, so that it is not looked at again."""
        key = (stamp.run_id, card.part)
        before = self._looks.get(key)
        self._looks[key] = _Look(stamp.mark, stamp.reason, self._clock() if edited or before is None else before.edited_at)
        if edited or stamp.state.final:
            rows.keep_card(self._house, card)
        if stamp.state.final:
            self._owed.discard(key)


def _parts(stamp: CardStamp) -> Sequence[str]:
    """What a run shows: its card, and a training also its epochs and curves, once there are any."""
    trains = stamp.kind is Kind.TRAIN
    wanted = {"card": True, "epochs": trains and stamp.has_points, "plot": trains and stamp.has_evaluations}
    return [part for part, is_wanted in wanted.items() if is_wanted]
