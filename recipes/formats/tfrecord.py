"""TFRecord files of the TensorFlow Object Detection API with their label map; TensorFlow is not needed.

Sources: object_detection/data_decoders/tf_example_decoder.py and g3doc/using_your_own_dataset.md of tensorflow/models; VoTT 2's
tensorFlowRecords.ts. A coordinate is a share of the image's width or height, from 0 to 1 and continuous: x / width, (x + w) / width.
It is kept as a float32, so it is exact to 1/30,000,000 of the image's side; on reading, the nearest thousandth of a pixel is taken
where the stored number stands for that as well. Numbers of classes count from 1, 0 is the background.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from recipes.dataset import Dataset, Feature
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.tfrecord.layout import label_map_name, record_files

SNIFFED_FILES = 8
HOLDS = frozenset(
    {Feature.DIFFICULT, Feature.TRUNCATED, Feature.CROWD, Feature.SPLIT, Feature.BOXLESS, Feature.UNUSED_CLASS}
)


class ReadOptions(Parameters):
    """images: whether each record must hold its image, or only annotations are read. label_map: its name, where there are several."""

    images: Literal["required", "absent"] = "required"
    label_map: str | None = None


class WriteOptions(Parameters):
    """shards: into how many files each split goes; by default a file is closed when it has 200 MB."""

    shards: Annotated[int, Field(ge=1, le=10_000)] | None = None


def sniff(folder: Folder) -> Sniff:
    """A file by the name of a TFRecord whose first length has the right checksum."""
    names = record_files(folder)
    if not names:
        return NOT_MINE
    from recipes.tfrecord.expanding import begins_as_records

    for name in names[:SNIFFED_FILES]:
        if begins_as_records(folder.path(name)):
            return Sniff(0.95, f"{name} holds records with checksums")
    return NOT_MINE


def read(folder: Folder, options: ReadOptions, effort: Effort) -> Dataset:
    """Every record of every file, by the files' names; FormatError names file and record of each defect."""
    names = record_files(folder)
    if not names:
        raise FormatError("There is no TFRecord file here.", where=Where(str(folder.root)))
    from recipes.tfrecord import label_map, reading

    found = label_map_name(folder, options.label_map)
    labels = None if found is None else label_map.parse(folder.path(found), found)
    return reading.read(folder, names, labels, effort, images=options.images == "required")


def write(dataset: Dataset, destination: Path, options: WriteOptions, audience: Audience, effort: Effort) -> None:
    """<split>.record or its shards for each split, and label_map.pbtxt; FormatError names each image and box TensorFlow would stop at."""
    from recipes.tfrecord import writing

    writing.write(dataset, destination, audience, effort, shards=options.shards)


FORMAT = Format(
    "tfrecord",
    "TFRecord files for the TensorFlow Object Detection API",
    sniff=sniff,
    read=read,
    read_options=ReadOptions,
    write=write,
    write_options=WriteOptions,
    holds=HOLDS,
    usual_splits_only=True,
)
