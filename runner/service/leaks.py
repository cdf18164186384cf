"""Whether what a model trains on is what it will be measured on: images of the same content in both splits, whatever they are called."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import PurePosixPath

import orjson

from recipes.catalog.catalog import Catalog
from recipes.catalog.versions import DatasetVersion
from runner.dataset_layouts import DATA, dataset_on_host
from runner.service.datasets import find_version
from runner.service.house import House

TRAINED_SPLIT = "train"


def leaks(house: House, trained_on: str, measured_on: str, split: str) -> list[tuple[str, str]]:
    """(image of the train split, the same image of the measured split) by name. Nothing is known of formats that keep no single images."""
    trained = _contents(house.catalog, find_version(house, trained_on).reference, TRAINED_SPLIT)
    measured = _contents(house.catalog, find_version(house, measured_on).reference, split)
    return sorted((trained[digest], measured[digest]) for digest in trained.keys() & measured.keys())


@lru_cache(maxsize=8)
def _contents(catalog: Catalog, reference: str, split: str) -> Mapping[str, str]:
    """Digest to name of every image of a split. A version never changes, and a long listing takes its time."""
    version = catalog.get(reference)
    places = dataset_on_host(version).splits.get(split)
    if places is None or version.format not in _NAMED:
        return {}
    listing, folder = (path.removeprefix(f"{DATA}/") for path in places)
    names = _NAMED[version.format](version, catalog.objects.path(version.files[listing].digest).read_bytes(), folder)
    return {version.files[path].digest: name for path, name in names.items() if path in version.files}


def _coco(_version: DatasetVersion, listing: bytes, folder: str) -> Mapping[str, str]:
    return {f"{folder}/{image['file_name']}": str(image["file_name"]) for image in orjson.loads(listing)["images"]}


def _voc(version: DatasetVersion, listing: bytes, folder: str) -> Mapping[str, str]:
    """The list names stems; some lists have a column more."""
    stems = {line.split()[0] for line in listing.decode("utf-8", "replace").splitlines() if line.strip()}
    inside = ((path, PurePosixPath(path)) for path in version.files if path.startswith(f"{folder}/"))
    return {path: known.name for path, known in inside if known.stem in stems}


_NAMED = {"coco": _coco, "voc": _voc}
