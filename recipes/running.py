"""Runs a recipe: opens the source, draws the stream through the steps, checks what comes out, writes and publishes it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from recipes.checks.check import Finding, Inspector, errors
from recipes.checks.check_files import file_contents
from recipes.checks.leaks import Contents
from recipes.dataset import Dataset, Feature
from recipes.effort import ALONE, Effort
from recipes.errors import Defect, FormatError, Where
from recipes.formats import Format
from recipes.ledger import Ledger
from recipes.observing import Audience, Observer, Tally
from recipes.parameters import Parameters
from recipes.placing import published, require_free
from recipes.recipe import Recipe
from recipes.sources import open_folder, unpacked
from recipes.splitting.split_names import SPLITS, in_usual_order
from recipes.summary import Summary

LOST_WORDS: dict[Feature, str] = {
    Feature.LOST: "{count} boxes were lost from view.",
    Feature.OCCLUDED: "{count} boxes were occluded.",
    Feature.GENERATED: "{count} boxes were interpolated between key frames.",
    Feature.DIFFICULT: "{count} boxes were difficult.",
    Feature.TRUNCATED: "{count} boxes were truncated.",
    Feature.CROWD: "{count} boxes stood for a crowd.",
    Feature.TRACK: "{count} boxes belonged to tracks.",
    Feature.FRAME: "{count} images were frames of a video.",
    Feature.POLYGONS: "{count} boxes had polygons.",
    Feature.RUN_LENGTHS: "{count} boxes had a mask in run lengths.",
    Feature.ATTRIBUTES: "{count} boxes had attributes.",
    Feature.SPLIT: "{count} images were in splits.",
    Feature.BOXLESS: "{count} images had no box.",
    Feature.UNUSED_CLASS: "{count} classes had no box.",
}


def run(
    recipe: Recipe,
    source: Path,
    destination: Path,
    *,
    dry_run: bool = False,
    observers: tuple[Observer, ...] = (),
    contents: Contents | None = None,
    effort: Effort = ALONE,
) -> Summary:
    """Convert source (a folder or an archive) into destination, which must not exist; what a card needs to say of it.

    destination appears whole, by one rename, or not at all. A dry run writes nothing. contents finds equal images in several splits, by
    their files where none is given. DatasetError with every defect
    where the source, or what would be written, is not fit.
    """
    started = time.monotonic()
    if not dry_run:
        require_free(destination)  # before hours of reading
    with unpacked(source, effort) as root:
        name = recipe.reader.name if recipe.reader else None
        options = recipe.read_options if recipe.reader else None
        dataset = recipe.transform(open_folder(root, effort, format_name=name, options=options).dataset, effort)
        tally, inspector, ledger = Tally(), Inspector(dataset.classes, dataset.splits), Ledger()
        contents = contents or file_contents()
        leaks: tuple[Observer, ...] = (contents,) if len(dataset.splits) > 1 else ()
        audience = Audience(ledger, (tally, inspector, *leaks, *observers))
        if dry_run:
            audience.draw_all(dataset, effort, phase="looking")
            findings = inspector.findings(tally) + contents.findings()
        else:
            with published(destination) as fresh:
                assert recipe.writer.write is not None
                recipe.writer.write(dataset, fresh, recipe.write_options, audience, effort)
                findings = inspector.findings(tally) + contents.findings()
                refuse(errors(findings), f"What {recipe.name} would write", remedy=_remedy(recipe))
        for sentence in losses(tally, dataset, recipe.writer, recipe.write_options):
            ledger.note(sentence)
    written = "nothing written" if dry_run else recipe.writer.name
    elapsed = time.monotonic() - started
    return summarise(dataset, tally, ledger, findings=findings, format_name=written, elapsed_s=elapsed)


def losses(tally: Tally, dataset: Dataset, writer: Format, options: Parameters) -> Iterator[str]:
    """What the dataset has and the format it is written in cannot hold, a sentence for each."""
    features = tally.features + Counter({Feature.UNUSED_CLASS: sum(not boxes for boxes in tally.classes(dataset.classes).values())})
    holds = writer.holds | options.also_holds()
    for feature in Feature:
        if features[feature] and feature not in holds:
            count = features[feature]
            yield f"{LOST_WORDS[feature].format(count=f'{count:,}')} {writer.title} cannot hold that."
    unusual = [split for split in dataset.splits if SPLITS.get(split) != split]
    if unusual and writer.usual_splits_only:
        yield f"Readers of {writer.title} know splits by names as train, val and test, and not {', '.join(map(repr, unusual))}."


def refuse(findings: tuple[Finding, ...], subject: str, *, remedy: str = "") -> None:
    """Raise one FormatError for these findings, with their first cases; return where there are none."""
    if findings:
        defects = tuple(Defect(str(finding)) for finding in findings)
        raise FormatError(f"{subject} is not fit to train on.", where=Where(), remedy=remedy, defects=defects)


def _remedy(recipe: Recipe) -> str:
    absent = [name for name in ("clip", "drop_tiny") if name not in {step.transform.name for step in recipe.steps}]
    return f"Mend the source, or add {' and '.join(absent)} to the recipe." if absent else "Mend the source."


def summarise(
    dataset: Dataset,
    tally: Tally,
    ledger: Ledger,
    *,
    findings: tuple[Finding, ...],
    format_name: str,
    elapsed_s: float,
) -> Summary:
    """The numbers of a dataset whose stream was drawn through tally."""
    classes = tally.classes(dataset.classes)
    return Summary(
        format=format_name,
        images=tally.images.total(),
        boxes=sum(classes.values()),
        boxless_images=tally.features[Feature.BOXLESS],
        classes=classes,
        splits=tally.splits(in_usual_order(dataset.splits), dataset.classes),
        flags=tally.flags,
        left_out=ledger.left_out,
        notes=dataset.notes + ledger.notes,
        findings=findings,
        elapsed_s=round(elapsed_s, 3),
        masks=tally.features[Feature.POLYGONS] + tally.features[Feature.RUN_LENGTHS],
    )
