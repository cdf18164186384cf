"""Trainings side by side: what came of them, what differs in what they were asked for, and in their resolved configs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.answer import Block
from bot.views.blocks import Message, context, fitting, section
from bot.views.runs_in_words import title
from bot.views.states import headline, sign
from bot.views.words import ap, code_block, duration, shortened
from runner.service.comparing import Comparison
from runner.service.views import RunView

_COLUMN = 16
_LABEL = 22
_SHOWN_SETTINGS = 20
_SHOWN_DIFF = 60


def comparison(found: Comparison) -> Message:
    """A table of results, a table of what differs, and the diff of the first two configs."""
    head = "\n".join(f"{sign(view.run)} *{title(view.run)}*  `{view.run.id}`: {headline(view.run).lower()}" for view in found.views)
    ids = [view.run.id for view in found.views]
    shown = dict(list(found.settings.items())[:_SHOWN_SETTINGS])
    tables = [_table(ids, {**_results(found.views), **shown})]
    blocks: list[Block] = [section(head), section(tables[0])]
    if found.config is None:
        said = "The resolved configs cannot be compared before both are prepared."
    elif not found.config:
        said = "The resolved configs are the same."
    else:
        more = f"\n… {len(found.config) - _SHOWN_DIFF} more lines" if len(found.config) > _SHOWN_DIFF else ""
        tables.append(code_block("\n".join(found.config[:_SHOWN_DIFF]) + more, 2800))
        blocks.append(section(tables[1]))
        said = f"- is `{ids[0]}`, + is `{ids[1]}`, in the configs as they were resolved."
    return "\n".join([head, *tables, said]), fitting([*blocks, context(said)])


def _results(views: Sequence[RunView]) -> dict[str, Sequence[str]]:
    rows: dict[str, Sequence[str]] = {}
    for task in dict.fromkeys(task for view in views for task in view.tasks):
        best = [view.best_of(task) for view in views]
        named = "" if task == "bbox" else f" {task}"
        rows[f"best mAP{named}"] = [ap(each.ap) if each else "–" for each in best]
        rows[f"AP50{named}"] = [ap(each.ap50) if each else "–" for each in best]
        rows[f"at epoch{named}"] = [str(each.epoch) if each else "–" for each in best]
    rows["took"] = [duration(run.ended_at - run.started_at) if run.ended_at and run.started_at else "–" for run in (v.run for v in views)]
    return rows


def _table(ids: Sequence[str], rows: dict[str, Sequence[str]]) -> str:
    lines = [" " * (_LABEL + 1) + " ".join(f"{run_id:>{_COLUMN}}" for run_id in ids)]
    for label, values in rows.items():
        cells = " ".join(f"{shortened(value, _COLUMN):>{_COLUMN}}" for value in values)
        lines.append(f"{shortened(label, _LABEL):<{_LABEL}} {cells}")
    return code_block("\n".join(lines), 2800)
