"""What came of a training or an evaluation: the mAP table, by size and class, of boxes and masks side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.views.blocks import Button, Message, actions, context, fitting, section
from bot.views.runs_in_words import model_buttons, origin, title
from bot.views.words import ap, code_block, count, duration, name, shortened
from runner.entities import Evaluation
from runner.service.views import RunView
from runner.specs import Kind

SHOWN_CLASSES = 40
SHOWN_WORST = 3
_WORST_OF = 4
_SIZES = (("mAP", "ap"), ("AP50", "ap50"), ("AP75", "ap75"), ("small", "ap_small"), ("medium", "ap_medium"), ("large", "ap_large"))
_COUNTED = "AP at IoU 0.50:0.95, as pycocotools counts it"

Row = tuple[str, Sequence[float | None], Sequence[float | None]]
"""A label, its values, and what they were of the run that it is held against; a value for each task."""


def final_result(view: RunView, *, parent: RunView | None = None, champion: RunView | None = None) -> Message:
    """The tables of the best evaluation (all, 50, 75, by size, by class), against the best of the parent, else of the champion, where
    there is one; the sentence tells how it stands to both.

    An evaluation has only its own, so nothing there is called best.
    """
    top = finished(view)
    measured = _measured(view)
    if not measured:
        text = f"{top}\nIt was never evaluated, so there is no mAP."
        return text, [section(text), actions(_buttons(view))]
    others = {f"`{parent.run.id}`": parent} if parent else {}
    if champion and champion.run.id != view.run.id:
        others = {key: other for key, other in others.items() if other.run.id != champion.run.id}
        others[f"the champion `{champion.run.id}`"] = champion
    compared = next(iter(others.values()), None)
    earlier = [compared.best_of(each.task) if compared else None for each in measured]
    said = [_said(view, each, others, named=len(measured) > 1) for each in measured]
    summary = "\n".join([top, *said, *_worst(measured[0])])
    tables = [code_block("\n".join(table), 2600) for table in (_table(measured, earlier), _recalls(measured)) if table]
    small = " · ".join(part for part in (_checkpoint(view, measured[0]), origin(view.run), _COUNTED) if part)
    blocks = [section(summary), *(section(table) for table in tables), context(small), actions(_buttons(view))]
    return "\n".join([summary, *tables, small]), fitting(blocks)


def finished(view: RunView) -> str:
    """The first line of what came of a run."""
    run = view.run
    took = f" in {duration(run.ended_at - run.started_at)}" if run.ended_at and run.started_at else ""
    return f"✅ *{title(run)}* finished{took}  `{run.id}`"


def recall_in_words(evaluation: Evaluation) -> str:
    """``AR@100 0.512, AR@300 0.560``: what proposals are measured by."""
    return ", ".join(f"{name(how, 20)} {ap(value)}" for how, value in list(evaluation.recall.items())[:6])


def _measured(view: RunView) -> list[Evaluation]:
    """One evaluation a task: the best, or where there is no mAP (proposals) the newest."""
    found = (view.best_of(task) or next(each for each in reversed(view.evaluations) if each.task == task) for task in view.tasks)
    return [each for each in found if each.ap is not None or each.recall]


def _said(view: RunView, found: Evaluation, others: Mapping[str, RunView], *, named: bool) -> str:
    task = f"{name(found.task)} " if named or found.task != "bbox" else ""
    if found.ap is None:
        return f"{name(found.task).capitalize()}: *{recall_in_words(found)}*."
    best, at = ("Best ", f" at epoch {found.epoch}") if view.run.kind is Kind.TRAIN else ("", "")
    return f"{best}{task}mAP *{ap(found.ap)}* (AP50 {ap(found.ap50)}){at}{_against(found, others)}."


def _worst(found: Evaluation) -> list[str]:
    """The classes that need a look, where there are enough to lose sight of them."""
    known = sorted((value, label) for label, value in found.per_class.items() if value is not None)
    if len(known) < _WORST_OF:
        return []
    return ["Weakest: " + ", ".join(f"{name(label, 30)} {ap(value)}" for value, label in known[:SHOWN_WORST]) + "."]


def _table(measured: Sequence[Evaluation], earlier: Sequence[Evaluation | None]) -> list[str]:
    shown = [(each, before) for each, before in zip(measured, earlier, strict=True) if each.ap is not None]
    if not shown:
        return []
    sizes: list[Row] = [
        (label, [getattr(each, key) for each, _ in shown], [getattr(before, key, None) for _, before in shown]) for label, key in _SIZES
    ]
    classes, left_out = _classes(shown)
    head: list[Row] = [] if len(shown) == 1 else [("", [], [])]
    width = max(len(label) for label, _, _ in [*sizes, *classes])
    lines = [f"{' ' * width}  {'  '.join(f'{each.task:<12}' for each, _ in shown)}".rstrip() for _ in head]
    lines += [_line(row, width) for row in sizes]
    if classes:
        lines += ["─" * (width + 7), *(_line(row, width) for row in classes)]
    if left_out:
        lines.insert(len(lines) - SHOWN_CLASSES // 4, f"… {count(left_out, 'class', 'classes')} between")
    return lines


def _classes(shown: Sequence[tuple[Evaluation, Evaluation | None]]) -> tuple[list[Row], int]:
    """The classes, the best first and those without an object last; of very many the middle is left out, never the worst."""
    per_class = shown[0][0].per_class
    ranked = sorted(per_class, key=lambda label: (per_class[label] is None, -(per_class[label] or 0.0)))
    left_out = max(0, len(ranked) - SHOWN_CLASSES)
    if left_out:
        known = [label for label in ranked if per_class[label] is not None] or ranked
        worst = SHOWN_CLASSES // 4
        ranked = [*known[: SHOWN_CLASSES - worst], *known[max(SHOWN_CLASSES - worst, len(known) - worst) :]]
        left_out = len(per_class) - len(ranked)
    earlier: list[Mapping[str, float | None]] = [before.per_class if before else {} for _, before in shown]
    rows: list[Row] = [
        (shortened(" ".join(label.split()), 18), [each.per_class.get(label) for each, _ in shown], [known.get(label) for known in earlier])
        for label in ranked
    ]
    return rows, left_out


def _line(row: Row, width: int) -> str:
    label, values, olds = row
    cells = (f"{ap(value):>5}{_change(value, old)}" for value, old in zip(values, olds, strict=True))
    return f"{label:<{width}}  {'  '.join(f'{cell:<12}' for cell in cells)}".rstrip()


def _recalls(measured: Sequence[Evaluation]) -> list[str]:
    rows = [(how, value) for each in measured if each.ap is None for how, value in each.recall.items()]
    width = max((len(shortened(how, 18)) for how, _ in rows), default=0)
    return [f"{shortened(how, 18):<{width}}  {ap(value):>5}" for how, value in rows[:SHOWN_CLASSES]]


def _change(value: float | None, old: float | None) -> str:
    return f"  {value - old:+.3f}" if value is not None and old is not None else ""


def _against(best: Evaluation, others: Mapping[str, RunView]) -> str:
    known = [(who, other.best_of(best.task)) for who, other in others.items()]
    return "".join(
        f", {best.ap - before.ap:+.3f} against {who}" for who, before in known
        if before is not None and before.ap is not None and best.ap is not None
    )


def _checkpoint(view: RunView, best: Evaluation) -> str:
    fitting_ones = [checkpoint.name for _, checkpoint in view.checkpoints if checkpoint.epoch == best.epoch]
    return f"weights: {shortened(fitting_ones[-1], 80)}" if fitting_ones else ""


def _buttons(view: RunView) -> list[Button]:
    return [*model_buttons(view), Button("Log", f"log {view.run.id}")]
