"""The question before something is lost."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Button, Message, actions, quoted, section
from bot.views.words import code


def question(asked: str, words: Sequence[str], *, act: str, keep: Button) -> Message:
    """What is asked and what will be lost, with the button that does it and the one that does not; ``words`` are the command's."""
    line = quoted([*words, "--yes"])
    return f"{asked}\n{code(line)} does it.", [section(asked), actions([Button(act, line, "danger"), keep])]
