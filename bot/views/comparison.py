"""Trainings side by side: what came of them, what differs in what they were asked for, and in their resolved configs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Block
from bot.views.blocks import Message, context, fitting, section
from bot.views.runs_in_words import title
from bot.views.states import headline, sign
from bot.views.versions import outline
from bot.views.words import ap, code_block, name, shortened
from runner.service.comparing import Comparison
from runner.service.views import RunView

_COLUMN = 7
_LABEL = 12
_SHOWN_SETTINGS = 20
_SHOWN_DIFF = 60
_SHOWN_CLASSES = 24
_SETTING_LIMIT = 60
_WINNER = "★"


def comparison(found: Comparison) -> Message:
    """Results and classes as tables whose winners are marked, what differs in settings and data, the diff of the first two configs."""
    views = found.views
    head = "\n".join(f"{sign(view.run)} *{title(view.run)}*  `{view.run.id}`: {headline(view.run).lower()}" for view in views)
    ids = [view.run.id for view in views]
    parts = [_table(ids, _results(found)), _settings(found), _data(found)]
    classes = _classes(views)
    parts[1:1] = [f"*AP by class*\n{_table(ids, classes)}"] if classes else []
    said = "The resolved configs cannot be compared before both are prepared."
    if found.config is not None:
        said = f"- is `{ids[0]}`, + is `{ids[1]}`, in the resolved configs." if found.config else "The resolved configs are the same."
    if found.config:
        more = f"\n… {len(found.config) - _SHOWN_DIFF} more lines" if len(found.config) > _SHOWN_DIFF else ""
        parts.append(code_block("\n".join(found.config[:_SHOWN_DIFF]) + more, 2800))
    shown = [part for part in parts if part]
    blocks: list[Block] = [section(head), *(section(part) for part in shown), context(f"{_WINNER} is the best of a row. {said}")]
    return "\n".join([head, *shown, said]), fitting(blocks)


def _results(found: Comparison) -> dict[str, Sequence[str]]:
    views = found.views
    rows: dict[str, Sequence[str]] = {}
    for task in dict.fromkeys(task for view in views for task in view.tasks):
        best = [view.best_of(task) for view in views]
        named = "" if task == "bbox" else f" {task}"
        rows[f"mAP{named}"] = _marked([each.ap if each else None for each in best])
        rows[f"AP50{named}"] = _marked([each.ap50 if each else None for each in best])
        rows[f"AP75{named}"] = _marked([each.ap75 if each else None for each in best])
        rows[f"at epoch{named}"] = [str(each.epoch) if each else "–" for each in best]
    rows["GPU-hours"] = [f"{hours:.1f}" for hours in found.gpu_hours]
    return rows


def _classes(views: Sequence[RunView]) -> dict[str, Sequence[str]]:
    """AP of every class in each run's best evaluation, those that differ most first where there are too many."""
    measured = [view.best.per_class if view.best else {} for view in views]
    known = dict.fromkeys(label for each in measured for label in each)

    def spread(label: str) -> float:
        values = [value for each in measured if (value := each.get(label)) is not None]
        return max(values) - min(values) if values else 0.0

    labels = sorted(known, key=spread, reverse=True)[:_SHOWN_CLASSES] if len(known) > _SHOWN_CLASSES else list(known)
    return {" ".join(label.split()): _marked([each.get(label) for each in measured]) for label in labels}


def _marked(values: Sequence[float | None]) -> list[str]:
    """Values as words, the highest marked where there is one."""
    best = max((value for value in values if value is not None), default=None)
    alone = sum(value == best for value in values) == 1 and len(values) > 1
    return [f"{ap(value)}{_WINNER if value is not None and value == best and alone else ' '}" for value in values]


def _settings(found: Comparison) -> str:
    """What was asked for otherwise, a line each."""
    rows = list(found.settings.items())[:_SHOWN_SETTINGS]
    lines = [f"• {name(key, 40)}: {' | '.join(name(value, _SETTING_LIMIT) for value in values)}" for key, values in rows]
    more = [f"• {len(found.settings) - len(rows)} more"] if len(found.settings) > len(rows) else []
    return "\n".join(["*What differs*", *lines, *more]) if lines else "They were asked for alike."


def _data(found: Comparison) -> str:
    return outline(*found.data)[0] if found.data else ""


def _table(ids: Sequence[str], rows: dict[str, Sequence[str]]) -> str:
    width = min(_LABEL, max([len(label) for label in rows], default=0))
    lines = [" " * (width + 1) + " ".join(f"{run_id:>{_COLUMN}}" for run_id in ids)]
    for label, values in rows.items():
        cells = " ".join(f"{shortened(value, _COLUMN):>{_COLUMN}}" for value in values)
        lines.append(f"{shortened(label, width):<{width}} {cells}".rstrip())
    return code_block("\n".join(lines), 2800)
