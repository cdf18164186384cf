"""One awkward dataset through every pair of formats, and every writer before a reader that shares no line with ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from recipes.dataset import Annotation, Attributes, Dataset, Feature, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE
from recipes.errors import DatasetError
from recipes.folder import scan
from recipes.formats import Format, format_called, formats
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.placing import published
from recipes.recipe import load_recipe
from recipes.running import LOST_WORDS, run

CHUNK = 3
PIXELS = 1e-6
WRITERS = tuple(name for name, entry in formats().items() if entry.write)
OPTIONS: dict[str, dict[str, Any]] = {"voc": {"coordinates": "exact"}}
RENAMES = frozenset({"vatic"})
"""Images are called by the numbers of their frames."""
FRAME_NAME = re.compile(r"(?:v|images)/(?:.*\D)?(\d+)\.\w+$")
FLOAT32 = {"tfrecord": 2.0**-23, "mmdet": 2.0**-22}
"""What rounding both edges of a box to 32 bits may move its size by, in shares of the image's side."""
SORTS_CLASSES = frozenset({"vott_csv", "via", "vatic"})
"""Classes come in another order, and only those with a box where the format has no list of them."""
LABELS = ("fish", 'traffic "light"', "Größe 6", "net, torn", "O'Brien's & <co>", "鱼")
NAMES = {
    "a b.jpg": (64, 48),
    "B%20.v1.JPG": (500, 375),
    "ü/é.png": (37, 91),
    "deep/er/0001.jpg": (333, 500),
    "no boxes.jpg": (48, 64),
    "UPPER/lower.Jpeg": (101, 99),
    "#hash & 'quote'.png": (64, 64),
    "it's, a list.jpg": (1280, 720),
}


def boxes_of(width: int, height: int) -> list[tuple[float, float, float, float]]:
    """The whole image, one-pixel boxes in two corners, fractions, boxes along borders, less than a pixel, nearly whole numbers."""
    return [
        (0, 0, width, height),
        (width - 1, height - 1, 1, 1),
        (0, 0, 1, 1),
        (0.125, 1e-3, 10.3333333, 7.1),
        (width - 3.5, height / 3, 3.5, height / 7),
        (width / 3, height - 0.75, width / 9, 0.75),
        (11.999999, 12.000001, 5.000001, 3.999999),
    ]


class Source:
    """The awkward dataset, drawn into a folder; whole: its boxes are whole pixels."""

    def __init__(self, folder: Path, *, whole: bool = False) -> None:
        self.records = [self._record(folder, number, name, whole=whole) for number, name in enumerate(NAMES)]
        self.dataset = Dataset((*LABELS, "unused"), self._draw, -(-len(NAMES) // CHUNK), len(NAMES), ("train", "val"))

    def _draw(self, chunk: int, _: Ledger) -> Iterator[ImageRecord]:
        yield from self.records[chunk * CHUNK : (chunk + 1) * CHUNK]

    def _record(self, folder: Path, number: int, name: str, *, whole: bool) -> ImageRecord:
        width, height = NAMES[name]
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (width, height), (number * 20, 90, 90)).save(path)
        boxes = boxes_of(width, height) if name != "no boxes.jpg" else []
        if whole:
            boxes = [(x, y, w, h) for left in range(6) for x, y, w, h in [(left, left * 2, 1 + left * 5, 7)] if boxes] + boxes[:3]
        annotations = tuple(self._annotation(number, place, box, width, height) for place, box in enumerate(boxes))
        return ImageRecord(name, path, width, height, annotations, ("train", "val")[number % 2], video="v", frame=number * 20)

    def _annotation(self, number: int, place: int, box: tuple[float, float, float, float], width: int, height: int) -> Annotation:
        x, y, w, h = map(float, box)
        mask, area, attributes = None, None, None
        flags = [{Flag.DIFFICULT}, {Flag.TRUNCATED, Flag.OCCLUDED}, {Flag.LOST}, {Flag.GENERATED}][place - 1 : place] or [set[Flag]()]
        if place == 3:
            mask, area = Polygons(((1.5, 1.0, 9.0, 1.0, 9.0, 8.25),)), 27.1875
        if place == 4:
            mask, area = Polygons(((1.0, 1.0, 5.0, 1.0, 5.0, 5.0), (7.0, 7.0, 9.0, 7.0, 9.0, 9.0))), 10.0
        if place == 5:
            mask, area = RunLengths(height, width, (5, 7, width * height - 12)), 7.0
        if place == 6:
            attributes = {"swims": True}
        crowd = {Flag.CROWD} if place == 5 else set()
        label = LABELS[(number + place) % len(LABELS)]
        return Annotation(label, x, y, w, h, frozenset(flags[0] | crowd), number * 10 + place, mask, area, attributes)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("whole"), whole=True)


