"""What a look at datasets found: a comparison, a dry run, a verification, a removal."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import TypeAdapter

from bot.answer import Block
from bot.views.blocks import Button, Message, actions, context, fitting, quoted, section
from bot.views.dataset_card import summary_parts
from bot.views.runs_in_words import title
from bot.views.words import count, duration, escaped, name, prose
from recipes.catalog.comparing import Comparison
from recipes.summary import Summary
from runner.service.views import RunView
from runner.specs import ConvertSpec, Kind

_COMPARISON, _SUMMARY = TypeAdapter(Comparison), TypeAdapter(Summary)
SHOWN_LINES = 12


def report(view: RunView) -> Message:
    """What a run found that made nothing, in the thread under its card."""
    run = view.run
    took = f" after {duration(run.ended_at - run.started_at)}" if run.ended_at and run.started_at else ""
    top = f"✅ *{title(run)}*{took}  `{run.id}`"
    if run.kind is Kind.DIFF:
        return _message([top, *comparison_parts(_COMPARISON.validate_python(view.result))], [])
    if isinstance(run.spec, ConvertSpec):
        return _dry_run(top, run.spec, _SUMMARY.validate_python(view.result))
    return _message([f"{top}\n{prose(run.detail)}"], [])


def comparison_parts(found: Comparison) -> list[str]:
    """What changed between two versions: images, boxes, classes, splits, then the first cases by name."""
    images, boxes = found.images, found.boxes
    if found.nothing:
        other_names = f" {count(images.renamed, 'image')} of them under another name." if images.renamed else ""
        return [f"They hold the same {count(images.same + images.renamed, 'image')} with the same boxes.{other_names}"]
    of_images = (
        (images.added, "added"), (images.removed, "removed"), (images.changed, "with other pixels"),
        (images.renamed, "under another name"), (images.same, "the same"),
    )
    of_boxes = (
        (boxes.added, "added"), (boxes.removed, "removed"), (boxes.moved, "moved"), (boxes.relabelled, "with another class"),
        (boxes.same, "the same"),
    )
    parts = [f"*Images*  {_counts(of_images)}\n*Boxes*  {_counts(of_boxes)}", _classes(found), _moves(found), _cases(found)]
    if any(found.left_out):
        left = f"{found.left_out[0]:,} in the old, {found.left_out[1]:,} in the new"
        parts.append(f"Not compared, for they cannot be used: {left}. The cards of the two say why.")
    return [part for part in parts if part]


def _dry_run(top: str, spec: ConvertSpec, summary: Summary) -> Message:
    made = (count(summary.images, "image"), count(summary.boxes, "box", "boxes"), count(len(summary.classes), "class", "classes"))
    head = f"{top}\nIt would make {', '.join(made)}. Nothing was written."
    renamed = ["--as", spec.dataset] if spec.dataset != spec.source.name else []
    line = quoted(["convert", str(spec.source), spec.recipe, *renamed, *(f"{key}={value}" for key, value in spec.parameters.items())])
    return _message([head, *summary_parts(summary)], [Button("Convert", line, "primary")])


def _counts(amounts: Sequence[tuple[int, str]]) -> str:
    return " · ".join(f"{number:,} {what}" for number, what in amounts if number) or "none"


def _classes(found: Comparison) -> str:
    classes = found.classes
    lines = [f"• {name(old)} is called {name(new)} now" for old, new in classes.renamed.items()]
    for label, (before, after) in classes.boxes.items():
        mark = " (new)" if label in classes.added else " (gone)" if label in classes.removed else ""
        if (before != after or mark) and label not in classes.renamed and label not in classes.renamed.values():
            lines.append(f"• {name(label)}{mark}: {before:,} → {count(after, 'box', 'boxes')}")
    return _listed("*Classes*", lines)


def _moves(found: Comparison) -> str:
    return _listed("*Splits*", [
        f"• {count(move.images, 'image')} from {name(move.old or 'no split')} to {name(move.new or 'no split')}" for move in found.moves
    ])


def _cases(found: Comparison) -> str:
    lines = [f"• {escaped(kind)}: {name(case, 120)}" for kind, cases in found.cases.items() for case in cases[:2]]
    return _listed("*First cases*", lines)


def _listed(heading: str, lines: Sequence[str]) -> str:
    more = [f"• {len(lines) - SHOWN_LINES} more"] if len(lines) > SHOWN_LINES else []
    return "\n".join([heading, *lines[:SHOWN_LINES], *more]) if lines else ""


def _message(parts: Sequence[str], buttons: Sequence[Button], small: str = "") -> Message:
    blocks: list[Block] = [section(part) for part in parts]
    blocks += [context(small)] if small else []
    blocks += [actions(buttons)] if buttons else []
    return "\n".join([*parts, *([small] if small else [])]), fitting(blocks)
