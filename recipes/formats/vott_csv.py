"""VoTT's CSV export: a row for each box, in any order, the images beside the file.

Format: microsoft/VoTT at 47f5e00, providers/export/csv.ts: ``"image","xmin","ymin","xmax","ymax","label"``, 0-based continuous
pixels. An export has the images without a region, too, but no row of theirs: every image that is here is an image of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from recipes.dataset import Annotation, Dataset, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.masks.regions import home_of, split_of
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.image_sizes import ImageSizes
from recipes.streams.grouping import Grouping
from recipes.streams.spool import chunk_size
from recipes.vott.exports import Form, write_exports
from recipes.vott.rows import COLUMNS, Rows, csv_files, dataset_names

STEP = "read vott_csv"
BOXLESS = "VoTT's CSV has no row for an image without boxes, so images without a row count as such (without_rows=drop leaves them out)."
SNIFFED_FILES = 50


class VottCsvOptions(Parameters):
    """without_rows: whether images that no row names are images without objects, or no part of the dataset."""

    without_rows: Literal["keep", "drop"] = "keep"


class VottCsvWriteOptions(Parameters):
    """project: the name that the export is called after."""

    project: str = "signalbox"


def sniff(folder: Folder) -> Sniff:
    """A CSV file with VoTT's columns; projects and JSON exports say more, and are surer."""
    names = csv_files(folder, at_most=SNIFFED_FILES)
    return Sniff(0.93, f"{names[0]} has the columns of VoTT's CSV") if names else NOT_MINE


def read(folder: Folder, options: VottCsvOptions, effort: Effort) -> Dataset:
    """Every image, by name, with the boxes of its rows in the file's order. FormatError names defects by file and line."""
    files = csv_files(folder)
    if not files:
        raise FormatError("There is no CSV file of VoTT here.", where=Where(str(folder.root)))
    images = folder.images
    size = chunk_size(len(images))
    boxes = Grouping(size, effort.scratch)
    rows = Rows(folder, files, boxes)
    rows.read()
    sizes = ImageSizes.read(folder, images, effort)
    splits = [split_of(name, alone=len(files) == 1) for name in files]
    home_splits = dict(zip(map(home_of, files), splits, strict=True))
    cuts, differ = dataset_names(images, sorted(home_splits, key=len, reverse=True))
    labels, prefix = rows.labels, f"{folder.root}/"

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        found = boxes.chunk(chunk)
        for number in range(chunk * size, min((chunk + 1) * size, len(images))):
            file, own = images[number], found.get(number, ())
            annotations = tuple(Annotation(labels[label], x, y, w, h, origin=line) for label, x, y, w, h, _, line in own)
            home = file[: cuts[number]]
            record = ImageRecord(
                file[len(home) if differ else 0 :],
                Path(prefix + file),
                *sizes.of(number),
                annotations,
                splits[own[0][5]] if own else home_splits.get(home),
                source_file=files[own[0][5]] if own else "",
            )
            if not own and options.without_rows == "drop":
                ledger.drop_image(STEP, "image without a row", record)
                continue
            if not own:
                ledger.note(BOXLESS)
            yield record

    present = tuple(dict.fromkeys(split for split in splits if split))
    return Dataset(tuple(sorted(labels)), draw, -(-len(images) // size), len(images), present)


def write(dataset: Dataset, destination: Path, options: VottCsvWriteOptions, audience: Audience, effort: Effort) -> None:
    """vott-csv-export/<project>-export.csv with its images beside it, in a folder for each split."""
    header = ",".join(f'"{column}"' for column in COLUMNS).encode()
    form = Form(f"vott-csv-export/{options.project}-export.csv", header + b"\n", b"\n")
    write_exports(dataset, destination, form, _rows, audience, effort)


def _rows(record: ImageRecord) -> tuple[bytes, int]:
    name = _quoted(record.name)
    rows = [f"{name},{box.x!r},{box.y!r},{box.x + box.w!r},{box.y + box.h!r},{_quoted(box.label)}" for box in record.annotations]
    return "\n".join(rows).encode(), 0


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


FORMAT = Format(
    "vott_csv",
    "VoTT CSV exports",
    sniff=sniff,
    read=read,
    read_options=VottCsvOptions,
    write=write,
    write_options=VottCsvWriteOptions,
    holds=frozenset({Feature.SPLIT, Feature.BOXLESS}),
    usual_splits_only=True,
)
