"""Where a framework finds the splits of a version, as the writer of its format lays them out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from recipes.catalog.catalog import Catalog
from recipes.ingest import convert, ingest
from recipes.recipe import load_recipe
from runner.dataset_layouts import dataset_on_host
from tests.support.scripted_house import write_coco

WHEN = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("format_name", "train"),
    [
        ("coco", ("data/annotations/instances_train.json", "data/images")),
        ("voc", ("data/VOC2007/ImageSets/Main/train.txt", "data/VOC2007/JPEGImages")),
    ],
)
def test_what_a_recipe_of_ours_writes_has_its_splits(tmp_path: Path, format_name: str, train: tuple[str, str]) -> None:
    catalog = Catalog(tmp_path / "catalog")
    version = ingest(catalog, write_coco(tmp_path / "coco"), name="fish", created_at=WHEN)
    if format_name != "coco":
        version = convert(catalog, "fish@1", load_recipe(f"coco-to-{format_name}"), name="fish", created_at=WHEN)
    laid = dataset_on_host(version)
    assert laid.splits["train"] == train
    assert laid.unmasked == version.summary.boxes
    for paths in laid.splits.values():
        assert paths[0].removeprefix("data/") in version.files
        assert any(name.startswith(paths[1].removeprefix("data/") + "/") for name in version.files)
