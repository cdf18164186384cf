"""While the runner does not answer, every answer says so: what was asked is kept, and nothing happens yet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from bot.answer import Answer
from bot.views.blocks import context
from bot.views.words import clock
from runner.service.house import House
from runner.service.views import runner_silent_since


def with_silence(given: Answer, house: House) -> Answer:
    """The answer, with a line about the runner where that is silent. Errors changed nothing and stay as they are."""
    since = runner_silent_since(house) if given.ok else None
    if since is None:
        return given
    never = since == datetime.fromtimestamp(0, tz=UTC)
    what = "has not been started yet" if never else f"has not answered since {clock(since, house.settings.time_zone, near=house.now())}"
    line = f"Recorded; the runner {what}."
    blocks = (*given.blocks, context(line)) if given.blocks and len(given.blocks) < 50 else given.blocks
    return replace(given, text=f"{given.text}\n{line}", blocks=blocks)
