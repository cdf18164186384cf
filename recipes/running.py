"""Runs a recipe: opens the source, draws the stream through the steps, checks what comes out, writes and publishes it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from recipes.check import Finding, Inspector, errors
from recipes.dataset import Dataset
from recipes.errors import Defect, FormatError, Where
from recipes.ledger import Ledger
from recipes.observing import Observer, Tally, observed
from recipes.placing import published
from recipes.progress import Progress, silent
from recipes.recipe import Recipe
from recipes.sources import open_folder, unpacked
from recipes.summary import Summary


def run(
    recipe: Recipe,
    source: Path,
    destination: Path,
    *,
    progress: Progress = silent,
    dry_run: bool = False,
    observers: Iterable[Observer] = (),
) -> Summary:
    """Convert source (a folder or an archive) into destination, which must not exist; what a card needs to say of it.

    destination appears whole, by one rename, or not at all. A dry run writes nothing. DatasetError with every defect
    where the source, or what would be written, is not fit.
    """
    started = time.monotonic()
    with unpacked(source, progress=progress) as root:
        name = recipe.reader.name if recipe.reader else None
        options = recipe.read_options if recipe.reader else None
        opened = open_folder(root, format_name=name, options=options, progress=progress)
        dataset = recipe.transform(opened.dataset)
        tally, inspector, ledger = Tally(), Inspector(dataset.classes, dataset.splits), Ledger()
        watched = observed(dataset, tally, inspector, *observers)
        if dry_run:
            exhaust(watched, ledger, progress)
            findings = inspector.findings()
        else:
            with published(destination) as fresh:
                assert recipe.writer.write is not None
                recipe.writer.write(watched, fresh, recipe.write_options, ledger, progress)
                findings = inspector.findings()
                refuse(errors(findings), f"What {recipe.name} would write", remedy=_remedy(recipe))
    written = "nothing written" if dry_run else recipe.writer.name
    elapsed = time.monotonic() - started
    return summarise(dataset, tally, ledger, findings=findings, format_name=written, elapsed_s=elapsed)


def exhaust(dataset: Dataset, ledger: Ledger, progress: Progress) -> None:
    """Draw the whole stream for what its observers see."""
    done = 0
    for done, _ in enumerate(dataset.stream(ledger), start=1):
        progress(done, dataset.total, "looking")


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
        boxless_images=tally.boxless,
        classes=classes,
        splits=tally.splits(dataset.splits, dataset.classes),
        flags={flag.value: count for flag, count in sorted(tally.flags.items())},
        left_out=ledger.left_out,
        notes=dataset.notes + ledger.notes,
        findings=findings,
        elapsed_s=round(elapsed_s, 3),
    )
