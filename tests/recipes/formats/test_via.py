"""VIA: what is read of its files, by hand, from the samples, from damaged files; and what is written."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.via import ViaOptions, ViaWriteOptions, read, sniff, write
from recipes.ledger import Ledger
from recipes.masks.regions import area
from recipes.observing import Audience
from recipes.recipe import load_recipe
from recipes.running import run

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"
RECT = {"name": "rect", "x": 10, "y": 12.5, "width": 20, "height": 7}
TRIANGLE = {"name": "polygon", "all_points_x": [1, 9, 9], "all_points_y": [2, 2, 10]}


def region(shape: dict[str, Any], **attributes: Any) -> dict[str, Any]:
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(name: str, *regions: Any, size: Any = -1, **attributes: Any) -> dict[str, Any]:
    return {f"{name}{size}": {"filename": name, "size": size, "regions": list(regions), "file_attributes": attributes}}


@pytest.fixture
def via(tmp_path: Path, draw: Callable[..., None]) -> Callable[..., Path]:
    """A folder with a VIA file and the images it speaks of."""

    def make(document: Any, *, name: str = "via_region_data.json", images: tuple[str, ...] = ("a.jpg",)) -> Path:
        root = tmp_path / "source"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
        for image in images:
            draw((root / name).parent / image)
        return root

    return make


def opened(root: Path, **options: Any) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), ViaOptions(**options), Effort())
    return dataset, list(dataset.stream(ledger)), ledger


def refusal(root: Path, **options: Any) -> str:
    with pytest.raises(FormatError) as caught:
        opened(root, **options)
    return str(caught.value)


def box(annotation: Annotation) -> tuple[float, float, float, float]:
    return annotation.x, annotation.y, annotation.w, annotation.h


def test_every_shape_has_its_box_and_its_outline(via: Callable[..., Path]) -> None:
    shapes = [
        RECT,
        TRIANGLE,
        {"name": "circle", "cx": 20, "cy": 20, "r": 5},
        {"name": "ellipse", "cx": 20, "cy": 20, "rx": 8, "ry": 3},
        {"name": "ellipse", "cx": 20, "cy": 20, "rx": 8, "ry": 3, "theta": math.pi / 2},
        {"name": "polyline", "all_points_x": [1, 5, 3], "all_points_y": [1, 1, 6]},
        {"name": "polygon", "all_points_x": [4, 8], "all_points_y": [4, 9]},
    ]
    dataset, (image,), _ = opened(via(entry("a.jpg", *(region(shape, kind="fish") for shape in shapes))))
    rect, triangle, circle, ellipse, turned, polyline, line = image.annotations
    assert (box(rect), rect.mask) == ((10, 12.5, 20, 7), None)
    assert (box(triangle), triangle.mask, triangle.area) == ((1, 2, 8, 8), Polygons(((1, 2, 9, 2, 9, 10),)), 32)
    assert box(circle) == (15, 15, 10, 10)
    assert circle.area == pytest.approx(25 * math.pi, rel=0.002)
    assert box(ellipse) == (12, 17, 16, 6)
    assert box(turned) == pytest.approx((17, 12, 6, 16))
    assert isinstance(turned.mask, Polygons)
    assert max(turned.mask.parts[0][1::2]) == pytest.approx(28)
    assert (box(polyline), polyline.mask) == ((1, 1, 4, 5), Polygons(((1, 1, 5, 1, 3, 6),)))
    assert (box(line), line.mask) == ((4, 4, 4, 5), None)
    assert [a.origin for a in image.annotations] == list(range(7))
    assert str(image.where(rect)) == "via_region_data.json, annotation 0 of a.jpg"
    assert dataset.notes == ("3 circles and ellipses have masks of 64 points.", "1 polylines are taken for closed outlines.")


def test_version_1_numbers_its_regions_and_closes_its_polygons(via: Callable[..., Path]) -> None:
    closed = {"name": "polygon", "all_points_x": [1, 9, 9, 1], "all_points_y": [2, 2, 10, 2]}
    regions = {"0": region(closed), "3": region(RECT)}
    document = {"a.jpg9": {"fileref": "", "size": 9, "filename": "a.jpg", "base64_img_data": "", "file_attributes": {}, "regions": regions}}
    dataset, (image,), _ = opened(via(document), class_name="balloon")
    assert dataset.classes == ("balloon",)
    assert image.annotations[0].mask == Polygons(((1, 2, 9, 2, 9, 10),))
    assert [a.origin for a in image.annotations] == [0, 3]
    assert dataset.notes == ("1 images have another size in bytes than when they were annotated.",)


def test_points_and_regions_without_a_class_are_left_out_and_accounted_for(via: Callable[..., Path]) -> None:
    point = {"name": "point", "cx": 1, "cy": 2}
    root = via(entry("a.jpg", region(point, name="eye"), region(RECT, name=" "), region(RECT), region(RECT, name="fish\n")))
    _, (image,), ledger = opened(root)
    assert [a.label for a in image.annotations] == ["fish"]
    reasons = {left_out.reason: left_out.count for left_out in ledger.left_out}
    assert reasons == {"a point, which has no extent": 1, "region without a class": 2}
    assert ledger.left_out[1].cases[0] == "via_region_data.json, region 1 of a.jpg"


def test_the_class_is_found_or_told(via: Callable[..., Path]) -> None:
    two = region(RECT, name="Plato", type="human", quality={"blur": True})
    root = via(entry("a.jpg", two))
    dataset, (image,), _ = opened(root)
    assert dataset.classes == ("Plato",)
    assert dataset.notes == ("The attribute 'name' is taken for the class (class_attribute=NAME takes another: 'type', 'quality').",)
    assert image.annotations[0].attributes == {"type": "human", "quality": {"blur": True}}
    assert opened(root, class_attribute="type")[0].classes == ("human",)
    dataset, (image,), _ = opened(root, class_name="person")
    assert dataset.classes == ("person",)
    assert image.annotations[0].attributes == {"name": "Plato", "type": "human", "quality": {"blur": True}}
    assert refusal(root, class_attribute="colour").startswith(
        "via_region_data.json: No region has an attribute 'colour'; there are 'name', 'type', 'quality'. Say class_attribute=ATTRIBUTE"
    )


def test_an_attribute_preferred_by_name_wins_and_one_alone_is_enough(via: Callable[..., Path]) -> None:
    assert opened(via(entry("a.jpg", region(RECT, name="x", Label="fish"))))[0].classes == ("fish",)
    assert opened(via(entry("a.jpg", region(RECT, species="cod", depth=3))))[0].classes == ("cod",)
    unclear = via(entry("a.jpg", region(RECT, species="cod", place="sea")))
    assert "No attribute is known to say the class of a region; there are 'species', 'place'." in refusal(unclear, unclear="refuse")
    assert opened(unclear, class_attribute="species", class_name="fish")[0].classes == ("cod",)
    dataset, (image,), _ = opened(unclear)
    assert (dataset.classes, image.annotations[0].attributes) == (("object",), {"species": "cod", "place": "sea"})
    assert dataset.notes == (
        "No attribute is known to say the class of a region, so all are called 'object'; there are 'species', 'place'. "
        "Say class_attribute=ATTRIBUTE, or class_name=NAME where all regions are of one class.",
    )
    assert "regions have no attributes" in refusal(via(entry("a.jpg", region(RECT))), unclear="refuse")
    assert "there are 'track'" in refusal(via(entry("a.jpg", region(RECT, track=320))), unclear="refuse")
    assert opened(via(entry("a.jpg", region(RECT, track=320))), class_attribute="track")[0].classes == ("320",)


def test_a_checkbox_with_several_ticks_is_a_box_for_each(via: Callable[..., Path]) -> None:
    ticks = {"cat": True, "dog": True, "cow": False}
    dataset, (image,), _ = opened(via(entry("a.jpg", region(RECT, kind=ticks))))
    assert [(a.label, a.origin) for a in image.annotations] == [("cat", 0), ("dog", 0)]
    assert dataset.notes == ("1 regions have several classes ticked: there is a box for each.",)


def test_a_project_tells_the_classes_and_their_order(via: Callable[..., Path]) -> None:
    options = {"shark": "Shark", "fish": "", "eel": "Eel"}
    document = {
        "_via_settings": {},
        "_via_img_metadata": entry("a.jpg", region(RECT, name="fish"), region(RECT, name="crab")) | entry("b.jpg"),
        "_via_attributes": {"region": {"name": {"type": "dropdown", "options": options}}, "file": {}},
    }
    dataset, images, _ = opened(via(document, images=("a.jpg", "b.jpg")))
    assert dataset.classes == ("shark", "fish", "eel", "crab")
    assert [len(image.annotations) for image in images] == [2, 0]
    document["_via_attributes"] = {"region": {"thing": {"options": {"1": "fish", "7": "shark"}}}}
    document["_via_img_metadata"] = entry("a.jpg", region(RECT, thing="7"))
    dataset, (image,), _ = opened(via(document))
    assert (dataset.classes, image.annotations[0].label) == (("fish", "shark"), "shark")


def test_csv_of_both_versions(via: Callable[..., Path]) -> None:
    header = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes"
    out = io.StringIO()
    rows = csv.writer(out)
    shape, quoted = json.dumps(RECT), json.dumps({"name": 'a "red" fish, great'})
    rows.writerows([["a.jpg", 5, '{"caption":"x"}', 2, 0, shape, quoted], ["b.jpg", 5, "{}", 0, 0, "{}", "{}"]])
    rows.writerows([["a.jpg", 5, '{"caption":"x"}', 2, 1, json.dumps(TRIANGLE), quoted]])
    for mark in ("", "#"):
        root = via(f"{mark}{header}\n{out.getvalue()}", name="via.csv", images=("a.jpg", "b.jpg"))
        dataset, (first, second), _ = opened(root)
        assert dataset.classes == ('a "red" fish, great',)
        assert [(box(a), a.origin) for a in first.annotations] == [((10, 12.5, 20, 7), 2), ((1, 2, 8, 8), 4)]
        assert first.annotations[0].attributes == {"file_attributes": {"caption": "x"}}
        assert str(first.where(first.annotations[1])) == "via.csv, line 4, a.jpg"
        assert second.annotations == ()
    (root / "via.csv").write_text(f"{header}\na.jpg,5,{{}},1,0,{{}}\nb.jpg,5,{{}},1,0,no,{{}}\na.jpg,5,\"{{\",0,0,{{}},{{}}\n")
    assert refusal(root).splitlines()[1:] == [
        "  via.csv, line 2: A row needs a filename and 7 fields, not 6.",
        "  via.csv, line 3: region_shape_attributes and region_attributes must be JSON objects.",
        "  via.csv, line 4: file_attributes is no JSON object.",
    ]
    (root / "via.csv").write_text(f'{header}\n"a.jpg')
    assert "This is not CSV" in refusal(root)
    (root / "via.csv").write_bytes(header.encode() + b"\na\xff")
    assert refusal(root).startswith("via.csv, line 2: The file is not UTF-8. Save it as UTF-8.")
    (root / "via.csv").write_text(f"{header}\na.jpg,-1,{{}},9,0,{{}},{{}}\n")
    assert opened(root)[0].notes == ("via.csv: a.jpg should have 9 regions and has 0; lines may be missing.",)


def test_every_defect_is_named_in_one_pass(via: Callable[..., Path]) -> None:
    bad = [
        {"name": "rect", "x": "1", "y": 1, "width": 1, "height": 1},
        {"name": "heart"},
        {"name": ["rect"]},
        {"name": "polygon", "all_points_x": [1, 2], "all_points_y": [1]},
        {"name": "polygon", "all_points_x": [1, None], "all_points_y": [1, 2]},
        {"name": "circle", "cx": 1, "cy": True, "r": 1},
    ]
    document = entry("a.jpg", *(region(shape, name="fish") for shape in bad)) | entry("gone.jpg", region(RECT, name="fish"))
    assert refusal(via(document)).splitlines()[1:] == [
        "  via_region_data.json, region 0 of a.jpg: x of the rect is '1'; it must be a number of pixels.",
        "  via_region_data.json, region 1 of a.jpg: The shape is 'heart'; VIA knows rect, circle, ellipse, polygon, polyline, point.",
        "  via_region_data.json, region 2 of a.jpg: The shape is \"['rect']\"; VIA knows rect, circle, ellipse, polygon, polyline, point.",
        "  via_region_data.json, region 3 of a.jpg: The polygon needs as many all_points_x as all_points_y, and at least one.",
        "  via_region_data.json, region 4 of a.jpg: A point of the polygon is no pair of numbers.",
        "  via_region_data.json, region 5 of a.jpg: cy of the circle is 'True'; it must be a number of pixels.",
        "  via_region_data.json, gone.jpg: The image is not here.",
    ]


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ('{"filename": "regions"', "via_region_data.json, line 1: This is not JSON"),
        ({"a": {"filename": "", "regions": []}}, "via_region_data.json, a: An image must be an object with a filename."),
        ({"a": {"filename": "a.jpg", "regions": 3}}, "via_region_data.json, a: An image needs regions (an object or a list)"),
        ({"a": {"filename": "a.jpg", "regions": [3]}}, "via_region_data.json, region 0 of a: A region must be an object"),
        ({"_via_img_metadata": [], "file_attributes": {}}, "via_region_data.json: _via_img_metadata is no object."),
        (entry("a.jpg") | entry("./a.jpg", size=3), "via_region_data.json, ./a.jpg3: The image is annotated twice: another entry has"),
        (entry("a.jpg", region(RECT, name=[[[[[[[[[]]]]]]]]])), "via_region_data.json, region 0 of a.jpg-1: A region must be an object"),
        (entry("a\x01.jpg"), "The filename 'a\\x01.jpg' is refused."),
        (
            {"project": {"pid": "x", "vid_list": []}, "config": {}, "attribute": {}, "file": {}, "metadata": {}, "view": {}},
            "via_region_data.json: This is a project of VIA 3, which is another format. Open it in VIA 3",
        ),
    ],
)
def test_what_is_not_in_the_form_is_refused(via: Callable[..., Path], document: Any, says: str) -> None:
    root = via(document)
    assert sniff(scan(root)).confidence > 0.9
    assert says in refusal(root)


def test_images_are_found_where_their_names_lead(via: Callable[..., Path], draw: Callable[..., None]) -> None:
    names = ["./images/1.jpg", "C:\\data\\left\\2.jpg", "https://example.org/pics/a%20b.jpg?x=1", "../other/3.jpg", "4 %20.v1.JPG"]
    document: dict[str, Any] = {}
    for name in names:
        document |= entry(name, region(RECT, name="fish"))
    root = via(document, name="notes/via.json", images=("images/1.jpg",))
    for image in ("left/2.jpg", "right/2.jpg", "pics/a b.jpg", "other/3.jpg", "notes/4 %20.v1.JPG"):
        draw(root / image, shade=len(image))
    _, images, _ = opened(root)
    assert [image.name for image in images] == ["images/1.jpg", "left/2.jpg", "pics/a b.jpg", "other/3.jpg", "4 %20.v1.JPG"]
    assert all(image.path and image.path.is_file() for image in images)
    (root / "left/2.jpg").rename(root / "2.jpg")
    (root / "right/2.jpg").unlink()
    assert opened(root)[1][1].name == "2.jpg"


def test_the_same_name_in_two_splits_stays_apart(tmp_path: Path, draw: Callable[..., None]) -> None:
    for split in ("train", "val"):
        draw(tmp_path / split / "1.jpg")
        (tmp_path / split / "via_region_data.json").write_text(json.dumps(entry("1.jpg", region(RECT, name="fish"))))
    dataset, images, _ = opened(tmp_path)
    assert dataset.splits == ("train", "val")
    assert [(image.name, image.split) for image in images] == [("train/1.jpg", "train"), ("val/1.jpg", "val")]


def written(dataset: Dataset, target: Path, *, processes: int = 1, **options: Any) -> Ledger:
    ledger = Ledger()
    target.mkdir()
    write(dataset, target, ViaWriteOptions(**options), Audience(ledger), Effort(processes=processes))
    return ledger


def test_what_is_written_opens_in_via_and_is_read_back(
    tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]
) -> None:
    draw(tmp_path / "1.jpg")
    rich = Annotation("fish", 1, 2, 3.25, 4, flags=frozenset({Flag.DIFFICULT, Flag.CROWD}), attributes={"depth": "3", "class": "x"})
    loose = Annotation("shark", 0, 0, 5, 5, mask=Polygons(((1, 1, 4, 1, 4, 4),)), mask_area=4.5, attributes={"file_attributes": {"a": 1}})
    parts = Annotation("fish", 0, 0, 9, 9, mask=Polygons(((0, 0, 2, 0, 2, 2), (5, 5, 9, 5, 9, 9))))
    tight = Annotation("fish", 1, 2, 8, 8, mask=Polygons(((1, 2, 9, 2, 9, 10),)))
    record = ImageRecord("x/ü 1.jpg", tmp_path / "1.jpg", 64, 48, (loose, rich, parts, tight), split="train")
    dataset = dataset_of([record, ImageRecord("2.jpg", None, 64, 48, split="train")])
    ledger = written(dataset, tmp_path / "out")
    document = json.loads((tmp_path / "out/train/via_project.json").read_text())
    size = (tmp_path / "1.jpg").stat().st_size
    assert document["_via_image_id_list"] == [f"x/ü 1.jpg{size}", "2.jpg-1"] == list(document["_via_img_metadata"])
    assert list(document["_via_attributes"]["region"]) == ["class", "depth", "flags"]
    assert document["_via_attributes"]["region"]["class"]["options"] == {"fish": "fish", "shark": "shark"}
    regions = document["_via_img_metadata"][f"x/ü 1.jpg{size}"]["regions"]
    assert [set(region["shape_attributes"]) for region in regions[2:]] == [
        {"name", "x", "y", "width", "height"},
        {"name", "all_points_x", "all_points_y"},
    ]
    assert ledger.notes == (
        "1 masks have several outlines, and a region of VIA has one: they are written as rectangles.",
        "1 attributes called class or flags gave way to VIA's own and are left out.",
    )
    draw(tmp_path / "out/train/2.jpg")
    again, (image, _), _ = opened(tmp_path / "out")
    assert (again.classes, again.splits, image.name) == (("fish", "shark"), ("train",), "x/ü 1.jpg")
    assert [(a.label, box(a), a.mask) for a in image.annotations] == [
        (a.label, box(a), a.mask if a is not parts else None) for a in record.annotations
    ]
    assert image.annotations[1].flags == rich.flags
    assert image.annotations[1].attributes == {"depth": "3", "file_attributes": {"a": 1}}


def test_two_images_of_one_name_are_refused(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> None:
    draw(tmp_path / "1.jpg")
    record = ImageRecord("1.jpg", tmp_path / "1.jpg", 64, 48, source_file="a.json")
    with pytest.raises(DatasetError, match=r"a.json, 1.jpg: Another file has the name of this image. Rename one of them."):
        written(dataset_of([record, record]), tmp_path / "out")


def test_annotations_alone_are_what_programs_for_the_balloon_dataset_read(
    tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]
) -> None:
    draw(tmp_path / "1.jpg")
    dataset = dataset_of([ImageRecord(f"{number}.jpg", tmp_path / "1.jpg", 64, 48) for number in range(60)])
    written(dataset, tmp_path / "one", form="annotations")
    written(dataset, tmp_path / "two", form="annotations", processes=2)
    document = json.loads((tmp_path / "one/via_region_data.json").read_text())
    assert [value["filename"] for value in document.values()] == [f"{number}.jpg" for number in range(60)]
    assert (tmp_path / "one/via_region_data.json").read_bytes() == (tmp_path / "two/via_region_data.json").read_bytes()


def test_the_balloon_dataset_is_one_line(tmp_path: Path) -> None:
    sample = SAMPLES / "via_v1" / "balloon_excerpt.json"
    if not sample.is_file():
        pytest.skip("the sample is not here")
    for split in ("train", "val"):
        (tmp_path / "in" / split).mkdir(parents=True)
        (tmp_path / "in" / split / "via_region_data.json").write_bytes(sample.read_bytes())
        for number, one in enumerate(json.loads(sample.read_text()).values()):
            shade = (number, 9, 9 if split == "train" else 200)
            Image.new("RGB", (2048, 1536), shade).save(tmp_path / "in" / split / one["filename"], quality=10)
    summary = run(load_recipe("via-to-coco", ["class_name=balloon"]), tmp_path / "in", tmp_path / "out")
    assert (summary.images, summary.boxes, summary.classes) == (6, 8, {"balloon": 8})
    document = json.loads((tmp_path / "out/annotations/instances_train.json").read_text())
    first = document["annotations"][0]
    xs = next(iter(json.loads(sample.read_text()).values()))["regions"]["0"]["shape_attributes"]["all_points_x"]
    assert first["bbox"] == [min(xs), 619.0, max(xs) - min(xs), 547.0]
    assert first["segmentation"][0][::2] == xs[:-1]
    assert first["area"] == area(tuple(first["segmentation"][0]))


def sample_files() -> list[Path]:
    return sorted(path for path in SAMPLES.glob("via_v*/*") if path.suffix in {".json", ".csv"} and "attributes_" not in path.name[6:])


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
@pytest.mark.parametrize(
    ("sample", "options", "images", "boxes", "left_out"),
    [
        ("via_v1/unit_test_annotation2.json", {}, 3, 5, 7),
        ("via_v1/unit_test_annotation1.csv", {}, 3, 5, 7),
        ("via_v1/balloon_excerpt.json", {"class_name": "balloon"}, 3, 4, 0),
        ("via_v2/basic_demo_annotations.json", {"class_attribute": "type"}, 2, 4, 0),
        ("via_v2/via_project_2.0.10_skeleton.json", {"class_attribute": "type"}, 2, 4, 0),
        ("via_v2/default_attributes_rect.json", {}, 2, 3, 0),
        ("via_v2/face_tracks_excerpt.json", {"class_name": "face"}, 12, 12, 0),
        ("via_v2/face_tracks_excerpt.csv", {"class_name": "face"}, 13, 13, 0),
        ("via_v2/list_regions_rect.json", {"class_name": "field"}, 10, 30, 0),
    ],
)
def test_real_files_are_read(sample: str, options: dict[str, str], images: int, boxes: int, left_out: int, tmp_path: Path) -> None:
    data = (SAMPLES / sample).read_bytes()
    (tmp_path / Path(sample).name).write_bytes(data)
    draw_named(tmp_path, data)
    assert sniff(scan(tmp_path)).confidence > 0.9
    dataset, records, ledger = opened(tmp_path, **options)
    assert (dataset.total, len(records)) == (images, images)
    assert sum(len(record.annotations) for record in records) == boxes
    assert sum(entry.count for entry in ledger.left_out) == left_out


def draw_named(root: Path, data: bytes) -> None:
    """An image for every file that a sample names."""
    if data.startswith(b"{"):
        document = json.loads(data)
        names = {image["filename"] for image in document.get("_via_img_metadata", document).values()}
    else:
        names = {row[0] for row in list(csv.reader(io.StringIO(data.decode())))[1:]}
    for name in names:
        (root / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (16, 12)).save(root / name)


FIXTURES = [
    json.dumps(entry("a.jpg", region(RECT, name="fish"), region(TRIANGLE, name={"x": True}), size="7", caption="c")).encode(),
    json.dumps({"_via_img_metadata": entry("a.jpg"), "_via_attributes": {"region": {"name": {"options": {"1": "x"}}}}}).encode(),
    b"#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
    b'a.jpg,5,"{}",1,0,"{""name"":""circle"",""cx"":4,""cy"":4,""r"":2}","{""name"":""fish""}"\n',
]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "a.jpg")
    whole = bytearray(data.draw(st.sampled_from(FIXTURES + [path.read_bytes() for path in sample_files()[:6]])))
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
                whole = whole.replace(*data.draw(st.sampled_from([(b"[", b"{"), (b'"rect"', b"3"), (b"{}", b"[]"), (b":", b": null,")])), 1)
    name = "via.csv" if whole[:1] != b"{" else "via.json"
    for other in ("via.csv", "via.json"):
        (tmp_path / other).unlink(missing_ok=True)
    (tmp_path / name).write_bytes(bytes(whole))
    try:
        dataset, records, _ = opened(tmp_path, class_name=data.draw(st.sampled_from([None, "thing"])))
    except DatasetError as error:
        assert str(error)
    else:
        assert len(records) == dataset.total
        assert {a.label for record in records for a in record.annotations} <= set(dataset.classes)
