"""Where a framework finds the splits of a dataset version, for each format that a framework reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from recipes.catalog.versions import DatasetVersion
from runner.frameworks.base import DatasetOnHost

DATA = "data"
LABEL_MAP = "label_map.pbtxt"


def dataset_on_host(version: DatasetVersion) -> DatasetOnHost:
    """A version as an attempt sees it below ``data/``, as the writer of its format (recipes/formats) lays it out."""
    layout = _LAYOUTS.get(version.summary.format, _coco)
    found = {split: layout(version.files, split) for split in version.summary.splits}
    return DatasetOnHost(
        name=version.reference,
        format=version.summary.format,
        classes=tuple(version.summary.classes),
        splits={split: (f"{DATA}/{listing}", f"{DATA}/{images}") for split, (listing, images) in found.items() if listing},
        images={split: count.images for split, count in version.summary.splits.items()},
        unmasked=None if version.summary.masks is None else version.summary.boxes - version.summary.masks,
    )


def _coco(files: Mapping[str, object], split: str) -> tuple[str, str]:
    listing = f"annotations/instances_{split}.json"
    return (listing if listing in files else "", "images")


def _voc(files: Mapping[str, object], split: str) -> tuple[str, str]:
    """The list below ``VOC<name>/``, where its writer puts it, or below any other folder or none; of several the first by name."""
    tail = f"ImageSets/Main/{split}.txt"
    listing = min((name for name in files if name == tail or name.endswith("/" + tail)), default="")
    return listing, listing.removesuffix(tail) + "JPEGImages"


def _tfrecord(files: Mapping[str, object], split: str) -> tuple[str, str]:
    """A glob of the split's shards, and the label map."""
    shard = re.compile(re.escape(split) + r"\.(tfrecords?|records?)(-\d+-of-\d+)?")
    found = [name for name in files if shard.fullmatch(name)]
    return (f"{found[0].partition('-')[0]}*" if found else "", LABEL_MAP)


_LAYOUTS: Mapping[str, Callable[[Mapping[str, object], str], tuple[str, str]]] = {"coco": _coco, "voc": _voc, "tfrecord": _tfrecord}
