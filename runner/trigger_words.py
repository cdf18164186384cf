"""When a trigger fires, in words: ``new data fish``, ``mAP below 0.5 of rtmdet-nano on fish``, ``failure on fish``, ``alert stalled``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from runner.errors import RequestError

MAX_LETTERS = 200
EXAMPLES = (
    "new data fish", "mAP below 0.5 of rtmdet-nano on fish", "mAP above 0.8 on fish", "mAP dropped by 0.02 on fish",
    "success of rtmdet-nano on fish", "failure on fish", "alert stalled",
)
_NAME = r"[\w.-]+"
_WHOSE = rf"(?: of (?P<preset>{_NAME}))?(?: on (?P<dataset>{_NAME}))?"
_DATA = re.compile(rf"new (?:data|version)(?: (?:of|in))? (?P<dataset>{_NAME})", re.IGNORECASE)
_METRIC = re.compile(rf"map (?P<how>below|above|dropped by) (?P<value>0?\.\d+|[01](?:\.\d+)?){_WHOSE}", re.IGNORECASE)
_END = re.compile(rf"(?P<how>success|failure){_WHOSE}", re.IGNORECASE)
_ALERT = re.compile(rf"alert (?P<alert>{_NAME})", re.IGNORECASE)


class Happening(StrEnum):
    """What a trigger waits for. The mAP is a training's best or an evaluation's; it dropped against the run's parent."""

    DATA = "data"
    BELOW = "below"
    ABOVE = "above"
    DROPPED = "dropped by"
    SUCCESS = "success"
    FAILURE = "failure"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class When:
    """``preset`` and ``dataset`` None mean any."""

    happening: Happening
    preset: str | None = None
    dataset: str | None = None
    value: float = 0.0
    alert: str = ""


def parse_when(text: str) -> When:
    """Understand one of :data:`EXAMPLES`; RequestError shows them."""
    words = " ".join(text.split())
    if len(words) <= MAX_LETTERS:
        if found := _DATA.fullmatch(words):
            return When(Happening.DATA, dataset=found["dataset"])
        if found := _METRIC.fullmatch(words):
            return When(Happening(found["how"].lower()), found["preset"], found["dataset"], float(found["value"]))
        if found := _END.fullmatch(words):
            return When(Happening(found["how"].lower()), found["preset"], found["dataset"])
        if found := _ALERT.fullmatch(words):
            return When(Happening.ALERT, alert=found["alert"])
    shown = words if len(words) <= MAX_LETTERS else f"{words[:MAX_LETTERS]}…"
    raise RequestError(f"“{shown}” is nothing that a trigger can wait for. Lines that work: {' · '.join(f'`{line}`' for line in EXAMPLES)}")
