"""Sends what is owed: each message in its channel once, in order, and no channel waits for another.

A call whose outcome nobody knows leaves its row in ``sending``; before anything else is sent there, the channel is read back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from bot import readback
from bot.attachments import Attachments
from bot.calls import Done, Outcome, Refused, Slack, TooFast, Unknown
from bot.flood import fold_flood
from bot.message import FILES, Message
from bot.notifier import CHANNEL_GONE, channel_gone
from bot.pacing import POST_INTERVAL_S, Holds
from bot.pictures import Pictures, Stage
from bot.views.words import is_member
from runner.crash_points import crash_point
from runner.entities import Place
from runner.service import outbox as rows
from runner.service.house import House
from runner.service.outbox import Delivery

_log = logging.getLogger(__name__)
_POST = "chat.postMessage"
_WHISPER = "chat.postEphemeral"
_UPDATE = "chat.update"
_TOO_RICH = frozenset({"invalid_blocks", "invalid_blocks_format", "invalid_attachments", "msg_blocks_too_long", "msg_too_long"})
_THREAD_GONE = frozenset({"thread_not_found", "invalid_thread_ts", "message_not_found"})
EDIT_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
"""What was to be edited is there no more, or has become too old for it: it is posted anew."""
_OUR_STANDING = frozenset({
    "invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired", "missing_scope", "not_allowed_token_type",
})
"""Not about the message but about the app: it is mended by a person, and nothing must be lost until then."""
_STANDING_WAIT_S = 60.0
_RENDER_TRIES = 3
_ARRIVES_WITHIN_S = 5.0

Render = Callable[[House, Delivery], Message]


class Outbox:
    """The one sender of messages. Used by one thread."""

    def __init__(
        self, house: House, slack: Slack, pictures: Pictures, holds: Holds, *, render: Render, attachments: Attachments
    ) -> None:
        self._house = house
        self._slack = slack
        self._pictures = pictures
        self._attachments = attachments
        self._holds = holds
        self._render = render
        self._direct: dict[str, str] = {}
        self._plain: set[str] = set()
        self._unthreaded: set[str] = set()
        self._anew: set[str] = set()
        self._looked_for: set[str] = set()
        self._render_failures: dict[str, int] = {}
        self.pending = True
        for channel, at in rows.last_posts(house, since=house.now() - timedelta(seconds=POST_INTERVAL_S)).items():
            holds.hold(channel, _POST, POST_INTERVAL_S - (house.now() - at).total_seconds())

    def step(self) -> bool:
        """Send the first message of every channel that may go now; whether any was settled."""
        deliveries = rows.owed(self._house)
        if fold_flood(self._house, deliveries):
            deliveries = rows.owed(self._house)
        self.pending = bool(deliveries)
        first: dict[str, Delivery] = {}
        spoken_of: set[str | None] = set()
        for delivery in deliveries:
            if delivery.kind != FILES:
                spoken_of.add(delivery.run_id)
            elif delivery.run_id in spoken_of:  # a run's files come after what was to be said of it
                continue
            first.setdefault(_lane(delivery), delivery)
        settled = sum(self._attempt(lane, delivery) for lane, delivery in first.items() if self._may_go(lane, delivery))
        return settled > 0

    def _may_go(self, lane: str, delivery: Delivery) -> bool:
        early = delivery.not_before is not None and delivery.not_before > self._house.now()
        paced = self._holds.held(delivery.channel, _POST) and not delivery.body.get("person")
        return not early and not paced and not self._holds.held(lane, _POST)

    def _attempt(self, lane: str, delivery: Delivery) -> bool:
        message = self._rendered(lane, delivery)
        if message is None or (is_member(delivery.channel) and (message := self._to_person(lane, delivery, message)) is None):
            return False
        if delivery.state == "sending" and not (message.edits or message.replaces):  # these may be repeated safely
            return self._find_again(lane, delivery, message)
        if message.files:
            return self._share(lane, delivery, message)
        pictures = self._pictures.files_for(message.pictures)
        return pictures is not None and self._send(lane, delivery, message, message.with_pictures(pictures))

    def _rendered(self, lane: str, delivery: Delivery) -> Message | None:
        try:
            message = self._render(self._house, delivery)
        except Exception as error:  # noqa: BLE001 - a fault in one message must not hold up the others
            _log.exception("The delivery %s (%s) cannot be drawn.", delivery.id, delivery.kind)
            failures = self._render_failures[delivery.id] = self._render_failures.get(delivery.id, 0) + 1
            self._holds.back_off(lane, _POST)
            if failures >= _RENDER_TRIES:  # a busy database passes, a fault of ours does not, and the channel must not wait for it
                self._give_up(delivery, f"it cannot be drawn: {error}")
            return None
        if delivery.id in self._unthreaded:
            message = replace(message, place=Place(message.place.channel))
        if delivery.id in self._anew:
            message = replace(message, edits=None, replaces="")
        return message.plain() if delivery.id in self._plain else message

    def _to_person(self, lane: str, delivery: Delivery, message: Message) -> Message | None:
        """The message for the direct messages with a person, where it can be found again; None where these cannot be had now."""
        if delivery.channel not in self._direct:
            opened = self._slack.call("conversations.open", users=delivery.channel)
            if isinstance(opened, Refused) and opened.error not in _OUR_STANDING:
                self._give_up(delivery, f"no direct messages with this person: {opened}")
                return None
            if not isinstance(opened, Done):
                self._wait(lane, opened)
                return None
            self._direct[delivery.channel] = str(opened.data["channel"]["id"])
        return replace(message, place=Place(self._direct[delivery.channel]))

    def _find_again(self, lane: str, delivery: Delivery, message: Message) -> bool:
        if message.person is not None:
            self._give_up(delivery, "nobody knows whether it was shown, and a private answer is shown at most once")
            return True
        names = [file.name for file in message.files]
        found = readback.find(self._slack, delivery.id, message.place, since=delivery.created_at, files=names)
        if isinstance(found, str):
            self._note_sent(lane, delivery, message, ts=found)
            self._holds.hold(delivery.channel, _POST, POST_INTERVAL_S)
            return True
        if found is None and delivery.id not in self._looked_for:  # what Slack did not answer in time may still come
            self._looked_for.add(delivery.id)
            self._holds.hold(lane, _POST, _ARRIVES_WITHIN_S)
            return False
        if found is None:
            rows.put_back(self._house, delivery, error="not found in its channel", not_before=None)
            return True
        if isinstance(found, Refused) and found.error not in _OUR_STANDING:
            self._give_up(delivery, f"its channel cannot be read: {found}")
            return True
        self._wait(lane, found)
        return False

    def _share(self, lane: str, delivery: Delivery, message: Message) -> bool:
        """Share files once Slack has their bytes: one message for all, which is found again by their names."""
        files = self._attachments.files_for(delivery.id, message.files)
        if files is Stage.ON_ITS_WAY:
            return False
        if isinstance(files, Stage):
            self._plain.add(delivery.id)
            return self._send(lane, delivery, message.plain(), message.plain())
        shown = {"channel_id": message.place.channel, "thread_ts": message.place.thread, "initial_comment": message.text}
        rows.mark_sending(self._house, delivery)
        crash_point("bot.after_marked_sending")
        outcome = self._slack.call("files.completeUploadExternal", files=list(files), **shown)
        crash_point("bot.after_sent")
        self._holds.hold(delivery.channel, _POST, POST_INTERVAL_S)
        if isinstance(outcome, Refused) and outcome.error == "file_already_completed":  # by a call whose answer got lost
            outcome = Done({})
        return self._conclude(lane, delivery, message, outcome)

    def _send(self, lane: str, delivery: Delivery, message: Message, shown: Message) -> bool:
        """``shown`` is the message with its pictures; the message alone tells later whether anything has changed."""
        rows.mark_sending(self._house, delivery)
        crash_point("bot.after_marked_sending")
        if shown.replaces:
            outcome = self._slack.respond(shown.replaces, text=shown.text, blocks=list(shown.blocks))
        else:
            outcome = self._slack.call(_UPDATE if shown.edits else _WHISPER if shown.person else _POST, **_arguments(delivery, shown))
        crash_point("bot.after_sent")
        self._holds.hold(delivery.channel, _POST, 0.0 if shown.person else POST_INTERVAL_S)
        return self._conclude(lane, delivery, message, outcome)

    def _conclude(self, lane: str, delivery: Delivery, message: Message, outcome: Outcome) -> bool:
        match outcome:
            case Done():
                self._note_sent(lane, delivery, message, ts=str(outcome.data.get("ts") or outcome.data.get("message_ts") or ""))
                return True
            case TooFast():
                not_before = self._house.now() + timedelta(seconds=outcome.retry_after_s)
                rows.put_back(self._house, delivery, error="Slack asked for patience", not_before=not_before)
                self._wait(lane, outcome)
            case Unknown():
                self._wait(lane, outcome)
            case Refused():
                return self._refused(lane, delivery, message, outcome)
        return False

    def _refused(self, lane: str, delivery: Delivery, message: Message, outcome: Refused) -> bool:
        rows.put_back(self._house, delivery, error=str(outcome), not_before=None)
        if outcome.error in _OUR_STANDING:
            self._wait(lane, outcome)
        elif message.replaces or (outcome.error in EDIT_GONE and message.edits):
            self._anew.add(delivery.id)
        elif outcome.error in _THREAD_GONE and message.place.thread:
            self._unthreaded.add(delivery.id)
        elif message.files or (outcome.error in _TOO_RICH and (message.blocks or message.pictures) and delivery.id not in self._plain):
            _log.error("Slack refused the blocks or files of %s: %s. It is sent as text.", delivery.id, outcome)
            self._plain.add(delivery.id)
        else:
            self._give_up(delivery, str(outcome))
            return True
        return False

    def _wait(self, lane: str, outcome: Outcome) -> None:
        if isinstance(outcome, TooFast):
            self._holds.hold(lane, _POST, outcome.retry_after_s)
        elif isinstance(outcome, Refused):
            _log.error("Slack does not accept the app: %s. Messages wait; `signalbox doctor` says how to mend it.", outcome)
            self._holds.hold(lane, _POST, _STANDING_WAIT_S)
        else:
            seconds = self._holds.back_off(lane, _POST)
            _log.warning("%s does not answer (%s); trying again in %.0f s.", lane, outcome, seconds)

    def _note_sent(self, lane: str, delivery: Delivery, message: Message, *, ts: str) -> None:
        card = message.card(delivery.run_id, ts) if delivery.run_id and ts else None
        rows.note_sent(self._house, delivery, ts=ts or None, card=card)
        self._holds.succeeded(lane, _POST)
        self._forget(delivery)
        for picture in message.pictures:
            self._pictures.forget(picture)

    def _give_up(self, delivery: Delivery, error: str) -> None:
        _log.error("The %s %s for %s is given up: %s.", delivery.kind, delivery.id, delivery.channel, error)
        gone = next((word for word in CHANNEL_GONE if word in error), None)
        with self._house.store.writing():
            rows.fail(self._house, delivery, error=error)
            note = channel_gone(self._house, delivery.run_id, delivery.channel, gone) if gone and delivery.run_id else None
            if note is not None:
                rows.add(self._house, note)
        self._forget(delivery)

    def _forget(self, delivery: Delivery) -> None:
        self._plain.discard(delivery.id)
        self._unthreaded.discard(delivery.id)
        self._anew.discard(delivery.id)
        self._looked_for.discard(delivery.id)
        self._attachments.forget(delivery.id)
        self._render_failures.pop(delivery.id, None)


def _lane(delivery: Delivery) -> str:
    """What is kept in order: a channel; the private answers to one person there, and files, which take long, have lanes of their own."""
    person = delivery.body.get("person")
    return f"{delivery.channel}/{FILES if delivery.kind == FILES else person}" if person or delivery.kind == FILES else delivery.channel


def _arguments(delivery: Delivery, message: Message) -> dict[str, object]:
    shown: dict[str, object] = {
        "channel": message.place.channel, "text": message.text, "blocks": list(message.blocks) or None, "thread_ts": message.place.thread,
    }
    if message.edits:
        return shown | {"ts": message.edits, "thread_ts": None}
    if message.person:
        return shown | {"user": message.person}
    return shown | {"metadata": dict(readback.metadata(delivery.id)), "unfurl_links": False, "unfurl_media": False}
