"""A dataset's card: what it holds, what was left out and why, where it came from."""

from __future__ import annotations

from collections.abc import Mapping

from bot.answer import Block
from bot.views.blocks import Button, Message, actions, context, fitting, quoted, section
from bot.views.words import code, count, name, person, prose, shortened, size
from recipes.catalog.versions import DatasetVersion
from recipes.observing import SplitCount
from recipes.summary import Summary
from runner.entities import Run
from runner.specs import IngestSpec

SHOWN_CLASSES = 20
SHOWN_NOTES = 6
SHOWN_CASES = 2


def dataset_card(version: DatasetVersion, *, run: Run | None) -> Message:
    """The card of one version; ``run`` is the ingest or conversion that made it, where that is known."""
    counts = version.summary
    top = f"🗂️ *{name(version.name)}* version {version.number}  `{version.reference}`"
    holds = (count(counts.images, "image"), count(counts.boxes, "box", "boxes"), count(len(counts.classes), "class", "classes"))
    amount = f"{', '.join(holds)} ({name(version.format)})"
    bare = f"\n{count(counts.boxless_images, 'image')} without a box" if counts.boxless_images else ""
    head = f"{top}\n{amount}{bare}"
    parts = summary_parts(counts)
    small = _small_print(version, run)
    blocks: list[Block] = [section(head), *(section(part) for part in parts), context(small)]
    row = _buttons(version)
    blocks += [actions(row)] if row else []
    return "\n".join([head, *parts, small]), fitting(blocks)


def summary_parts(summary: Summary) -> list[str]:
    """What a dataset holds, part by part: classes, splits, flags, what was left out, what is worth knowing."""
    said = (_classes(summary.classes), _splits(summary.splits), _flags(summary.flags), _left_out(summary), _findings(summary))
    return [part for part in said if part]


def _classes(classes: Mapping[str, int]) -> str:
    if not classes:
        return ""
    ranked = sorted(classes.items(), key=lambda item: -item[1])
    width = max(len(shortened(label, 24)) for label, _ in ranked[:SHOWN_CLASSES])
    lines = [f"{shortened(' '.join(label.split()), 24):<{width}}  {number:>8,}" for label, number in ranked[:SHOWN_CLASSES]]
    rest = ranked[SHOWN_CLASSES:]
    if rest:
        lines.append(f"… {len(rest)} more classes with {sum(number for _, number in rest):,} boxes")
    body = "\n".join(lines).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "``\u02cb")
    return f"*Boxes by class*\n```\n{body}\n```"


def _splits(splits: Mapping[str, SplitCount]) -> str:
    if not splits:
        return ""
    parts = (f"{name(label)} {count(part.images, 'image')} ({count(part.boxes, 'box', 'boxes')})" for label, part in splits.items())
    return "*Splits*\n" + " · ".join(parts)


def _flags(flags: Mapping[str, int]) -> str:
    marked = [f"{name(flag)} {number:,}" for flag, number in flags.items() if number]
    return f"*Boxes marked*\n{' · '.join(marked)}" if marked else ""


def _left_out(summary: Summary) -> str:
    entries = summary.left_out
    if not entries:
        return ""
    lines = [f"• {entry.count:,} {entry.unit}: {prose(entry.reason, 200)}{_cases(entry.cases)}" for entry in entries[:SHOWN_NOTES]]
    if len(entries) > SHOWN_NOTES:
        lines.append(f"• {count(len(entries) - SHOWN_NOTES, 'more reason')}")
    return "*Left out*\n" + "\n".join(lines)


def _findings(summary: Summary) -> str:
    found = [f"• {finding.count:,} {prose(finding.message, 200)}{_cases(finding.cases)}" for finding in summary.findings]
    notes = [f"• {prose(note, 300)}" for note in summary.notes]
    lines = [*found, *notes]
    if len(lines) > 2 * SHOWN_NOTES:
        lines = [*lines[: 2 * SHOWN_NOTES], f"• {len(lines) - 2 * SHOWN_NOTES} more"]
    return "*Worth knowing*\n" + "\n".join(lines) if lines else ""


def _cases(cases: tuple[str, ...]) -> str:
    shown = "; ".join(name(case, 80) for case in cases[:SHOWN_CASES])  # a case holds commas itself
    return f" ({shown}{'; …' if len(cases) > SHOWN_CASES else ''})" if shown else ""


def _small_print(version: DatasetVersion, run: Run | None) -> str:
    lineage = version.lineage
    sent = run.spec.file_name if run is not None and isinstance(run.spec, IngestSpec) else lineage.source
    source = f"made from {code(lineage.source)} by {code(lineage.recipe)}" if lineage.recipe else f"from {name(sent)}"
    who = f" for {person(lineage.created_by)}" if lineage.created_by and run is None else ""
    by = f" · `{run.id}`" if run else ""
    return f"{source}{who} · {count(len(version.files), 'file')}, {size(version.size_bytes)} · fingerprint {version.fingerprint[:10]}{by}"


def _buttons(version: DatasetVersion) -> list[Button]:
    """A raw version offers the recipes that read it."""
    from recipes.recipe import library, load_recipe

    if version.lineage.recipe is not None:
        return []
    able = [recipe for recipe in map(load_recipe, library()) if recipe.reader is not None and recipe.reader.name == version.format]
    label = "Convert" if len(able) == 1 else "Convert: {}"
    wanted = [recipe for recipe in able if recipe.writer.name != version.format]
    return [
        Button(label.format(recipe.name), quoted(["convert", version.reference, recipe.name]), "primary" if place == 0 else None)
        for place, recipe in enumerate(wanted[:3])
    ]
