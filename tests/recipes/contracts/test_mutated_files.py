"""Damaged files before every reader and before sniffing: a dataset that streams to its end and can be written, or a DatasetError."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import ALONE
from recipes.errors import DatasetError
from recipes.folder import scan
from recipes.formats import format_called, formats
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.sources import sniff

EXAMPLES = int(os.environ.get("SIGNALBOX_FUZZ_EXAMPLES", "40"))
SAMPLES = Path(__file__).parents[4] / "shared/samples"
SIZE = (64, 48)
NUMBER = re.compile(rb"-?\d+(\.\d+)?")
HUGE = b"99999999999999999999 9223372036854775807 2147483648 1e999 -1e308 1e-320".split()
NUMBERS = (*HUGE, *b"-1 0 0.5 NaN nan Infinity true null {} [[]] +1 1_0 0x10 \"x\" \xd9\xa3".split(), b"1" * 400)
MARKS = b"\x00 \xff \" ' < &#0; ]]> <!-- { } [ , : / *a # \\ \\ud800 \xc0\xaf \x80\x04 \xef\xbb\xbf \xe2\x80\xa8"
PIECES = (*MARKS.split(), b"\r", b"\n", b"- ", b": ", b"&a ", b"%20", b"../", b"t=1e9", b"!!python/object:x")


def images(folder: Path, *names: str, size: tuple[int, int] = SIZE) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, len(name) * 7).save(folder / name)


def own(folder: Path) -> Dataset:
    """Three images with all that a writer may have to write."""
    records = []
    outline = Polygons(((1.5, 2.0, 11.75, 2.0, 11.75, 22.0),))
    for number, name in enumerate(("a b.jpg", "é/c.jpg", "empty.jpg")):
        images(folder, name)
        boxes = (
            Annotation("fish", 1.5, 2.0, 10.25, 20.0, frozenset({Flag.DIFFICULT}), 1, outline, 102.5),
            Annotation("Größe 6", 0.0, 0.0, 64.0, 48.0, frozenset({Flag.CROWD}), 2, RunLengths(48, 64, (5, 7, 64 * 48 - 12)), 7.0),
            Annotation("fish", 63.0, 47.0, 1.0, 1.0, attributes={"swims": True}),
        )
        split = ("train", "val")[number % 2]
        records.append(ImageRecord(name, folder / name, *SIZE, boxes[: 3 - number // 2 * 3], split, video="v", frame=number))

    def draw(_: int, __: Ledger) -> Iterator[ImageRecord]:
        yield from records

    return Dataset(("fish", "Größe 6"), draw, 1, len(records), ("train", "val"))


def kitti(folder: Path) -> None:
    images(folder, "training/image_2/000001.png", "training/image_2/000002.png")
    (folder / "training/label_2").mkdir()
    line = "Car 0.50 1 -1.57 1.00 2.00 30.50 40.25 1.5 1.6 3.7 1.0 1.5 20.2 -1.6\n"
    (folder / "training/label_2/000001.txt").write_text(line + line.replace("Car", "DontCare"))
    (folder / "training/label_2/000002.txt").write_text(line)


def cityscapes(folder: Path) -> None:
    base = "train/ulm/ulm_000001_000019"
    images(folder, f"leftImg8bit/{base}_leftImg8bit.png", f"gtFine/{base}_gtFine_instanceIds.png")
    shapes = [{"label": label, "polygon": [[1, 2], [30, 2], [30, 40.5]]} for label in ("car", "persongroup", "road")]
    document = json.dumps({"imgHeight": SIZE[1], "imgWidth": SIZE[0], "objects": [*shapes, shapes[0] | {"deleted": 1}]})
    (folder / f"gtFine/{base}_gtFine_polygons.json").write_text(document)


def vott_voc(folder: Path) -> None:
    images(folder, "JPEGImages/a.jpg", "JPEGImages/b.jpg")
    head = '<annotation verified="yes">\n<folder>Annotation</folder>\n<path>x-PascalVOC-export/Annotations/a.jpg</path>'
    size = "<size><width>64</width><height>48</height><depth>3</depth></size><segmented>0</segmented>"
    bndbox = "<bndbox><xmin>1.5</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox>"
    entry = f"<object><name>a & b</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>{bndbox}</object>"
    for folder_name in ("Annotations", "ImageSets/Main"):
        (folder / folder_name).mkdir(parents=True)
    for name in "ab":
        text = f"{head}<filename>{name}.jpg</filename>{size}{entry}</annotation>\n"
        (folder / f"Annotations/{name}.xml").write_text(text)
    (folder / "ImageSets/Main/a & b_train.txt").write_text("a.jpg 1\nb.jpg -1\n")
    (folder / "pascal_label_map.pbtxt").write_text("item {\n id: 1\n name: 'a & b'\n}\n")


def image_list(folder: Path) -> None:
    images(folder, "one/a.jpg", "b.jpg")
    (folder / "train.txt").write_text("one/a.jpg\n")
    (folder / "val.txt").write_text("./b.jpg\n")


def plain_images(folder: Path) -> None:
    images(folder, "a.jpg", "b.png", "c.gif", "d.bmp", "e.webp", "f.tif")


@dataclass(frozen=True)
class Real:
    """A real sample: the folder, the images it lacks, and how it is read."""

    source: str
    images: tuple[str, ...] = ()
    size: tuple[int, int] = (15, 20)
    options: tuple[tuple[str, Any], ...] = ()

    def __call__(self, folder: Path) -> None:
        path = SAMPLES / self.source
        if path.is_dir():
            shutil.copytree(path, folder, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, folder / path.name)
        images(folder, *self.images, size=self.size)


VIA_IMAGES = ("a_swan_swimming_in_geneve_lake.jpg", "sinus_test_pattern.jpg", "test_pattern_qbist.jpg")
BY_HAND: dict[str, Callable[[Path], None]] = {
    "kitti": kitti, "cityscapes": cityscapes, "vott_voc": vott_voc, "image_list": image_list, "images": plain_images,
}  # fmt: skip
REAL: dict[str, tuple[str, Real]] = {
    "voc, devkit": ("voc", Real("voc/VOC2007", options=(("splits", ("test",)),))),
    "voc, of vatic": ("voc", Real("m2det_pipeline/VOCsherlock", options=(("unannotated", "drop"), ("images", "absent")))),
    "coco": ("coco", Real("coco/datumaro_instances_val.json", ("b.jpg",), (5, 10))),
    "via 1": ("via", Real("via_v1/unit_test_annotation2.json", VIA_IMAGES, (900, 900))),
    "via 1, csv": ("via", Real("via_v1/unit_test_annotation1.csv", VIA_IMAGES, (900, 900))),
    "vott": ("vott", Real("vott_asset_json", options=(("images", "absent"),))),
    "vott, json": ("vott", Real("vott_json/datumaro_train-export.json", options=(("images", "absent"),))),
    "records": ("tfrecord", Real("vott_tfrecord")),
    "darknet": ("yolo", Real("yolo/strict", ("obj_train_data/1.jpg",))),
    "cityscapes": ("cityscapes", Real("cityscapes", options=(("masks", "visible"),))),
    "vatic, xml": ("vatic", Real("vatic/mdmt_readme_excerpt.xml", tuple(f"{n}.jpg" for n in range(3)))),
    "vatic, json": ("vatic", Real("vatic/facetracks.json", ("0.jpg", "1.jpg"), options=(("missing_frames", "drop"),))),
}
READERS = sorted(name for name, entry in formats().items() if entry.read and name != "video")
SOURCES = [*READERS, *(REAL if SAMPLES.is_dir() else ())]


class Ground:
    """A sound folder whose files are damaged one at a time, and mended again."""

    def __init__(self, name: str, root: Path) -> None:
        self.root = root / "source"
        self.root.mkdir()
        self.out = root / "out"
        self.reader, self.options = name, {}
        if name in REAL:
            self.reader, real = REAL[name]
            self.options = dict(real.options)
            real(self.root)
        elif name in BY_HAND:
            BY_HAND[name](self.root)
        else:
            write = format_called(name).write
            assert write is not None
            write(own(root / "pictures"), self.root, format_called(name).write_options(), Audience(Ledger()), ALONE)
        files = sorted(path for path in self.root.rglob("*") if path.is_file() and path.name != "SOURCES.txt")
        annotations = [path for path in files if path.suffix.lower() not in {".jpg", ".png", ".gif", ".bmp", ".webp", ".tif"}]
        self.files = [*annotations, *annotations, *files] if annotations else files  # an image now and then

    def survives(self) -> bool:
        """Whether the folder was read, wholly; False where it was refused. Anything else is raised."""
        entry, read = format_called(self.reader), False
        assert entry.read is not None
        with suppress(DatasetError):
            sniff(scan(self.root))
        with suppress(DatasetError):
            dataset = entry.read(scan(self.root), entry.read_options(**self.options), ALONE)
            for _ in dataset.stream(Ledger()):
                pass
            read = True
            writer = format_called("coco")
            assert writer.write is not None
            shutil.rmtree(self.out, ignore_errors=True)
            self.out.mkdir()
            writer.write(dataset, self.out, writer.write_options(), Audience(Ledger()), ALONE)
            for path in (self.out / "annotations").iterdir():
                json.loads(path.read_bytes(), parse_constant=pytest.fail)
        return read


@pytest.fixture(scope="module", params=SOURCES)
def ground(request: pytest.FixtureRequest) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as root:
        yield Ground(request.param, Path(root))


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """One to three ways in which bytes go wrong: turned, cut, put in, doubled, or a number that is another one."""
    steps = draw(
        st.lists(
            st.tuples(st.sampled_from(["flip", "cut", "end", "insert", "double", "number", "number"]),
                      st.floats(0, 1, exclude_max=True), st.integers(1, 60), st.sampled_from(PIECES), st.sampled_from(NUMBERS)),
            min_size=1, max_size=3,
        )
    )  # fmt: skip

    def apply(data: bytes) -> bytes:
        for kind, share, length, piece, number in steps:
            data = damaged(data, kind, share, length, piece, number)
        return data

    return apply


def damaged(data: bytes, kind: str, share: float, length: int, piece: bytes, number: bytes) -> bytes:
    place = int(share * len(data))
    before, after = data[:place], data[place:]
    if kind == "flip":
        return before + bytes(byte ^ (1 << length % 8) for byte in after[:1]) + after[1:]
    if kind == "cut":
        return before + after[length:]
    if kind == "end":
        return before
    if kind == "insert":
        return before + piece + after
    if kind == "double":
        return before + after[:length] * 2 + after[length:]
    found = list(NUMBER.finditer(data))
    if not found:
        return data
    chosen = found[int(share * len(found))]
    return data[: chosen.start()] + number + data[chosen.end() :]


def test_the_grounds_are_sound(ground: Ground) -> None:
    assert ground.survives()


@pytest.mark.timeout(120 + EXAMPLES)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(which=st.floats(0, 1, exclude_max=True), damage=damages())
def test_a_damaged_file_is_read_or_refused(ground: Ground, which: float, damage: Callable[[bytes], bytes]) -> None:
    path = ground.files[int(which * len(ground.files))]
    sound = path.read_bytes()
    path.unlink()  # it may be a link
    path.write_bytes(damage(sound))
    try:
        ground.survives()
    finally:
        path.write_bytes(sound)


def test_every_reader_is_tried() -> None:
    assert {REAL[name][0] if name in REAL else name for name in SOURCES} >= set(READERS)
