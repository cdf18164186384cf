"""VoTT's Pascal VOC export: edges from 0, lists for each tag, texts that are not escaped."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.vott_voc import FORMAT, read, sniff
from recipes.ledger import Ledger
from recipes.parameters import NoParameters
from recipes.sources import sniff as sniff_all

SAMPLE = Path(__file__).parents[4] / "shared" / "samples" / "vott_pascalvoc"
HOME = "fish-PascalVOC-export"


def annotation(name: str, *boxes: tuple[Any, ...], size: tuple[int, int] = (64, 48)) -> str:
    objects = "".join(
        f"<object>\n    <name>{label}</name>\n    <pose>Unspecified</pose>\n    <truncated>0</truncated>\n    <difficult>0</difficult>\n"
        f"    <bndbox>\n        <xmin>{x1}</xmin>\n        <ymin>{y1}</ymin>\n        <xmax>{x2}</xmax>\n        <ymax>{y2}</ymax>\n"
        "    </bndbox>\n</object>"
        for label, x1, y1, x2, y2 in boxes
    )
    return (
        f'<annotation verified="yes">\n    <folder>Annotation</folder>\n    <filename>{name}</filename>\n'
        f"    <path>{HOME}/Annotations/{name}</path>\n    <source>\n        <database>Unknown</database>\n    </source>\n    <size>\n"
        f"        <width>{size[0]}</width>\n        <height>{size[1]}</height>\n        <depth>3</depth>\n    </size>\n"
        f"    <segmented>0</segmented>\n    {objects}\n</annotation>\n"
    )


@pytest.fixture
def export(tmp_path: Path, draw: Callable[..., None]) -> Path:
    """An export of four images: two tags, lists of train and val, one image that nobody tagged."""
    root = tmp_path / HOME
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    texts = {
        "a.jpg": annotation("a.jpg", ("shark", -0.5, 0, 63.5, 48.25), ("black & white", 1.5, 2, 3.5, 4)),
        "b%20c.jpg": annotation("b%20c.jpg", ("shark", 1, 2, 3, 4)),
        "v.mp4#t=5.jpg": annotation("v.mp4#t=5.jpg", ("black &amp; white", 1, 2, 3, 4)),
        "none.jpg": annotation("none.jpg"),
    }
    for name, text in texts.items():
        (root / "Annotations" / f"{name.removesuffix('.jpg')}.xml").write_text(text)
        draw(root / "JPEGImages" / name.replace("%20", " "))
    (root / "ImageSets/Main/shark_train.txt").write_text("a.jpg 1\nb%20c.jpg 1\nv.mp4#t=5.jpg -1")
    (root / "ImageSets/Main/shark_val.txt").write_text("")
    (root / "ImageSets/Main/black & white_train.txt").write_text("b%20c.jpg -1\r\na.jpg 1")
    (root / "ImageSets/Main/black & white_val.txt").write_text("v.mp4#t=5.jpg 1")
    (root / "pascal_label_map.pbtxt").write_text("item {\n id: 1\n name: 'shark'\n}\nitem {\n id: 2\n name: 'black & white'\n}\n")
    return tmp_path


def opened(root: Path) -> tuple[Dataset, list[ImageRecord]]:
    dataset = read(scan(root), NoParameters(), Effort())
    return dataset, list(dataset.stream(Ledger()))


def refusal(root: Path) -> str:
    with pytest.raises(FormatError) as caught:
        opened(root)
    return str(caught.value)


def test_an_export_is_read_as_vott_means_it(export: Path) -> None:
    assert sniff_all(scan(export))[0] is FORMAT
    dataset, images = opened(export)
    assert (dataset.classes, dataset.splits) == (("shark", "black & white"), ("train", "val"))
    assert [(image.name, image.split, len(image.annotations)) for image in images] == [
        ("a.jpg", "train", 2),
        ("b c.jpg", "train", 1),
        ("none.jpg", None, 0),
        ("v.mp4#t=5.jpg", "val", 1),
    ]
    assert [(a.label, a.x, a.y, a.w, a.h) for a in images[0].annotations] == [
        ("shark", -0.5, 0, 64, 48.25),
        ("black & white", 1.5, 2, 2, 2),
    ]
    assert images[0].where(images[0].annotations[1]).line == 25
    assert dataset.notes == ("1 annotation files hold & where XML wants &amp;, as VoTT writes it; it is read as &.",)


def test_two_exports_stay_apart(export: Path) -> None:
    shutil.copytree(export / HOME, export / "more-PascalVOC-export")
    _, images = opened(export)
    assert len({image.name for image in images}) == len(images) == 8
    assert images[0].name == f"{HOME}/a.jpg"


def test_every_defect_is_named_in_one_pass(export: Path) -> None:
    root = export / HOME
    (root / "JPEGImages" / "b c.jpg").unlink()
    (root / "Annotations" / "a.xml").write_text(annotation("a.jpg", size=(48, 64)))
    (root / "Annotations" / "none.xml").write_text(annotation(""))
    (root / "Annotations" / "v.mp4#t=5.xml").write_text(annotation("v.mp4#t=5.jpg", ("fish", "x", 1, 2, 3)) + "<")
    assert refusal(export).splitlines()[1:] == [
        f"  {HOME}/Annotations/a.xml: The annotation says 48 x 64 pixels, the image has 64 x 48. Width and height are swapped.",
        f"  {HOME}/Annotations/b%20c.xml: The image is not here.",
        f"  {HOME}/Annotations/none.xml: The <filename> is missing.",
        f"  {HOME}/Annotations/v.mp4#t=5.xml, line 27: The XML is broken: unclosed token.",
    ]
    (root / "ImageSets/Main/shark_val.txt").write_text("a.jpg 1\na.jpg\n")
    assert refusal(export) == f"{HOME}/ImageSets/Main/shark_val.txt, line 2: A line must be a file and 1 or -1, not 'a.jpg'."


def test_entities_are_refused(export: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY b "bb">]>' + annotation("a.jpg", ("&b;", 1, 2, 3, 4))
    (export / HOME / "Annotations" / "a.xml").write_text(bomb)
    assert "a.xml, line 1: The XML has a document type, which is refused" in refusal(export)


def test_other_voc_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "VOC2007" / "Annotations").mkdir(parents=True)
    (tmp_path / "VOC2007" / "Annotations" / "1.xml").write_text("<annotation><folder>VOC2007</folder></annotation>")
    assert sniff(scan(tmp_path)).confidence == 0
    assert "There is no Pascal VOC export of VoTT here." in refusal(tmp_path / "VOC2007" / "Annotations")


def test_a_real_export_is_read(tmp_path: Path) -> None:
    if not SAMPLE.is_dir():
        pytest.skip("the sample is not here")
    shutil.copytree(SAMPLE, tmp_path / "in")
    images = tmp_path / "in" / "sample_project-PascalVOC-export" / "JPEGImages"
    images.mkdir()
    for name, size in {"car_1": (1484, 965), "car_2": (708, 472), "car_3": (1200, 800)}.items():
        Image.new("RGB", size).save(images / f"{name}.jpg")
    dataset, records = opened(tmp_path / "in")
    assert (dataset.classes, dataset.splits) == (("car",), ("train", "val"))
    assert [(record.name, record.split, len(record.annotations)) for record in records] == [
        ("car_1.jpg", "val", 8),
        ("car_2.jpg", "train", 3),
        ("car_3.jpg", "train", 6),
    ]
    first = records[0].annotations[0]
    assert (first.x, first.y) == (377.99351050679854, 703.7557182747148)
    assert (first.w, first.h) == pytest.approx((211.04494360321385, 176.82398110741445))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, export: Path) -> None:
    name = data.draw(st.sampled_from(["Annotations/a.xml", "ImageSets/Main/shark_train.txt", "pascal_label_map.pbtxt"]))
    path = export / HOME / name
    whole = bytearray(path.read_bytes())
    before = bytes(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "double"])):
        case "flip":
            whole[place : place + 1] = data.draw(st.binary(min_size=1, max_size=3))
        case "cut":
            del whole[place : place + data.draw(st.integers(1, 80))]
        case "double":
            whole[place:place] = whole[place : place + 80]
    path.write_bytes(bytes(whole))
    try:
        dataset, images = opened(export)
    except DatasetError as error:
        assert str(error)
    else:
        assert len(images) == dataset.total
    finally:
        path.write_bytes(before)
