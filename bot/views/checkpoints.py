"""The checkpoints of a run as a table."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Button, Message, actions, context, fitting, quoted, section
from bot.views.runs_in_words import title
from bot.views.words import ap, code, code_block, count, shortened, size
from runner.entities import Run
from runner.service.models import CheckpointView
from runner.specs import TrainSpec
from runner.states import State

SHOWN = 30


def checkpoint_list(run: Run, checkpoints: Sequence[CheckpointView]) -> Message:
    """Every checkpoint, a line each, the newest last; long lists show the best and the newest."""
    if not checkpoints:
        text = f"{code(run.id)} has written no checkpoint yet."
        return text, [section(text)]
    there = [item for item in checkpoints if item.there]
    best = next((item for item in there if item.best), None)
    top = f"*{title(run)}*  `{run.id}`: {count(len(checkpoints), 'checkpoint')}"
    gone = len(checkpoints) - len(there)
    top += f", {gone} of them gone from the host" if gone else ""
    table = code_block("\n".join(_table(checkpoints, best)))
    small = "★ has the best mAP." if best else ""
    row = _buttons(run, there, best)
    blocks = [section(top), section(table), *([context(small)] if small else []), *([actions(row)] if row else [])]
    return "\n".join(part for part in (top, table, small) if part), fitting(blocks)


def _table(checkpoints: Sequence[CheckpointView], best: CheckpointView | None) -> list[str]:
    shown = [item for item in checkpoints[:-SHOWN] if item is best] + [*checkpoints[-SHOWN:]]
    width = max(len(_name(item)) for item in shown)
    attempts = len({item.attempt for item in shown}) > 1
    sized = any(item.size_bytes is not None or not item.there for item in shown)
    heading = f"  {'name':<{width}} {'epoch':>5} {'mAP':>6} {'size' if sized else '':>8}{' attempt' if attempts else ''}".rstrip()
    lines = [_line(item, width, marked=item is best, attempts=attempts) for item in shown]
    left_out = len(checkpoints) - len(shown)
    return [heading, *([f"  … {left_out} older ones"] if left_out else []), *lines]


def _line(item: CheckpointView, width: int, *, marked: bool, attempts: bool) -> str:
    held = "gone" if not item.there else "" if item.size_bytes is None else size(item.size_bytes)
    number = f"{item.attempt:>8}" if attempts else ""
    return f"{'★' if marked else ' '} {_name(item):<{width}} {item.epoch:>5} {ap(item.ap):>6} {held:>8}{number}".rstrip()


def _name(item: CheckpointView) -> str:
    return shortened(" ".join(item.name.split()), 40)


def _buttons(run: Run, there: Sequence[CheckpointView], best: CheckpointView | None) -> list[Button]:
    """What can be done with the best one, or where none is known to be, with the newest."""
    if not there or not isinstance(run.spec, TrainSpec):
        return []
    chosen = best or there[-1]
    label, name = f"epoch {chosen.epoch}", chosen.name.removesuffix(".pth")
    resume = [Button(f"Resume from {label}", quoted(["resume", run.id, "from", name]))] if run.state.final else []
    tune = quoted(["finetune", run.id, "on", run.spec.dataset.name, "--from", name])
    resume = [] if run.state is State.SUCCEEDED else resume
    return [
        Button(f"Evaluate {label}", quoted(["eval", run.id, "--checkpoint", name])), *resume, Button(f"Fine-tune from {label}", tune),
        Button(f"Fetch {label}", quoted(["fetch", run.id, name])),
    ]
