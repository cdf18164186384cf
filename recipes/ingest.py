"""Into the catalog: an upload becomes a raw version, a recipe makes a converted version of one that is there."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from recipes import VERSION
from recipes.arriving.archive import Limits, unpack
from recipes.catalog.catalog import Catalog
from recipes.catalog.versions import DatasetVersion, Lineage, require_name
from recipes.checks.box_sizes import BoxSizeTally
from recipes.checks.check import REPAIRABLE, Inspector, errors
from recipes.checks.check_files import FileInspector
from recipes.checks.leaks import Contents
from recipes.dataset import ImageRecord
from recipes.effort import ALONE, Effort
from recipes.ledger import Ledger
from recipes.observing import Audience, Tally
from recipes.pictures.preview import Samples, render
from recipes.recipe import Recipe
from recipes.running import refuse, run, summarise
from recipes.sources import open_folder
from recipes.summary import Summary

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
    effort: Effort = ALONE,
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
            unpack(source, root, limits=limits or Limits(), progress=effort.progress, title=title)
        summary, preview = examine(root, format_name=format_name, effort=replace(effort, scratch=scratch))
        return catalog.add_version(
            root,
            name=name,
            summary=summary,
            lineage=Lineage(title or source.name, TOOL, created_at.isoformat(), created_by),
            preview=preview,
            staged=None if root is source else {},
            progress=effort.progress,
        )


def examine(
    root: Path, *, format_name: str | None = None, keep_unfit: bool = False, full: bool = False, effort: Effort = ALONE
) -> tuple[Summary, bytes]:
    """Read a whole folder: its summary with all findings, and a picture of samples.

    DatasetError for what no transform can mend, unless keep_unfit; full decodes every image.
    """
    started = time.monotonic()
    source = open_folder(root, effort, format_name=format_name)
    dataset = source.dataset
    tally, sizes, samples, ledger = Tally(), BoxSizeTally(), Samples(), Ledger()
    inspector, files = Inspector(dataset.classes, dataset.splits), FileInspector(source.folder, full=full)
    Audience(ledger, (tally, inspector, files, samples, sizes)).draw_all(dataset, effort, phase="checking")
    findings = inspector.findings(tally) + files.findings()
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
    return replace(summary, box_sizes=sizes.value()), render(fit, dataset.classes)


def convert(
    catalog: Catalog,
    reference: str,
    recipe: Recipe,
    *,
    created_at: datetime,
    name: str | None = None,
    created_by: str | None = None,
    effort: Effort = ALONE,
) -> DatasetVersion:
    """Run a recipe on a version and add what comes out as the next version of the same dataset, or of name.

    ``fish`` means its newest version that the recipe reads. Images that are only linked are neither copied nor read again.
    """
    version = catalog.get(reference, format_name=recipe.reader.name if recipe.reader else None)
    target = name or version.name
    require_name(target)
    with catalog.staging() as scratch:
        content, result = scratch / "content", scratch / "result"
        catalog.materialize(version, content, progress=effort.progress)
        known = _Digests(version, content)
        samples, sizes = Samples(), BoxSizeTally()
        contents = Contents(known.key, known.of)
        summary = run(recipe, content, result, observers=(samples, sizes), contents=contents, effort=replace(effort, scratch=scratch))
        picture = render(samples.records, tuple(summary.classes))
        return catalog.add_version(
            result,
            name=target,
            summary=replace(summary, box_sizes=sizes.value()),
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
            progress=effort.progress,
        )


def rehearse(catalog: Catalog, reference: str, recipe: Recipe, *, effort: Effort = ALONE) -> Summary:
    """What convert would make of a version, in numbers, with what it would leave out and why; nothing is written or added.

    DatasetError with every defect where convert would refuse.
    """
    version = catalog.get(reference, format_name=recipe.reader.name if recipe.reader else None)
    with catalog.staging() as scratch:
        catalog.materialize(version, scratch / "content", progress=effort.progress)
        summary = run(recipe, scratch / "content", scratch / "result", dry_run=True, effort=replace(effort, scratch=scratch))
    refuse(errors(summary.findings), f"What {recipe.name} would write", remedy="Mend the source, or change the recipe.")
    return summary


class _Digests:
    """The catalog knows every content's digest already, so equal images cost nothing to find."""

    def __init__(self, version: DatasetVersion, content: Path) -> None:
        self._files = version.files
        self._prefix = f"{content}/"

    def key(self, record: ImageRecord) -> bytes | None:
        digest = self.of(str(record.path)) if record.span is None else None
        return digest.encode() if digest else None

    def of(self, path: str) -> str | None:
        file = self._files.get(path.removeprefix(self._prefix))
        return file.digest if file else None
