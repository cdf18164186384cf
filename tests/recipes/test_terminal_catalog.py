"""The commands on a catalog: what would be, what changed, what is damaged, what is removed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recipes.__main__ import main
from recipes.catalog.catalog import Catalog

pytestmark = pytest.mark.slow


@pytest.fixture
def catalog(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Catalog:
    where = ("--catalog", str(tmp_path / "catalog"))
    assert main(["ingest", str(video), "--name", "fish", *where]) == 0
    assert main(["convert", "fish", "vatic-to-coco", *where]) == 0
    capsys.readouterr()
    return Catalog(tmp_path / "catalog")


def said(capsys: pytest.CaptureFixture[str], catalog: Catalog, *arguments: str) -> tuple[int, dict[str, object]]:
    status = main([*arguments, "--catalog", str(catalog.root), "--json"])
    return status, json.loads(capsys.readouterr().out)


def test_a_dry_run_says_what_the_conversion_then_makes(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = said(capsys, catalog, "convert", "fish@1", "vatic-to-coco", "--dry-run")
    made = catalog.get("fish@2").summary
    summary = out["summary"]
    assert isinstance(summary, dict)
    assert (status, catalog.numbers("fish")) == (0, (1, 2))
    assert (summary["images"], summary["boxes"], summary["classes"]) == (made.images, made.boxes, made.classes)
    assert {name: part["images"] for name, part in summary["splits"].items()} == {k: v.images for k, v in made.splits.items()}
    assert [(entry["step"], entry["count"]) for entry in summary["left_out"]] == [(entry.step, entry.count) for entry in made.left_out]


def test_a_dry_run_of_what_would_be_refused_is_refused(catalog: Catalog, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (video / "fish.txt").open("a") as file:
        file.write('9 5 5 5 9 3 0 0 0 "fish"\n')  # no width
    assert main(["ingest", str(video), "--name", "flat", "--catalog", str(catalog.root)]) == 0
    capsys.readouterr()
    refused = [said(capsys, catalog, "convert", "flat", "vatic:coco", *option) for option in ((), ("--dry-run",))]
    assert [(status, list(out)) for status, out in refused] == [(1, ["error"]), (1, ["error"])]
    assert refused[0][1]["error"]["defects"] == refused[1][1]["error"]["defects"]  # type: ignore[index]


def test_diff_and_remove(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    status, out = said(capsys, catalog, "diff", "fish@1", "fish@2")
    summary = out["summary"]
    assert isinstance(summary, dict)
    assert (status, summary["images"]["added"], summary["boxes"]["moved"]) == (0, 0, 0)
    assert main(["diff", "fish@1", "fish@2", "--catalog", str(catalog.root)]) == 0
    assert capsys.readouterr().out.startswith("images: 0 added, ")
    status, out = said(capsys, catalog, "remove", "fish@1")
    assert (status, catalog.numbers("fish")) == (0, (2,))
    assert str(out["summary"]["sentence"]).startswith("fish@1 is removed. ")  # type: ignore[index]
    assert said(capsys, catalog, "verify")[0] == 0


def test_damage_is_an_error_that_names_every_file(catalog: Catalog, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = catalog.objects.path(catalog.get("fish@1").files["fish.txt"].digest)
    annotations.chmod(0o644)
    annotations.write_text("rot")
    status, out = said(capsys, catalog, "verify", "fish@1")
    error = out["error"]
    assert isinstance(error, dict)
    assert (status, error["message"], error["defects"]) == (1, "1 stored file is damaged.", ["fish@1/fish.txt: changed on disk."])
    assert said(capsys, catalog, "verify", "fish@2")[0] == 0
