from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.effort import ALONE, Effort
from recipes.errors import RecipeError
from recipes.ledger import Ledger
from recipes.transforms.split import Split, apply

DatasetOf = Callable[..., Dataset]
FrameOf = Callable[..., ImageRecord]


def split_all(dataset: Dataset, **parameters: object) -> tuple[list[ImageRecord], Ledger]:
    ledger = Ledger()
    result = apply(dataset, Split(**parameters), ALONE)  # type: ignore[arg-type]
    images = list(result.stream(ledger))
    assert {image.split for image in images} <= set(result.splits)
    again = apply(dataset, Split(**parameters), Effort(processes=2))  # type: ignore[arg-type]
    assert list(again.stream(Ledger())) == images
    return images, ledger


def sides(images: list[ImageRecord], key: Callable[[ImageRecord], Any]) -> dict[Any, set[str | None]]:
    found: dict[Any, set[str | None]] = defaultdict(set)
    for image in images:
        found[key(image)].add(image.split)
    return found


def test_the_gap_is_accounted_for(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    dataset = dataset_of([frame_of("v", frame, [frame // 20]) for frame in range(100)])
    images, ledger = split_all(dataset, gap=6)
    reasons = {(entry.unit, entry.reason): entry.count for entry in ledger.left_out}
    assert reasons == {("images", "gap between splits"): 5, ("boxes", "gap between splits"): 5}
    assert len(images) == 95


def test_says_which_tracks_no_seam_could_spare(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    dataset = dataset_of([frame_of("v", frame, [7]) for frame in range(100)])
    images, ledger = split_all(dataset)
    assert {image.split for image in images} == {"train", "val"}
    assert ledger.notes == ("v: no seam is free of tracks, so 1 are in two splits (track 7).",)
    with pytest.raises(RecipeError, match="would be empty"):
        split_all(dataset, tracks="whole")


def test_videos_are_each_cut_and_order_does_not_matter(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    records = [frame_of(video, frame) for video in "abcdef" for frame in range(40)]
    images, _ = split_all(dataset_of(records), seed=3)
    again, _ = split_all(dataset_of(records[::-1]), seed=3)
    assert {image.name: image.split for image in images} == {image.name: image.split for image in again}
    assert all(splits == {"train", "val"} for splits in sides(images, lambda image: image.video).values())
    first = {image.video: image.split for image in images if image.frame == 0}
    assert set(first.values()) == {"train", "val"}, "val is not always at the end"


def test_short_videos_and_single_images_stay_whole(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    short = [frame_of(video, frame) for video in "abcdefghij" for frame in range(3)]
    single = [ImageRecord(f"{number}.jpg", None, 64, 48) for number in range(30)]
    images, ledger = split_all(dataset_of(short + single), gap=10)
    assert len(images) == 60
    assert ledger.left_out == ()
    assert all(len(splits) == 1 for splits in sides(images, lambda image: image.video or image.name).values())
    assert sum(image.split == "val" for image in images) == 12


def test_by_image_and_by_video(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    records = [frame_of(video, frame) for video in "abcde" for frame in range(20)]
    by_image, _ = split_all(dataset_of(records), by="image", test=0.1)
    assert {split: sum(image.split == split for image in by_image) for split in ("train", "val", "test")} == {
        "train": 70,
        "val": 20,
        "test": 10,
    }
    by_video, _ = split_all(dataset_of(records), by="video")
    assert sum(image.split == "val" for image in by_video) == 20
    assert len({image.video for image in by_video if image.split == "val"}) == 1


def test_copies_stay_with_their_original(dataset_of: DatasetOf) -> None:
    """By image and by folder, whether the original is there or not."""
    originals = [ImageRecord(f"{number % 7}/{number}.jpg", None, 64, 48) for number in range(40)]
    copies = [
        replace(record, name=record.name.replace(".", f"_{number}."), copy_of=record.name) for record in originals for number in range(3)
    ]
    for records in (originals + copies, copies):
        for by in ("image", "folder"):
            images, _ = split_all(dataset_of(records), by=by)
            assert all(len(splits) == 1 for splits in sides(images, lambda image: image.copy_of or image.name).values())
            assert {image.split for image in images} == {"train", "val"}


def test_by_folder_by_name_and_by_attribute(dataset_of: DatasetOf) -> None:
    boxes = [(Annotation("fish", 1, 1, 5, 5, attributes={"camera": number % 10}),) for number in range(60)]
    records = [ImageRecord(f"f{number // 6}/day{number % 12}-{number}.jpg", None, 64, 48, boxes[number]) for number in range(60)]
    both = tuple(Annotation("fish", 1, 1, 5, 5, attributes={"camera": camera}) for camera in (3, 4))
    records.append(ImageRecord("f0/day0-both.jpg", None, 64, 48, both))
    dataset = dataset_of(records)
    images, _ = split_all(dataset, by="folder")
    assert all(len(splits) == 1 for splits in sides(images, lambda image: image.name.split("/")[0]).values())
    images, _ = split_all(dataset, by="name", pattern=r"(day\d+)-")
    assert all(len(splits) == 1 for splits in sides(images, lambda image: image.name.split("/")[1].split("-")[0]).values())
    images, _ = split_all(dataset, by="attribute", attribute="camera")
    found = sides(images, lambda image: image.annotations[0].attributes["camera"])  # type: ignore[index]
    assert all(len(splits) == 1 for splits in found.values())
    assert found[3] == found[4], "an image with both joins them"


def test_stratify_gives_every_class_its_share(dataset_of: DatasetOf) -> None:
    labels = ["fish"] * 90 + ["shark"] * 10
    records = [ImageRecord(f"{number}.jpg", None, 64, 48, (Annotation(label, 1, 1, 5, 5),)) for number, label in enumerate(labels)]
    for seed in range(5):
        images, _ = split_all(dataset_of(records), by="image", stratify=True, seed=seed, val=0.3)
        assert Counter(image.annotations[0].label for image in images if image.split == "val") == {"fish": 27, "shark": 3}


def test_stratify_beside_videos_that_are_cut(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    video = [frame_of("v", frame, [frame]) for frame in range(40)]
    single = [ImageRecord(f"{number}.jpg", None, 64, 48, (Annotation("shark", 1, 1, 5, 5),) * (number % 2)) for number in range(20)]
    images, _ = split_all(dataset_of(video + single), stratify=True)
    assert Counter(bool(image.annotations) for image in images if image.split == "val" and image.video is None) == {True: 2, False: 2}
    assert {image.split for image in images if image.video} == {"train", "val"}


def test_splits_that_are_kept_stay(dataset_of: DatasetOf, frame_of: FrameOf) -> None:
    records = [ImageRecord(f"{number}.jpg", None, 64, 48, split=("train", "test")[number % 4 == 0]) for number in range(80)]
    images, _ = split_all(dataset_of(records), by="image", keep=["test"], val=0.25)
    assert Counter(image.split for image in images) == {"train": 45, "val": 15, "test": 20}
    assert all((image.split == "test") == (record.split == "test") for image, record in zip(images, records, strict=True))
    some = [replace(record, split=None) if number % 2 else record for number, record in enumerate(records)]
    images, _ = split_all(dataset_of(some), by="image", keep="all")
    assert all(image.split == record.split for image, record in zip(images, some, strict=True) if record.split)
    with pytest.raises(RecipeError, match="no split 'tset'"):
        split_all(dataset_of(records), keep=["tset"])
    video = [replace(frame_of("v", frame), split="test" if frame < 5 else None) for frame in range(40)]
    others = [frame_of("w", frame) for frame in range(40)]
    images, _ = split_all(dataset_of(video + others), keep=["test"])
    assert {image.split for image in images if image.video == "v"} == {"test"}, "a video that is partly kept is not cut"


def test_equal_contents_stay_on_one_side(tmp_path: Path, dataset_of: DatasetOf, draw: Callable[..., None]) -> None:
    records = []
    for number in range(60):
        path = tmp_path / f"{number}.png"
        draw(path, shade=number % 20)
        records.append(ImageRecord(path.name, path, 64, 48))
    images, ledger = split_all(dataset_of(records), by="image", val=0.5)
    assert all(len(splits) == 1 for splits in sides(images, lambda image: int(image.name[:-4]) % 20).values())
    assert ledger.left_out == ()
    apart, _ = split_all(dataset_of(records), by="image", val=0.5, same_content="ignore")
    assert any(len(splits) == 2 for splits in sides(apart, lambda image: int(image.name[:-4]) % 20).values())


def test_pictures_that_are_nearly_the_same_stay_on_one_side(tmp_path: Path, dataset_of: DatasetOf) -> None:
    records = []
    for number in range(40):
        gradient = Image.radial_gradient("L").crop((5 * (number // 2), 0, 5 * (number // 2) + 90, 200))
        path = tmp_path / f"{number}.jpg"
        gradient.resize((160 + 40 * (number % 2), 200)).save(path, quality=60 + 30 * (number % 2))
        records.append(ImageRecord(path.name, path, 160 + 40 * (number % 2), 200))
    images, _ = split_all(dataset_of(records), by="image", val=0.5, near=3)
    assert all(len(splits) == 1 for splits in sides(images, lambda image: int(image.name[:-4]) // 2).values())
    apart, _ = split_all(dataset_of(records), by="image", val=0.5)
    assert any(len(splits) == 2 for splits in sides(apart, lambda image: int(image.name[:-4]) // 2).values())


def test_a_frame_that_stands_still_over_the_seam_is_left_out(tmp_path: Path, dataset_of: DatasetOf, draw: Callable[..., None]) -> None:
    records = []
    for frame in range(40):
        path = tmp_path / f"{frame}.png"
        draw(path, shade=7 if frame in {0, 39} else 100 + frame)
        records.append(ImageRecord(path.name, path, 64, 48, video="v", frame=frame))
    images, ledger = split_all(dataset_of(records), gap=1)
    reasons = {entry.reason: entry.cases for entry in ledger.left_out}
    assert reasons == {"same content as an image in another split, or nearly": ("39.png",)}
    assert len(images) == 39


def test_a_large_plan_is_small(dataset_of: DatasetOf) -> None:
    """Some forty bytes an image, not an object for each."""
    import tracemalloc

    total = 20_000

    def stream(chunk: int, _: Ledger) -> Any:
        return (ImageRecord(f"folder/image {number}.jpg", None, 64, 48) for number in range(chunk * 500, chunk * 500 + 500))

    dataset = Dataset(("fish",), stream, total // 500, total)
    tracemalloc.start()
    result = apply(dataset, Split(by="image"), ALONE)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert result.splits == ("train", "val")
    assert held < 40 * total
    assert peak < 130 * total


@pytest.mark.parametrize(
    "parameters",
    [
        {"val": 0.9, "test": 0.2},
        {"val": 0, "test": 0},
        {"val": 1},
        {"gap": 0},
        {"by": "x"},
        {"vla": 0.1},
        {"by": "name"},
        {"pattern": "x"},
        {"by": "name", "pattern": "("},
        {"by": "attribute"},
    ],
)
def test_refuses_parameters_that_make_no_sense(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Split(**parameters)  # type: ignore[arg-type]
