"""What is to be shown in a channel, before it is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from bot.answer import Block
from runner.entities import Place
from runner.service.outbox import Card

PLAIN_TEXT_CHARACTERS = 3_900
"""Slack advises against longer texts and cuts those over 40,000."""
FILES = "files"
"""The kind of a delivery that shares files."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG that belongs to a message. ``draw`` may say None: there is nothing to draw. ``facts`` change when the picture would."""

    name: str
    title: str
    draw: Callable[[], bytes | None]
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of this machine that a message shares under ``title``. ``name`` holds the delivery's id: it is found again by it."""

    name: str
    title: str
    path: Path


@dataclass(frozen=True, slots=True)
class Message:
    """Text (always set), blocks, where, and for whom alone. With ``part`` it is a run's card, showing the moment ``as_of``.

    With ``files`` it shares these, and is ``instead`` where Slack does not take them. ``edits`` is the ts of a message that it replaces,
    ``replaces`` the response_url of a click: the message that was clicked is replaced, also where only one person sees it.
    """

    text: str
    blocks: Sequence[Block] = field(default=())
    place: Place = field(default=Place())
    person: str | None = None
    pictures: Sequence[Picture] = ()
    part: str | None = None
    as_of: datetime | None = None
    files: Sequence[Attachment] = ()
    instead: str = ""
    edits: str | None = None
    replaces: str = ""

    @property
    def digest(self) -> str:
        """Equal for messages that look the same."""
        facts = "\n".join(each.facts for each in self.pictures)
        return hashlib.sha256(json.dumps([self.text, list(self.blocks), facts], sort_keys=True, default=str).encode()).hexdigest()[:32]

    def with_pictures(self, file_ids: Sequence[str | None]) -> Message:
        """The message with those of its pictures that Slack has by now as its last blocks."""
        shown: list[Block] = [
            {"type": "image", "slack_file": {"id": file_id}, "alt_text": picture.title[:2000]}
            for picture, file_id in zip(self.pictures, file_ids, strict=True) if file_id
        ]
        first = self.blocks or ({"type": "section", "text": {"type": "mrkdwn", "text": self.text[:3000]}},)
        return replace(self, blocks=(*first, *shown)) if shown else self

    def plain(self) -> Message:
        """The message as text alone, where Slack refused its blocks or files."""
        return replace(self, text=(self.instead or self.text)[:PLAIN_TEXT_CHARACTERS], blocks=(), pictures=(), files=())

    def card(self, run_id: str, ts: str) -> Card | None:
        """What stands in the channel once this is sent, if it is a run's card."""
        if self.part is None or self.place.channel is None:
            return None
        # Looked at once more even if the run has ended: a first posting mentions nobody, the edit after it does.
        return Card(run_id, self.part, self.place.channel, ts, self.digest, None)
