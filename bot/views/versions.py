"""Versions side by side, and the question before some are removed."""

from __future__ import annotations

from collections.abc import Sequence

from bot.views.blocks import Button, Message, actions, fitting, quoted, section
from bot.views.question import question
from bot.views.words import code, count, name, size
from recipes.catalog.removal import Swept
from recipes.catalog.versions import DatasetVersion, diff

SHOWN_CLASSES = 12


def outline(old: DatasetVersion, new: DatasetVersion) -> Message:
    """What two manifests and summaries tell at once: exact for files, counts, classes and splits; boxes need a look at every one."""
    parts = [f"*{old.reference} → {new.reference}*", _totals(old, new), _files(old, new), _classes(old, new), _splits(old, new)]
    look = quoted(["data", "diff", old.reference, new.reference, "--boxes"])
    text = "\n".join(part for part in parts if part)
    blocks = [section(text), actions([Button("Compare image by image", look, "primary")])]
    return f"{text}\n{code(look)} compares every image and box.", fitting(blocks)


def removal_question(asked: str, versions: Sequence[DatasetVersion], freed: Swept | None, *, readers: int) -> Message:
    """What removing these versions costs, with the two buttons that answer. ``freed`` None: nobody has looked."""
    images = sum(version.summary.images for version in versions)
    named = ", ".join(version.reference for version in versions[:10]) + (" …" if len(versions) > 10 else "")
    what = f"{count(len(versions), 'version')} with {count(images, 'image')}"
    lost = _lost(versions, freed)
    trained = f" {count(readers, 'training')} on it can then not be resumed." if readers else ""
    text = f"Remove {named} ({what})?\n{lost}{trained} The number is not given again."
    return question(text, ["data", "remove", asked], act="Remove it", keep=Button("Keep it", quoted(["data", "show", asked])))


def _lost(versions: Sequence[DatasetVersion], freed: Swept | None) -> str:
    if freed is None:
        most = sum(version.size_bytes for version in versions)
        return f"This deletes every file that no other version has, for ever; at most {size(most)} get free."
    if not freed.files:
        return "Every file of it is also in another version, so nothing is lost but the version itself, and no space gets free."
    return f"This deletes {count(freed.files, 'file')} that no other version has, for ever; {size(freed.size_bytes)} get free."


def _totals(old: DatasetVersion, new: DatasetVersion) -> str:
    one, two = old.summary, new.summary
    amounts = (
        ("images", one.images, two.images), ("boxes", one.boxes, two.boxes),
        ("images without a box", one.boxless_images, two.boxless_images),
    )
    lines = [f"{what}: {before:,} → {after:,} ({after - before:+,})" for what, before, after in amounts if before or after]
    formats = f"format: {name(old.format)} → {name(new.format)}" if old.format != new.format else ""
    return "\n".join([*lines, *([formats] if formats else [])])


def _files(old: DatasetVersion, new: DatasetVersion) -> str:
    before, after = old.contents, new.contents
    shared, changes = before & after, diff(old, new)
    if old.fingerprint == new.fingerprint:
        return "files: the very same"
    fresh = sum(file.size_bytes for file in after - shared)
    contents = f"contents: {len(shared):,} in both, {len(before - shared):,} only in the old, {len(after - shared):,} only in the new"
    changed = f"; {len(changes.changed):,} files changed under their name" if changes.changed else ""
    return f"{contents} ({size(fresh)}){changed}"


def _classes(old: DatasetVersion, new: DatasetVersion) -> str:
    one, two = old.summary.classes, new.summary.classes
    changed = [label for label in dict.fromkeys((*one, *two)) if one.get(label) != two.get(label)]
    lines = [
        f"• {name(label)}{_mark(label, one, two)}: {one.get(label, 0):,} → {count(two.get(label, 0), 'box', 'boxes')}"
        for label in changed[:SHOWN_CLASSES]
    ]
    more = [f"• {len(changed) - SHOWN_CLASSES} more classes"] if len(changed) > SHOWN_CLASSES else []
    return "\n".join(["*Classes*", *lines, *more]) if lines else ""


def _mark(label: str, one: dict[str, int], two: dict[str, int]) -> str:
    return " (new)" if label not in one else " (gone)" if label not in two else ""


def _splits(old: DatasetVersion, new: DatasetVersion) -> str:
    one, two = old.summary.splits, new.summary.splits
    changed = [label for label in dict.fromkeys((*one, *two)) if one.get(label) != two.get(label)]
    images = {label: [part[label].images if label in part else 0 for part in (one, two)] for label in changed}
    return "\n".join(["*Splits*", *(f"• {name(label)}: {a:,} → {b:,} images" for label, (a, b) in images.items())]) if changed else ""