def write(name: str, dataset: Dataset, folder: Path, **options: Any) -> Ledger:
    """Write a dataset; what the writer has to say of it."""
    entry, ledger = format_called(name), Ledger()
    assert entry.write is not None
    with published(folder) as fresh:
        entry.write(dataset, fresh, entry.write_options(**(OPTIONS.get(name, {}) | options)), Audience(ledger), ALONE)
    return ledger


def through(name: str, dataset: Dataset, folder: Path) -> Dataset:
    """A dataset as one format has written and read it."""
    write(name, dataset, folder)
    entry = format_called(name)
    assert entry.read is not None
    return entry.read(scan(folder), entry.read_options(), ALONE)


@cache
def first_of(name: str, source: Source, folder: Path) -> Dataset:
    return through(name, source.dataset, folder / f"first-{name}")


@pytest.fixture(scope="module")
def firsts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("firsts")


def images(dataset: Dataset, *, renamed: bool) -> list[ImageRecord]:
    """The images in the order of their names; where a format renames them, of their frames, as named or else as drawn."""
    records = list(dataset.stream(Ledger()))
    if not renamed:
        return sorted(records, key=lambda record: record.name)

    def number(place: int) -> int:
        record = records[place]
        named = FRAME_NAME.match(record.name)
        return record.frame if record.frame is not None else int(named[1]) if named else place

    return [records[place] for place in sorted(range(len(records)), key=number)]


def close(one: float, other: float, tolerance: float) -> bool:
    return abs(one - other) <= tolerance


def mask_parts(annotation: Annotation, held: frozenset[Feature]) -> object:
    """What of a mask must be there: outlines of one part in every format that has outlines; the others where both hold all."""
    if isinstance(annotation.mask, Polygons) and Feature.POLYGONS in held:
        return [[round(value, 6) for value in part] for part in annotation.mask.parts] if len(annotation.mask.parts) == 1 else "several"
    return annotation.mask if isinstance(annotation.mask, RunLengths) and Feature.RUN_LENGTHS in held else None


def require_same(dataset: Dataset, expected: Dataset, through: tuple[str, ...]) -> None:
    """All that every one of these formats holds is the same in both; FLOAT32 and RENAMES say what they may change."""
    held = frozenset.intersection(*(format_called(name).holds for name in through))
    share = sum(FLOAT32.get(name, 0.0) for name in through)
    renamed = not RENAMES.isdisjoint(through)
    found, wanted = images(dataset, renamed=renamed), images(expected, renamed=renamed)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert renamed or one.name == other.name
        assert (one.width, one.height) == (other.width, other.height)
        assert Feature.SPLIT not in held or one.split == other.split
        assert Feature.FRAME not in held or (one.video, one.frame) == (other.video, other.frame)
        assert [box.label for box in one.annotations] == [box.label for box in other.annotations], one.name
        tolerance = PIXELS + share * max(one.width, one.height)
        for a, b in zip(one.annotations, other.annotations, strict=True):
            same = [close(p, q, tolerance) for p, q in zip((a.x, a.y, a.w, a.h), (b.x, b.y, b.w, b.h), strict=True)]
            assert all(same), (one.name, a, b)
            assert {flag for flag in a.flags if Feature(flag.value) in held} == {flag for flag in b.flags if Feature(flag.value) in held}
            assert Feature.TRACK not in held or a.track == b.track
            assert Feature.ATTRIBUTES not in held or has_all(a.attributes, b.attributes)
            if mask_parts(b, held) != "several":
                assert mask_parts(a, held) == mask_parts(b, held)
    classes = (dataset.classes, expected.classes)
    if Feature.UNUSED_CLASS in held and SORTS_CLASSES.isdisjoint(through):
        assert classes[0] == classes[1]
    assert {box.label for image in found for box in image.annotations} <= set(dataset.classes)


def has_all(attributes: Attributes | None, expected: Attributes | None) -> bool:
    return {**(attributes or {}), **(expected or {})} == (attributes or {})


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_is_read_back(name: str, source: Source, firsts: Path) -> None:
    require_same(first_of(name, source, firsts), source.dataset, (name,))


@pytest.mark.parametrize("other", WRITERS)
@pytest.mark.parametrize("name", WRITERS)
def test_there_and_back(name: str, other: str, source: Source, firsts: Path, tmp_path: Path) -> None:
    first = first_of(name, source, firsts)
    second = through(other, first, tmp_path / "second")
    require_same(second, first, (name, other))
    require_same(through(name, second, tmp_path / "third"), first, (name, other, name))


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_format_cannot_hold_is_named(name: str, source: Source, tmp_path: Path) -> None:
    write("coco", source.dataset, tmp_path / "source")
    override = [f"{key}={value}" for key, value in OPTIONS.get(name, {}).items()]
    summary = run(load_recipe(f"coco:{name}", override), tmp_path / "source", tmp_path / "out")
    entry = format_called(name)
    counts = {feature: words.partition("} ")[2] for feature, words in LOST_WORDS.items()}
    present = frozenset(Feature)  # the awkward dataset has all of them
    for feature in present:
        said = any(counts[feature] in note and entry.title in note for note in summary.notes)
        assert said == (feature not in entry.holds), feature
    assert summary.images == len(NAMES)
    assert summary.boxes == sum(len(record.annotations) for record in source.records)
    assert not summary.left_out


