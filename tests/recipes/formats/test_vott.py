"""VoTT's projects and JSON exports: what is read of them, by hand, from the samples, from damaged files; and what is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import Annotation, Dataset, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.vott import VottOptions, VottWriteOptions, read, sniff, write
from recipes.ledger import Ledger
from recipes.observing import Audience

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
SIZES = {"car_1.jpg": (1484, 965), "car_2.jpg": (708, 472), "car_3.jpg": (1200, 800)}


def region(*tags: str, box: tuple[float, ...] | None = (10, 12.5, 20, 7), points: tuple[float, ...] = (), kind: str = "RECTANGLE") -> Any:
    bounding = dict(zip(("left", "top", "width", "height"), box, strict=True)) if box else None
    pairs = [{"x": x, "y": y} for x, y in zip(points[::2], points[1::2], strict=True)]
    return {"id": "a1", "type": kind, "tags": list(tags), "boundingBox": bounding, "points": pairs}


def asset(name: str, *regions: Any, size: Any = (64, 48), state: int = 2, **more: Any) -> dict[str, Any]:
    said = {"width": size[0], "height": size[1]} if isinstance(size, tuple) else size
    own = {"format": "jpg", "id": name, "name": name, "path": f"file:/home/ann/pictures/{name}", "size": said, "state": state, "type": 1}
    return {"asset": own | more, "regions": list(regions), "version": "2.2.0"}


def export(*assets: Any, tags: tuple[str, ...] = ("fish", "shark")) -> dict[str, Any]:
    return {
        "name": "p",
        "videoSettings": {"frameExtractionRate": 15},
        "tags": [{"name": tag, "color": "#5db300"} for tag in tags],
        "assets": {one["asset"]["id"]: one for one in assets},
    }


@pytest.fixture
def vott(tmp_path: Path, draw: Callable[..., None]) -> Callable[..., Path]:
    """A folder with an export and images."""

    def make(document: Any, *, images: tuple[str, ...] = ("a.jpg",), name: str = "vott-json-export/p-export.json") -> Path:
        root = tmp_path / "source"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        for image in images:
            draw((root / name).parent / image)
        return root

    return make


def opened(root: Path, **options: Any) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), VottOptions(**options), Effort())
    return dataset, list(dataset.stream(ledger)), ledger


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(FormatError) as caught:
        opened(root, **options)
    return str(caught.value)


def box(annotation: Annotation) -> tuple[float, float, float, float]:
    return annotation.x, annotation.y, annotation.w, annotation.h


def test_boxes_tags_and_outlines(vott: Callable[..., Path]) -> None:
    regions = (
        region("fish", "shark", box=(-3.5, 40, 20, 12)),
        region("fish", kind="POLYGON", box=(1, 2, 8, 8), points=(1, 2, 9, 2, 9, 10)),
        region("crab", box=None, points=(3, 4, 8, 4, 8, 6, 3, 6)),
        region("fish", kind="POLYLINE", box=(1, 1, 4, 5), points=(1, 1, 5, 1, 3, 6)),
    )
    dataset, (image,), _ = opened(vott(export(asset("a.jpg", *regions))))
    assert dataset.classes == ("fish", "shark", "crab")
    assert [(a.label, box(a), a.origin) for a in image.annotations] == [
        ("fish", (-3.5, 40, 20, 12), 0),
        ("shark", (-3.5, 40, 20, 12), 0),
        ("fish", (1, 2, 8, 8), 1),
        ("crab", (3, 4, 5, 2), 2),
        ("fish", (1, 1, 4, 5), 3),
    ]
    assert (image.annotations[2].mask, image.annotations[2].area) == (Polygons(((1, 2, 9, 2, 9, 10),)), 32)
    assert image.annotations[0].mask is None
    assert str(image.where(image.annotations[0])) == "vott-json-export/p-export.json, annotation 0 of a.jpg"
    assert dataset.notes == (
        "1 regions have several tags: there is a box for each.",
        "1 polylines are taken for closed outlines.",
        "These tags are not in the project's list: 'crab'.",
    )


def test_what_is_no_object_and_who_was_never_looked_at_is_accounted_for(vott: Callable[..., Path]) -> None:
    document = export(
        asset("a.jpg", region(), region("fish", kind="POINT", box=None, points=(1, 1))),
        asset("seen.jpg", state=1),
        asset("new.jpg", state=0, size=None),
        asset("film.mp4", state=1, type=2),
    )
    root = vott(document, images=("a.jpg", "seen.jpg"))
    dataset, images, ledger = opened(root)
    assert [image.name for image in images] == ["a.jpg", "seen.jpg"]
    assert [(entry.reason, entry.unit, entry.count) for entry in ledger.left_out] == [
        ("region without a tag", "boxes", 1),
        ("a point, which has no extent", "boxes", 1),
        ("never visited in VoTT", "images", 1),
    ]
    assert dataset.notes == ("1 videos are no images; those of their frames that are assets are.",)
    assert "new.jpg: The image is not here." in refusal(root, assets="all")
    _, images, ledger = opened(root, assets="tagged")
    assert [image.name for image in images] == ["a.jpg"]
    assert "not tagged in VoTT" in {entry.reason for entry in ledger.left_out}


def test_frames_of_one_second_stay_apart(vott: Callable[..., Path]) -> None:
    frame = {"type": 3, "parent": {"name": "v%20w.mp4"}}
    document = export(
        asset("v.mp4#t=5", region("fish"), timestamp=5, **frame),
        asset("v.mp4#t=5.066667", region("fish"), timestamp=5.066667, **frame),
        asset("v.mp4#t=6.2.jpg", region("fish"), type=1),
    )
    _, images, _ = opened(vott(document, images=("v.mp4#t=5.jpg", "v.mp4#t=5.066667.jpg", "v.mp4#t=6.2.jpg")))
    assert [(image.name, image.video, image.frame) for image in images] == [
        ("v.mp4#t=5.jpg", "v w.mp4", 75),
        ("v.mp4#t=5.066667.jpg", "v w.mp4", 76),
        ("v.mp4#t=6.2.jpg", "v.mp4", 93),
    ]


def test_a_frame_may_have_no_suffix(vott: Callable[..., Path], draw: Callable[..., None]) -> None:
    root = vott(export(asset("v.mp4#t=5.5", region("fish"), type=3)), images=("x.jpg",))
    (root / "vott-json-export/x.jpg").rename(root / "vott-json-export/v.mp4#t=5.5")
    _, (image,), _ = opened(root)
    assert (image.name, image.width) == ("v.mp4#t=5.5.jpg", 64)


def test_images_are_found_under_encoded_and_original_names(vott: Callable[..., Path], draw: Callable[..., None]) -> None:
    root = vott(export(asset("a%20b.jpg"), asset("%E9%AD%9A.v1.JPG"), asset("c.jpg")), images=("a%20b.jpg",))
    draw(root / "pictures" / "魚.v1.JPG")
    for folder in ("pictures", "old"):
        draw(root / folder / "c.jpg")
    _, images, _ = opened(root)
    assert [image.name for image in images] == ["a%20b.jpg", "魚.v1.JPG", "c.jpg"]
    assert str(images[2].path).endswith("pictures/c.jpg")
    assert [image.name for image in opened(root, images="absent")[1]] == ["a%20b.jpg", "%E9%AD%9A.v1.JPG", "c.jpg"]


def project(root: Path, *assets: Any, name: str = "p.vott", own: tuple[Any, ...] = ()) -> None:
    """A project file with the index of all assets, and files for its own."""
    index = {one["asset"]["id"]: one["asset"] for one in assets}
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(json.dumps(export() | {"assets": index}))
    for one in own:
        (root / f"{one['asset']['id']}-asset.json").write_text(json.dumps(one))


def test_a_project_is_its_index_and_its_asset_files(tmp_path: Path, draw: Callable[..., None]) -> None:
    tagged, seen, new = asset("a.jpg", region("shark")), asset("b.jpg", state=1), asset("c.jpg", state=0)
    project(tmp_path / "target", tagged, seen, new, own=(tagged,))
    for name in ("a.jpg", "b.jpg"):
        draw(tmp_path / "pictures" / name)
        draw(tmp_path / "target" / "vott-csv-export" / name)
    dataset, images, ledger = opened(tmp_path)
    assert dataset.classes == ("fish", "shark")
    assert [(image.name, len(image.annotations), image.source_file) for image in images] == [
        ("a.jpg", 1, "target/a.jpg-asset.json"),
        ("b.jpg", 0, "target/p.vott"),
    ]
    assert "/pictures/" in str(images[0].path)
    assert ledger.left_out[0].cases == ("c.jpg",)
    (tmp_path / "target" / "old-asset.json").write_text(json.dumps(tagged))
    _, images, ledger = opened(tmp_path)
    assert len(images) == 2
    assert [(entry.unit, entry.count) for entry in ledger.left_out if "does not list" in entry.reason] == [("images", 1), ("boxes", 1)]
    (tmp_path / "target" / "old-asset.json").unlink()
    (tmp_path / "target" / "vott-json-export").mkdir()
    (tmp_path / "target" / "vott-json-export" / "p-export.json").write_text(json.dumps(export(tagged)))
    assert opened(tmp_path)[0].notes == ("target/vott-json-export/p-export.json is an export of the project and is left alone.",)
    (tmp_path / "target" / "vott-json-export" / "p-export.json").unlink()
    (tmp_path / "target" / "a.jpg-asset.json").unlink()
    assert refusal(tmp_path) == (
        "target/p.vott, a.jpg: The project says that this asset is tagged, but a.jpg-asset.json is not here. "
        "Export it again from VoTT, with its images."
    )


def test_the_same_name_in_two_exports_stays_apart(tmp_path: Path, draw: Callable[..., None]) -> None:
    for split in ("train", "val"):
        home = tmp_path / split / "vott-json-export"
        draw(home / "1.jpg")
        (home / "p-export.json").write_text(json.dumps(export(asset("1.jpg", region("fish")))))
    dataset, images, _ = opened(tmp_path)
    assert dataset.splits == ("train", "val")
    assert [(image.name, image.split) for image in images] == [("train/1.jpg", "train"), ("val/1.jpg", "val")]


def test_every_defect_is_named_in_one_pass(vott: Callable[..., Path]) -> None:
    bad = [
        3,
        region("fish", kind="HEART"),
        region("fish") | {"tags": [""]},
        region("fish", kind="POLYGON") | {"points": [{"x": 1}]},
        region("fish", box=None),
        region("fish") | {"boundingBox": {"left": "1", "top": 1, "width": 1, "height": 1}},
    ]
    document = export(
        asset("a.jpg", *bad),
        asset("b.jpg", size=(48, 64)),
        asset("c.jpg", size=(5, 5)),
        asset("d.jpg", size=(5.5, 5)),
        asset("gone.jpg"),
        asset("/etc/passwd"),
    )
    document["assets"]["e"] = {"asset": {"name": "e.jpg"}, "regions": 3}
    document["assets"]["f"] = 3
    where = "  vott-json-export/p-export.json, "
    assert refusal(vott(document, images=("a.jpg", "b.jpg", "c.jpg", "d.jpg"))).splitlines()[1:] == [
        f"{where}region 0 of a.jpg: A region must be an object.",
        f"{where}region 1 of a.jpg: The region's type is 'HEART'; VoTT knows RECTANGLE, SQUARE, POLYGON, POLYLINE, POINT.",
        f"{where}region 2 of a.jpg: The region's tags must be a list of texts.",
        f"{where}region 3 of a.jpg: The region's points must be a list of objects, each with two numbers x and y.",
        f"{where}region 4 of a.jpg: The region has neither a boundingBox nor points.",
        f"{where}region 5 of a.jpg: The region's boundingBox must have four numbers: left, top, width, height.",
        f"{where}b.jpg: The annotation says 48 x 64 pixels, the image has 64 x 48. Width and height are swapped.",
        f"{where}c.jpg: The annotation says 5 x 5 pixels, the image has 64 x 48.",
        f"{where}d.jpg: The asset's size must have a width and a height in whole pixels.",
        f"{where}gone.jpg: The image is not here.",
        f"{where}/etc/passwd: The name is refused: the path is absolute.",
        f"{where}e.jpg: The regions must be a list.",
        f"{where}asset f: An asset must be an object with a name.",
    ]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"tags": [], "assets": {', "p-export.json, line 1: This is not JSON"),
        ({"tags": [3], "assets": {}}, "p-export.json, tags: The tags must be a list of objects, each with a name."),
        ({"tags": [], "videoSettings": 1, "assets": [3]}, "p-export.json, assets: The assets must be an object"),
        (export(asset("a.jpg", size=None)), "a.jpg: The asset has no size."),
    ],
)
def test_what_is_not_in_the_form_is_refused(vott: Callable[..., Path], document: Any, says: str) -> None:
    root = vott(document, images=())
    assert sniff(scan(root)).confidence > 0.9
    assert says in refusal(root, images="absent")


def test_what_is_written_is_an_export(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> None:
    draw(tmp_path / "1.jpg")
    outline = Polygons(((1, 2, 9, 2, 9, 10),))
    parts = Polygons(((0, 0, 2, 0, 2, 2), (5, 5, 9, 5, 9, 9)))
    boxes = (Annotation("shark", 1, 2, 8, 8, mask=outline), Annotation("fish", 0.1, 0.2, 9, 9, mask=parts))
    records = [ImageRecord("x y/ü#1.jpg", tmp_path / "1.jpg", 64, 48, boxes, split="val")]
    records += [ImageRecord(f"{number}.jpg", tmp_path / "1.jpg", 64, 48) for number in range(40)]
    for processes in (1, 2):
        ledger = Ledger()
        target = tmp_path / str(processes)
        target.mkdir()
        write(dataset_of(records), target, VottWriteOptions(project="my-fish"), Audience(ledger), Effort(processes=processes))
        assert ledger.notes == ("1 masks have several outlines, and a region of VoTT has one: they are written as rectangles.",)
    name = "val/vott-json-export/my-fish-export.json"
    assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()
    document = json.loads((tmp_path / "1" / name).read_text())
    assert [tag["name"] for tag in document["tags"]] == ["fish", "shark"]
    assert all(len(tag["color"]) == 7 for tag in document["tags"])
    (key, only), = document["assets"].items()
    assert only["asset"] | {"id": key, "name": "x y/ü#1.jpg", "state": 2, "type": 1, "format": "jpg"} == only["asset"]
    assert only["regions"][0]["points"] == [{"x": 1, "y": 2}, {"x": 9, "y": 2}, {"x": 9, "y": 10}]
    assert (only["regions"][1]["type"], only["regions"][1]["points"][2]) == ("RECTANGLE", {"x": 9.1, "y": 9.2})
    again, images, _ = opened(tmp_path / "1")
    assert (again.classes, again.splits, len(images)) == (("fish", "shark"), ("val",), 41)
    first = next(image for image in images if image.split == "val")
    assert [(a.label, box(a), a.mask) for a in first.annotations] == [("shark", (1, 2, 8, 8), outline), ("fish", (0.1, 0.2, 9, 9), None)]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
@pytest.mark.parametrize("sample", ["vott_asset_json", "vott_json/vott-json-export"])
def test_real_projects_and_exports_are_read_alike(sample: str, tmp_path: Path) -> None:
    for path in (SAMPLES / sample).iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    for name, size in SIZES.items():
        Image.new("RGB", size).save(tmp_path / name)
    dataset, images, ledger = opened(tmp_path)
    assert dataset.classes == ("car",)
    assert [(image.name, len(image.annotations)) for image in images] == [("car_1.jpg", 8), ("car_2.jpg", 3), ("car_3.jpg", 6)]
    assert box(images[0].annotations[0]) == (377.99351050679854, 703.7557182747148, 211.04494360321385, 176.82398110741445)
    assert not ledger.left_out


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
def test_boxes_far_outside_are_passed_on(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes((SAMPLES / "vott_json" / "datumaro_train-export.json").read_bytes())
    dataset, images, ledger = opened(tmp_path, images="absent")
    assert dataset.classes == ("animal", "dog", "person")
    assert [[(a.label, box(a)) for a in image.annotations] for image in images] == [
        [("animal", (5, 10, 10, 2))],
        [("animal", (11.5, 12, 10.2, 20.5)), ("dog", (11.5, 12, 10.2, 20.5))],
        [("person", (13.7, 20.2, 31.9, 43.4))],
    ]
    assert ledger.left_out[0].reason == "region without a tag"


FIXTURE = json.dumps(
    export(asset("a.jpg", region("fish"), region("shark", kind="POLYGON", points=(1, 1, 5, 1, 3, 6))), asset("v.mp4#t=5", type=3)),
    indent=4,
).encode()
SWAPS = [(b"[", b"{"), (b"{", b"["), (b"}", b"]"), (b": 5", b": null"), (b'"fish"', b"3"), (b"48", b"-1")]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "a.jpg")
    real = sorted(SAMPLES.glob("vott_asset_json/*.*tt")) + sorted(SAMPLES.glob("vott_asset_json/*-asset.json"))
    whole = bytearray(data.draw(st.sampled_from([FIXTURE, *(path.read_bytes() for path in real[:2])])))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, max(0, len(whole) - 1)))
        match data.draw(st.sampled_from(["flip", "cut", "double", "swap"])):
            case "flip":
                whole[place : place + 1] = data.draw(st.binary(min_size=1, max_size=2))
            case "cut":
                del whole[place : place + data.draw(st.integers(1, 40))]
            case "double":
                whole[place:place] = whole[place : place + 60]
            case "swap":
                whole = whole.replace(*data.draw(st.sampled_from(SWAPS)), 1)
    for name in ("p.vott", "a-asset.json", "p.json"):
        (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / data.draw(st.sampled_from(["p.vott", "a-asset.json", "p.json"]))).write_bytes(bytes(whole))
    try:
        dataset, records, _ = opened(tmp_path, images=data.draw(st.sampled_from(["required", "absent"])))
    except DatasetError as error:
        assert str(error)
    else:
        assert len(records) <= dataset.total
        assert {a.label for record in records for a in record.annotations} <= set(dataset.classes)
