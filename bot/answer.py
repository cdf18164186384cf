"""What a command answers. A command returns one; it never prints, prompts or exits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

Block = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """Text (always set: notifications and the terminal show it), blocks where Slack can show more.

    ``public`` answers go to the channel, others only to the person. ``ok`` is False for errors. ``run_id`` is the run that was made.
    ``to`` is the folder of the terminal's own machine where what that run brings is to lie.
    """

    text: str
    blocks: Sequence[Block] = field(default=())
    public: bool = False
    ok: bool = True
    run_id: str | None = None
    to: Path | None = None
