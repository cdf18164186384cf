"""VoTT's CSV export: what is read of it, by hand, from the samples, from damaged files; and what is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import DatasetError, FormatError
from recipes.folder import scan
from recipes.formats.vott_csv import BOXLESS, VottCsvOptions, VottCsvWriteOptions, read, sniff, write
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.sources import sniff as sniff_all

SAMPLES = Path(__file__).parents[4] / "shared" / "samples" / "vott_csv"
HEADER = '"image","xmin","ymin","xmax","ymax","label"'


@pytest.fixture
def export(tmp_path: Path, draw: Callable[..., None]) -> Callable[..., Path]:
    """A folder with a CSV file and images."""

    def make(*rows: str, images: tuple[str, ...] = ("a.jpg",), name: str = "vott-csv-export/p-export.csv") -> Path:
        root = tmp_path / "source"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("\n".join((HEADER, *rows)), encoding="utf-8")
        for shade, image in enumerate(images):
            draw((root / name).parent / image, shade=shade)
        return root

    return make


def opened(root: Path, **options: Any) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), VottCsvOptions(**options), Effort())
    return dataset, list(dataset.stream(ledger)), ledger


def refusal(root: Path) -> str:
    with pytest.raises(FormatError) as caught:
        opened(root)
    return str(caught.value)


def test_rows_in_any_order_come_together_by_image(export: Callable[..., Path]) -> None:
    root = export(
        '"b c.jpg",1,2,4.5,8,"traffic ""light"", red"',
        '"a.jpg",-3.5,40,16.5,52,"fish"',
        '"b c.jpg",5,5,3,9,"fish"',
        images=("a.jpg", "b c.jpg", "empty.jpg"),
    )
    dataset, (a, b, empty), ledger = opened(root)
    assert dataset.classes == ("fish", 'traffic "light", red')
    assert [image.name for image in (a, b, empty)] == ["a.jpg", "b c.jpg", "empty.jpg"]
    assert [(x.label, x.x, x.y, x.w, x.h, x.origin) for x in b.annotations] == [
        ('traffic "light", red', 1, 2, 3.5, 6, 2),
        ("fish", 5, 5, -2, 4, 4),
    ]
    assert str(b.where(b.annotations[1])) == "vott-csv-export/p-export.csv, line 4, b c.jpg"
    assert (empty.annotations, ledger.notes) == ((), (BOXLESS,))
    _, images, ledger = opened(root, without_rows="drop")
    assert (len(images), ledger.left_out[0].reason, ledger.left_out[0].cases) == (2, "image without a row", ("empty.jpg",))


def test_names_are_found_encoded_and_elsewhere(export: Callable[..., Path], draw: Callable[..., None]) -> None:
    rows = ('"a%20(1).jpg",1,1,2,2,"x"', '"b%20c.jpg",1,1,2,2,"x"', '"d.jpg",1,1,2,2,"x"')
    root = export(*rows, images=("a%20(1).jpg", "b c.jpg"))
    draw(root / "pictures" / "d.jpg")
    _, images, _ = opened(root)
    assert [(image.name, len(image.annotations)) for image in images] == [("pictures/d.jpg", 1), ("a%20(1).jpg", 1), ("b c.jpg", 1)]


def test_a_project_without_its_asset_files_gives_way(export: Callable[..., Path]) -> None:
    root = export('"a.jpg",1,1,9,9,"x"')
    (root / "p.vott").write_text('{"name": "p", "tags": [], "assets": {}}')
    assert sniff_all(scan(root))[0].name == "vott_csv"


def test_the_same_name_in_two_splits_stays_apart(export: Callable[..., Path]) -> None:
    for split in ("train", "val"):
        root = export('"a.jpg",1,1,9,9,"x"', name=f"{split}/vott-csv-export/p-export.csv")
    dataset, images, _ = opened(root)
    assert dataset.splits == ("train", "val")
    assert [(image.name, image.split) for image in images] == [
        ("train/vott-csv-export/a.jpg", "train"),
        ("val/vott-csv-export/a.jpg", "val"),
    ]


def test_two_files_in_one_folder_may_be_splits(export: Callable[..., Path]) -> None:
    export('"a.jpg",1,1,9,9,"x"', name="train.csv")
    root = export('"b.jpg",1,1,9,9,"x"', name="val.csv", images=("b.jpg",))
    dataset, images, _ = opened(root)
    assert dataset.splits == ("train", "val")
    assert [(image.name, image.split) for image in images] == [("a.jpg", "train"), ("b.jpg", "val")]


def test_every_defect_is_named_in_one_pass(export: Callable[..., Path], draw: Callable[..., None]) -> None:
    rows = ['"a.jpg",1,2,3,4', '"a.jpg",1,x,3,,"f"', '"a.jpg",1,2,3,4," "', '"no.jpg",1,2,3,4,"f"', '"no.jpg",1_0,2,3,4,"f"']
    root = export(*rows, '"t.jpg",1,2,3,4,"f"')
    for folder in ("one", "two"):
        draw(root / folder / "t.jpg")
    where = "  vott-csv-export/p-export.csv, line "
    assert refusal(root).splitlines()[1:] == [
        f"{where}2: A row has 6 fields (image, xmin, ymin, xmax, ymax, label), not 5.",
        f"{where}3: ymin is 'x' and ymax is ''; it must be a number of pixels.",
        f"{where}4: The label is empty.",
        f"{where}5: The image 'no.jpg' is not here.",
        f"{where}6: xmin is '1_0'; it must be a number of pixels.",
        f"{where}7: 2 images have this name, as one/t.jpg and two/t.jpg.",
    ]
    (root / "vott-csv-export/p-export.csv").write_bytes(HEADER.encode() + b'\n"a.jpg",1,2,3,4,"\xff"\n')
    assert "line 2: The row is not UTF-8." in refusal(root)
    (root / "vott-csv-export/p-export.csv").write_bytes(HEADER.encode() + b'\n"a.jpg",1,2,3,4,"f\n')
    assert "From here on this is no CSV: unexpected end of data." in refusal(root)


def test_what_is_written_is_an_export(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> None:
    draw(tmp_path / "1.jpg")
    boxes = (Annotation('a "b", c', 0.1, 0.2, 9, 9), Annotation("fish", 1, 2, 8, 8))
    records = [ImageRecord('x/"q".jpg', tmp_path / "1.jpg", 64, 48, boxes)]
    records += [ImageRecord(f"{number}.jpg", tmp_path / "1.jpg", 64, 48, boxes[: number % 2]) for number in range(40)]
    for processes in (1, 2):
        target = tmp_path / str(processes)
        target.mkdir()
        write(dataset_of(records), target, VottCsvWriteOptions(), Audience(Ledger()), Effort(processes=processes))
    name = "vott-csv-export/signalbox-export.csv"
    text = (tmp_path / "1" / name).read_text()
    assert text == (tmp_path / "2" / name).read_text()
    assert text.splitlines()[:3] == [HEADER, '"x/""q"".jpg",0.1,0.2,9.1,9.2,"a ""b"", c"', '"x/""q"".jpg",1,2,9,10,"fish"']
    dataset, images, _ = opened(tmp_path / "1")
    assert (dataset.total, sum(len(image.annotations) for image in images)) == (41, 22)
    first = next(image for image in images if image.name == 'x/"q".jpg')
    assert [(x.label, x.x, x.y) for x in first.annotations] == [('a "b", c', 0.1, 0.2), ("fish", 1, 2)]
    assert (first.annotations[0].w, first.annotations[0].h) == pytest.approx((9, 9))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not here")
@pytest.mark.parametrize(
    ("sample", "images", "boxes"),
    [
        ("TrainYourOwnYOLO_Annotations-export_head.csv", 26, 29),
        ("datumaro_train-export.csv", 2, 3),
        ("vott-csv-export/sample_project-export.csv", 3, 17),
    ],
)
def test_real_files_are_read(sample: str, images: int, boxes: int, tmp_path: Path) -> None:
    text = (SAMPLES / sample).read_text()
    (tmp_path / "export.csv").write_text(text)
    for line in text.splitlines()[1:]:
        Image.new("RGB", (300, 200)).save(tmp_path / line.split('"')[1])
    assert sniff(scan(tmp_path)).confidence > 0.9
    dataset, records, ledger = opened(tmp_path)
    assert (dataset.total, sum(len(record.annotations) for record in records), ledger.notes) == (images, boxes, ())


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject, tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "a.jpg")
    whole = bytearray(f'{HEADER}\n"a.jpg",1.5,2,4.25,8,"fish"\n"a.jpg",1,2,9,10,"a ""b"", c"\n'.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(len(HEADER), len(whole) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "double"])):
            case "flip":
                whole[place : place + 1] = data.draw(st.binary(min_size=1, max_size=3))
            case "cut":
                del whole[place : place + data.draw(st.integers(1, 8))]
            case "double":
                whole[place:place] = whole[place - 20 : place]
    (tmp_path / "export.csv").write_bytes(bytes(whole))
    try:
        dataset, records, _ = opened(tmp_path)
    except DatasetError as error:
        assert str(error)
    else:
        assert len(records) == dataset.total
        assert {a.label for record in records for a in record.annotations} <= set(dataset.classes)
