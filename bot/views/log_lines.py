"""The end of a log."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Button, Message, actions, section
from bot.views.runs_in_words import title
from bot.views.words import code_block, count, escaped
from runner.entities import Run

SLACK_CHARACTERS = 2800


def log_page(run: Run, tail: Sequence[str], *, whole: bool) -> Message:
    """The lines in a code block; ``whole`` where the reader has room for all of them (a terminal)."""
    if not tail:
        why = "it has not started" if run.attempt == 0 else "it has written nothing yet"
        text = f"`{run.id}` has no log: {why}. `why {run.id}` tells more."
        return text, [section(text)]
    if whole:
        return "```\n" + "\n".join(escaped(line) for line in tail) + "\n```", []
    head = f"*{title(run)}*  `{run.id}`, the end of its log"
    body = code_block("\n".join(tail), SLACK_CHARACTERS)
    shown = body.count("\n") - 1
    rest = f"  ({count(shown, 'line')} of {len(tail)} fit here)" if shown < len(tail) else ""
    buttons = [] if run.state.final else [Button("Newer lines", f"log {run.id}")]
    return f"{head}{rest}\n{body}", [section(head + rest), section(body), *([actions(buttons)] if buttons else [])]
