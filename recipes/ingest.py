"""Into the catalog: an upload becomes a raw version, a recipe makes a converted version of one that is there."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from recipes import VERSION
from recipes.archive import Limits, unpack
from recipes.catalog import Catalog
from recipes.check import REPAIRABLE, Finding, Inspector, content_leaks, errors
from recipes.check_files import FileInspector
from recipes.dataset import ImageRecord
from recipes.ledger import Ledger
from recipes.observing import Tally, observed
from recipes.preview import Samples, render
from recipes.progress import Progress, silent
from recipes.recipe import Recipe
from recipes.running import exhaust, refuse, run, summarise
from recipes.sources import open_folder
from recipes.summary import Summary
from recipes.versions import DatasetVersion, Lineage, require_name

TOOL = f"signalbox {VERSION}"


def ingest(  # noqa: PLR0913 - one version, and all that is kept of where it came from
    catalog: Catalog,
    source: Path,
    *,
    name: str,
    created_at: datetime,
    created_by: str | None = None,
    title: str | None = None,
    limits: Limits | None = None,
    format_name: str | None = None,
    progress: Progress = silent,
) -> DatasetVersion:
    """Add a folder or an archive, as it is, as the next version of a dataset: unpacked, recognised, checked, summarised.

    DatasetError, and no version, where it cannot be read or its images are not fit. The source is left as it is; ``title`` is what
    people call it, where that is not its file's name.
    """
    require_name(name)
    with catalog.staging() as scratch:
        root = source
        if not source.is_dir():
            root = scratch / "content"
            unpack(source, root, limits=limits or Limits(), progress=progress, title=title)
        summary, preview = examine(root, format_name=format_name, progress=progress)
        return catalog.add_version(
            root,
            name=name,
            summary=summary,
            lineage=Lineage(title or source.name, TOOL, created_at.isoformat(), created_by),
            preview=preview,
            staged=None if root is source else {},
            progress=progress,
        )


def examine(
    root: Path, *, format_name: str | None = None, progress: Progress = silent, keep_unfit: bool = False, full: bool = False
) -> tuple[Summary, bytes]:
    """Read a whole folder: its summary with all findings, and a picture of samples.

    DatasetError for what no transform can mend, unless keep_unfit; full decodes every image.
    """
    started = time.monotonic()
    source = open_folder(root, format_name=format_name, progress=progress)
    dataset = source.dataset
    tally, samples, ledger = Tally(), Samples(), Ledger()
    inspector, files = Inspector(dataset.classes, dataset.splits), FileInspector(source.folder, full=full)
    exhaust(observed(dataset, tally, inspector, files, samples), ledger, progress)
    findings = inspector.findings() + files.findings()
    if not keep_unfit:
        unfit = tuple(finding for finding in errors(findings) if finding.kind not in REPAIRABLE)
        refuse(unfit, "The dataset", remedy="Mend or leave out what is named, and send it again.")
    summary = summarise(
        dataset,
        tally,
        ledger,
        findings=findings,
        format_name=source.format.name,
        elapsed_s=time.monotonic() - started,
    )
    fit = () if keep_unfit and errors(findings) else samples.records
    return summary, render(fit, dataset.classes)


def convert(
    catalog: Catalog,
    reference: str,
    recipe: Recipe,
    *,
    created_at: datetime,
    name: str | None = None,
    created_by: str | None = None,
    progress: Progress = silent,
) -> DatasetVersion:
    """Run a recipe on a version and add what comes out as the next version of the same dataset, or of name.

    ``fish`` means its newest version that the recipe reads. Images that are only linked are neither copied nor read again.
    """
    version = catalog.get(reference, format_name=recipe.reader.name if recipe.reader else None)
    target = name or version.name
    require_name(target)
    samples, seen = Samples(), _Splits()
    with catalog.staging() as scratch:
        content, result = scratch / "content", scratch / "result"
        catalog.materialize(version, content, progress=progress)
        summary = run(recipe, content, result, progress=progress, observers=(samples, seen))
        leaks = _leaks(seen, content, version)
        picture = render(samples.records, tuple(summary.classes))
        return catalog.add_version(
            result,
            name=target,
            summary=replace(summary, findings=summary.findings + leaks),
            lineage=Lineage(
                version.reference,
                TOOL,
                created_at.isoformat(),
                created_by,
                recipe.name,
                recipe.text,
                recipe.parameters(),
            ),
            preview=picture,
            staged=catalog.inodes(version),
            progress=progress,
        )


class _Splits:
    """An observer that remembers which file went to which split."""

    def __init__(self) -> None:
        self.images: list[tuple[str, str | None, Path]] = []

    def __call__(self, record: ImageRecord) -> None:
        if record.path is not None and record.split is not None:
            self.images.append((record.name, record.split, record.path))


def _leaks(seen: _Splits, content: Path, version: DatasetVersion) -> tuple[Finding, ...]:
    """The catalog knows every content's digest already, so equal images in two splits cost nothing to find."""

    def placed() -> Iterable[tuple[str, str | None, str]]:
        for name, split, path in seen.images:
            yield name, split, version.files[path.relative_to(content).as_posix()].digest

    return content_leaks(placed())
