from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import Effort
from recipes.errors import DatasetError
from recipes.folder import scan
from recipes.formats.kitti import KittiOptions, read, sniff
from recipes.ledger import Ledger

CAR = "Car 0.31 1 -1.57 10.5 11.25 40.5 31.25 1.5 1.6 4.2 -2.1 1.8 20.3 -1.6"
WALKER = "Pedestrian 0.00 0 0.2 1.00 2.00 5.00 9.00 1.89 0.48 1.20 1.84 1.47 8.41 0.01"
SCORED = "Cyclist -1 3 -10 1 2 5 9 -1 -1 -1 -1000 -1000 -1000 -10 0.75"
DONT_CARE = "DontCare -1 -1 -10 3.0 4.0 6.0 9.0 -1 -1 -1 -1000 -1000 -1000 -10"
Draw = Callable[..., None]


@pytest.fixture
def kitti(tmp_path: Path, draw: Draw) -> Path:
    root = tmp_path / "kitti"
    for number, lines in enumerate([[CAR, DONT_CARE, WALKER], [], [SCORED]]):
        draw(root / f"training/image_2/{number:06}.png", shade=number)
        label = root / f"training/label_2/{number:06}.txt"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text("".join(f"{line}\n" for line in lines))
    draw(root / "testing/image_2/000000.png", shade=9)
    return root


def read_folder(root: Path, options: KittiOptions | None = None, *, processes: int = 1) -> tuple[Dataset, list[ImageRecord], Ledger]:
    ledger = Ledger()
    dataset = read(scan(root), options or KittiOptions(), Effort(processes))
    return dataset, list(dataset.stream(ledger)), ledger


def defects_of(root: Path, options: KittiOptions | None = None) -> str:
    with pytest.raises(DatasetError) as caught:
        read_folder(root, options)
    return str(caught.value)


def test_boxes_flags_and_what_is_known_of_space(kitti: Path) -> None:
    dataset, (first, second, third), _ = read_folder(kitti)
    assert dataset.classes == ("Car", "Cyclist", "Pedestrian")
    assert dataset.splits == ("train",)
    assert (first.name, first.split, first.width, first.height) == ("training/000000.png", "train", 64, 48)
    assert first.annotations[0] == Annotation(
        "Car",
        10.5,
        11.25,
        30.0,
        20.0,
        frozenset({Flag.TRUNCATED, Flag.OCCLUDED}),
        attributes={
            "alpha": -1.57,
            "dimensions": [1.5, 1.6, 4.2],
            "location": [-2.1, 1.8, 20.3],
            "rotation_y": -1.6,
            "truncated": 0.31,
            "occluded": 1,
        },
        origin=1,
    )
    assert (first.annotations[1].label, first.annotations[1].flags, first.annotations[1].origin) == ("Pedestrian", frozenset(), 3)
    assert second.annotations == ()
    assert third.annotations == (Annotation("Cyclist", 1, 2, 4, 7, attributes={"occluded": 3, "score": 0.75}, origin=1),)
    assert str(first.where(first.annotations[1])) == "training/label_2/000000.txt, line 3, training/000000.png"
    assert sniff(scan(kitti)).confidence == 0.95


def test_what_is_left_out_is_in_the_ledger(kitti: Path) -> None:
    images, boxes = read_folder(kitti)[2].left_out
    assert (boxes.unit, boxes.count, boxes.reason) == ("boxes", 1, "DontCare, a region that nobody has labelled")
    assert boxes.cases == ("training/label_2/000000.txt, line 2, training/000000.png",)
    assert (images.unit, images.count, images.cases) == ("images", 1, ("testing/000000.png",))


def test_every_defect_is_named(kitti: Path, draw: Draw) -> None:
    lines = [CAR, "Car 1 2 3", f"0 7 {WALKER}", WALKER.replace("5.00", "x"), f"{SCORED} 1 2 3"]
    (kitti / "training/label_2/000000.txt").write_text("\n".join(lines))
    draw(kitti / "training/image_2/000007.png")
    (kitti / "training/image_2/000001.png").write_bytes(b"")
    text = defects_of(kitti)
    assert "6 defects" in text
    assert "training/label_2/000000.txt, line 2: The line has 4 columns instead of 15, or 16 with a score." in text
    assert "line 3: The line has 17 columns instead of 15, or 16 with a score (17 or 18 are those of KITTI's tracking)." in text
    assert "line 4: The line must be a type and then numbers alone." in text
    assert "line 5: The line has 19 columns" in text
    assert "training/image_2/000007.png: The image has no label file training/label_2/000007.txt." in text
    assert "training/image_2/000001.png: The image file is empty." in text


def test_labels_without_images_and_images_without_labels_are_asked_for(kitti: Path) -> None:
    (kitti / "training/image_2/000002.png").unlink()
    assert "training/label_2/000002.txt: There is no image for this label file." in defects_of(kitti)
    for path in kitti.rglob("*.txt"):
        path.unlink()
    assert "None of the images has a label file." in defects_of(kitti)
    for path in kitti.rglob("*.png"):
        path.unlink()
    assert "There is no image here" in defects_of(kitti)


def test_the_order_of_classes_can_be_told(kitti: Path) -> None:
    options = KittiOptions(classes=("Pedestrian", "Car", "Cyclist"))
    assert read_folder(kitti, options)[0].classes == options.classes
    assert "classes that the option does not list: Cyclist" in defects_of(kitti, KittiOptions(classes=("Pedestrian", "Car")))


def test_the_result_does_not_depend_on_the_number_of_processes(kitti: Path, draw: Draw) -> None:
    for number in range(3, 30):
        draw(kitti / f"training/image_2/{number:06}.png", shade=number)
        (kitti / f"training/label_2/{number:06}.txt").write_text(f"{CAR}\n{DONT_CARE}\n")
    one, two = read_folder(kitti), read_folder(kitti, processes=2)
    assert one[0].chunks > 1
    assert one[1] == two[1]
    assert one[2].left_out == two[2].left_out


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 300), length=st.integers(0, 10), piece=st.binary(max_size=10))
def test_any_bytes_make_a_dataset_or_a_named_error(kitti: Path, place: int, length: int, piece: bytes) -> None:
    content = bytearray(f"{CAR}\n{DONT_CARE}\n{WALKER}\n{SCORED}\n".encode())
    content[place : place + length] = piece
    (kitti / "training/label_2/000000.txt").write_bytes(content)
    try:
        read_folder(kitti)
    except DatasetError as error:
        assert "000000" in str(error)