@pytest.mark.parametrize("name", WRITERS)
def test_a_class_that_is_not_listed_is_refused_by_name(name: str, source: Source, tmp_path: Path) -> None:
    write("voc", source.dataset, tmp_path / "source")
    listed = tmp_path / "source/VOC2007/labelmap.txt"
    listed.write_text(listed.read_text().replace("鱼", "fisch"))
    with pytest.raises(DatasetError, match=r"(?s)鱼.*VOC2007/Annotations/.*\.xml"):
        run(load_recipe(f"voc:{name}"), tmp_path / "source", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"tfrecord"}))  # its files hold images whose names may be alike
def test_two_images_of_one_name_are_refused(name: str, source: Source, tmp_path: Path) -> None:
    twice = Dataset(LABELS, lambda _, __: iter(source.records[:1] * 2), 1, 2, ("train",))
    with pytest.raises(DatasetError, match=r"a b\.jpg"):
        write(name, twice, tmp_path / "out")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"tfrecord", "vatic"}))
def test_an_image_called_as_the_folder_of_another_is_refused(name: str, source: Source, tmp_path: Path) -> None:
    alike = [replace(record, name=new) for record, new in zip(source.records[::2], ("x.jpg", "x.jpg/y.jpg"), strict=False)]
    for records in (alike, alike[::-1]):
        with pytest.raises(DatasetError, match=r"x\.jpg"):
            write(name, Dataset(LABELS, lambda _, __, given=records: iter(given), 1, 2, ("train",)), tmp_path / "out")


@pytest.mark.parametrize("name", sorted({name for name in WRITERS if Feature.SPLIT in format_called(name).holds} - {"yolo"}))
def test_images_in_no_split_stay_so(name: str, source: Source, tmp_path: Path) -> None:
    records = [replace(record, split=None) if place % 3 == 0 else record for place, record in enumerate(source.records)]
    found = through(name, Dataset(source.dataset.classes, lambda _, __: iter(records), 1, len(records), ("train", "val")), tmp_path / "out")
    assert {record.name: record.split for record in found.stream(Ledger())} == {record.name: record.split for record in records}
    assert set(found.splits) == {"train", "val"}


@pytest.mark.parametrize("name", sorted(name for name in WRITERS if Feature.SPLIT in format_called(name).holds))
def test_a_split_of_another_name_is_kept_or_said_to_be_lost(name: str, source: Source, tmp_path: Path) -> None:
    splits = ("night", "day 2")
    records = [replace(record, split=splits[place % 2]) for place, record in enumerate(source.records)]
    dataset = Dataset(source.dataset.classes, lambda _, __: iter(records), 1, len(records), splits)
    write("coco", dataset, tmp_path / "source")
    override = [f"{key}={value}" for key, value in OPTIONS.get(name, {}).items()]
    summary = run(load_recipe(f"coco:{name}", override), tmp_path / "source", tmp_path / "out")
    if any("'night'" in note for note in summary.notes):
        return
    entry = format_called(name)
    assert entry.read is not None
    found = entry.read(scan(tmp_path / "out"), entry.read_options(), ALONE)
    assert {record.name: record.split for record in found.stream(Ledger())} == {record.name: record.split for record in records}


@pytest.mark.parametrize("other", WRITERS)
@pytest.mark.parametrize("name", WRITERS)
def test_no_box_of_whole_pixels_is_off(name: str, other: str, whole: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """VOC as its devkit has it: whole numbers from 1, both corners inside."""
    monkeypatch.setitem(OPTIONS, "voc", {})
    first = through(name, whole.dataset, tmp_path / "first")
    second = through(other, first, tmp_path / "second")
    assert off(first, whole.dataset, renamed=name in RENAMES) == 0
    assert off(second, first, renamed=other in RENAMES) == 0


def off(dataset: Dataset, expected: Dataset, *, renamed: bool) -> int:
    """How many boxes are not where they were; their classes are, in the same order."""
    count = 0
    for one, wanted in zip(images(dataset, renamed=renamed), images(expected, renamed=renamed), strict=True):
        assert [box.label for box in one.annotations] == [box.label for box in wanted.annotations]
        for a, b in zip(one.annotations, wanted.annotations, strict=True):
            count += max(abs(a.x - b.x), abs(a.y - b.y), abs(a.w - b.w), abs(a.h - b.h)) > PIXELS
    return count


def test_every_format_that_writes_reads(source: Source) -> None:
    assert all(entry.read for entry in map(format_called, WRITERS))
    assert isinstance(format_called("coco"), Format)
