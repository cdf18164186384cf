"""What came of a training: the mAP table."""

from __future__ import annotations

from collections.abc import Mapping

from bot.views.blocks import Button, Message, actions, context, fitting, section
from bot.views.runs_in_words import origin, title
from bot.views.words import ap, code_block, duration, shortened
from runner.entities import Evaluation
from runner.service.views import RunView
from runner.specs import TrainSpec

SHOWN_CLASSES = 40
_SIZES = (("mAP", "ap"), ("AP50", "ap50"), ("AP75", "ap75"), ("small", "ap_small"), ("medium", "ap_medium"), ("large", "ap_large"))


def final_result(view: RunView, *, parent: RunView | None = None) -> Message:
    """The table of the best evaluation (all, 50, 75, by size, by class), against the parent's best where there is one."""
    run, best = view.run, view.best
    took = f" in {duration(run.ended_at - run.started_at)}" if run.ended_at and run.started_at else ""
    top = f"✅ *{title(run)}* finished{took}  `{run.id}`"
    if best is None:
        text = f"{top}\nIt was never evaluated, so there is no mAP."
        return text, [section(text), actions(_buttons(view))]
    before = parent.best if parent else None
    summary = f"{top}\nBest mAP *{ap(best.ap)}* (AP50 {ap(best.ap50)}) at epoch {best.epoch}{_against(best, before, parent)}."
    table = code_block("\n".join(_table(best, before)), 2600)
    small = " · ".join(part for part in (_checkpoint(view, best), origin(run), "AP at IoU 0.50:0.95, as pycocotools counts it") if part)
    return f"{summary}\n{table}\n{small}", fitting([section(summary), section(table), context(small), actions(_buttons(view))])


def _table(best: Evaluation, before: Evaluation | None) -> list[str]:
    rows = [(label, getattr(best, key), getattr(before, key) if before else None) for label, key in _SIZES]
    classes = sorted(best.per_class.items(), key=lambda item: (item[1] is None, -(item[1] or 0.0)))
    earlier: Mapping[str, float | None] = before.per_class if before else {}
    shown = classes if len(classes) <= SHOWN_CLASSES else [*classes[: SHOWN_CLASSES - 10], *classes[-10:]]
    rows += [(shortened(" ".join(label.split()), 18), value, earlier.get(label)) for label, value in shown]
    width = max(len(label) for label, _, _ in rows)
    lines = [f"{label:<{width}}  {ap(value):>5}{_change(value, old)}" for label, value, old in rows]
    lines.insert(len(_SIZES), "─" * (width + 7))
    if len(shown) < len(classes):
        lines.insert(len(_SIZES) + 1 + SHOWN_CLASSES - 10, f"… {len(classes) - len(shown)} classes between")
    return lines if classes else lines[: len(_SIZES)]


def _change(value: float | None, old: float | None) -> str:
    return f"  {value - old:+.3f}" if value is not None and old is not None else ""


def _against(best: Evaluation, before: Evaluation | None, parent: RunView | None) -> str:
    if before is None or parent is None or best.ap is None or before.ap is None:
        return ""
    return f", {best.ap - before.ap:+.3f} against `{parent.run.id}`"


def _checkpoint(view: RunView, best: Evaluation) -> str:
    fitting_ones = [checkpoint.name for _, checkpoint in view.checkpoints if checkpoint.epoch == best.epoch]
    return f"weights: {shortened(fitting_ones[-1], 80)}" if fitting_ones else ""


def _buttons(view: RunView) -> list[Button]:
    spec = view.run.spec
    tune = [Button("Fine-tune", f"finetune {view.run.id} on {spec.dataset.name}")] if isinstance(spec, TrainSpec) else []
    return [*(tune if view.checkpoints else []), Button("Log", f"log {view.run.id}")]
