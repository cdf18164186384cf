"""What is too deep, too long or too many is read or refused in little memory and soon, whichever reader it is for."""

from __future__ import annotations

import os
import signal
import struct
import traceback
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from google_crc32c import value as crc32c
from PIL import Image

from recipes.effort import ALONE
from recipes.errors import DatasetError
from recipes.folder import scan
from recipes.formats import format_called, formats
from recipes.ledger import Ledger
from recipes.sources import sniff

MOST_MIB = 300
MOST_S = 15
DEEP = 200_000
LONG = 5_000_000
MANY = 10**12
NAN_BOX = '"bbox": [1, 2, 3, 4]'


def coco(images: str = '{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}', boxes: str = "", more: str = "") -> bytes:
    return f'{{"images": [{images}], "annotations": [{boxes}], "categories": [{{"id": 1, "name": "fish"}}]{more}}}'.encode()


def coco_mask(mask: str) -> bytes:
    return coco(boxes=f'{{"id": 1, "image_id": 1, "category_id": 1, {NAN_BOX}, "area": 1, "iscrowd": 1, "segmentation": {mask}}}')


def voc(objects: str, *, before: str = "", size: int = 64) -> bytes:
    head = f"<filename>a.jpg</filename><size><width>{size}</width><height>48</height><depth>3</depth></size>"
    return f"{before}<annotation>{head}{objects}</annotation>".encode()


def record(payload: bytes, *, length: int | None = None) -> bytes:
    """A framed record, whose length may be said to be another."""
    told = struct.pack("<Q", len(payload) if length is None else length)
    return told + masked(told) + payload + masked(payload)


def masked(data: bytes) -> bytes:
    checksum = crc32c(data)
    return struct.pack("<I", ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def png(width: int, height: int) -> bytes:
    """A small file that says it is a large image, with a few rows of it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1_000_000))) + chunk(b"IEND", b"")


BOX = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
LAUGHS = "<!DOCTYPE x [" + '<!ENTITY a "ha">' + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(12)) + "]>"
ALIASES = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
NO_IMAGES, VISIBLE = {"images": "absent"}, {"images": "absent", "masks": "visible"}
LABEL_MAP = b"item { id: 1 name: 'a' }"
PICKLE = b"\x80\x04\x8c\x06bboxes\x8c\x08filename"
VIA_HEAD = '{"a.jpg1": {"filename": "a.jpg", "size": 1, "file_attributes": {}, "regions": ['
VIA_ROW = "filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,region_attributes\n"
VOTT_ASSET = '"asset": {"id": "i", "name": "a.jpg", "state": 2, "type": 1'
VOTT_HEAD = f'{{"name": "x", "tags": [{{"name": "a"}}], "version": "2.1.0", "assets": {{"i": {{{VOTT_ASSET}'
VATIC_ROW = '0 1 2 3 4 {frame} 0 0 0 "fish"\n'
GTFINE, IDS = "gtFine/train/u/u_1_1_gtFine_polygons.json", "gtFine/train/u/u_1_1_gtFine_instanceIds.png"

CASES: dict[str, tuple[str, Mapping[str, bytes], Mapping[str, Any]]] = {
    "coco, deep": ("coco", {"instances.json": coco(more=', "x": ' + "[" * DEEP + "]" * DEEP)}, {}),
    "coco, deep box": ("coco", {"instances.json": coco(boxes='{"bbox": ' + '{"a":' * DEEP)}, {}),
    "coco, deep mask": ("coco", {"instances.json": coco_mask("[" * DEEP + "]" * DEEP)}, {}),
    "coco, long name": ("coco", {"instances.json": coco(f'{{"id": 1, "file_name": "{"x" * LONG}"}}')}, {}),
    "coco, long number": ("coco", {"instances.json": coco(f'{{"id": {"1" * LONG}}}')}, {}),
    "coco, large image": ("coco", {"instances.json": coco(f'{{"id":1,"file_name":"a.jpg","width":{MANY},"height":{MANY}}}')}, {}),
    "coco, large image alone": (
        "coco", {"instances.json": coco(f'{{"id":1,"file_name":"a.jpg","width":{10**7},"height":{10**7}}}')}, NO_IMAGES,
    ),
    "coco, long runs": ("coco", {"instances.json": coco_mask(f'{{"size": [{10**6}, {10**6}], "counts": [0, {MANY}]}}')}, {}),
    "coco, long compressed runs": (
        "coco", {"instances.json": coco_mask('{"size": [1000000, 1000000], "counts": "' + "o" * LONG + '"}')}, {},
    ),
    "voc, deep": ("voc", {"a.xml": voc("<object><name>x</name>" + "<part>" * DEEP + "</part>" * DEEP + f"{BOX}</object>")}, {}),
    "voc, open": ("voc", {"a.xml": voc("<object>" * DEEP)}, {}),
    "voc, laughs": ("voc", {"a.xml": voc("<object><name>&m;</name></object>", before=LAUGHS)}, {}),
    "voc, long name": ("voc", {"a.xml": voc(f"<object><name>{'x' * LONG}</name>{BOX}</object>")}, {}),
    "voc, long number": ("voc", {"a.xml": voc(f"<object><name>x</name>{BOX.replace('9', '9' * LONG, 1)}</object>")}, {}),
    "voc, large": ("voc", {"a.xml": voc("", size=10**9)}, NO_IMAGES),
    "voc, long list": ("voc", {"VOC2007/Annotations/a.xml": voc(""), "VOC2007/ImageSets/Main/train.txt": b"x" * LONG}, {}),
    "vatic, long line": (
        "vatic", {"v.txt": VATIC_ROW.format(frame=0).encode() + b"0 1 2 3 4 5 0 0 0 " + b'"x" ' * (LONG // 4), "v/0.jpg": b""}, {},
    ),
    "vatic, far frame": ("vatic", {"v.txt": (VATIC_ROW.format(frame=0) + VATIC_ROW.format(frame=MANY)).encode(), "v/0.jpg": b""}, {}),
    "vatic, json": ("vatic", {"v.json": b'{"0": {"label": "x", "boxes": {"0": ' + b'{"a":' * DEEP, "v/0.jpg": b""}, {}),
    "vatic, xml": ("vatic", {"v.xml": b'<annotations count="1"><track id="0" label="x">' + b"<box>" * DEEP, "v/0.jpg": b""}, {}),
    "yolo, deep": ("yolo", {"data.yaml": b"names: " + b"[" * DEEP, "a.txt": b"0 .5 .5 .5 .5"}, {}),
    "yolo, deep blocks": ("yolo", {"data.yaml": b"names:\n" + b"- " * DEEP, "a.txt": b"0 .5 .5 .5 .5"}, {}),
    "yolo, aliases": ("yolo", {"data.yaml": f"{ALIASES}names: *a29\n".encode(), "a.txt": b"0 .5 .5 .5 .5"}, {}),
    "yolo, many classes": ("yolo", {"data.yaml": f"train: .\nnc: {MANY}\nnames: {{{MANY}: x}}\n".encode(), "a.txt": b""}, {}),
    "yolo, many classes unnamed": ("yolo", {"data.yaml": f"train: .\nnc: {MANY}\n".encode(), "a.txt": b""}, {}),
    "yolo, long line": ("yolo", {"classes.txt": b"fish\n", "a.txt": b"0" + b" 0.5" * (LONG // 4)}, {}),
    "yolo, large class": ("yolo", {"classes.txt": b"fish\n", "a.txt": b"%d .5 .5 .5 .5\n" % MANY}, {}),
    "yolo, long list": ("yolo", {"data.yaml": b"train: train.txt\nnames: [a]\n", "train.txt": b"x" * LONG, "a.txt": b"0 .5 .5 .5 .5"}, {}),
    "kitti, long line": ("kitti", {"a.txt": b"Car" + b" 1" * (LONG // 2)}, {}),
    "via, deep": ("via", {"via.json": (VIA_HEAD + '{"shape_attributes":' * DEEP).encode()}, {}),
    "via, many points": (
        "via", {"via.json": (VIA_HEAD + '{"shape_attributes": {"name": "polygon", "all_points_x": [' + "1," * (LONG // 2)).encode()}, {},
    ),
    "via, open quote": ("via", {"via.csv": f'{VIA_ROW}a.jpg,1,"{"x" * LONG}'.encode()}, {}),
    "via, deep csv": ("via", {"via.csv": f'{VIA_ROW}a.jpg,1,{{}},1,0,"{"[" * DEEP}",{{}}\n'.encode()}, {}),
    "vott, deep": ("vott", {"x-export.json": (VOTT_HEAD + '}, "regions": ' + "[" * DEEP).encode()}, {}),
    "vott, large": (
        "vott", {"x-export.json": (VOTT_HEAD + f', "size": {{"width": {MANY}, "height": 1}}}}, "regions": []}}}}}}').encode()}, NO_IMAGES,
    ),
    "vott, open quote": (
        "vott_csv", {"x.csv": b'"image","xmin","ymin","xmax","ymax","label"\n"a.jpg",1,1,2,2,"' + b"x\n" * (LONG // 2)}, {},
    ),
    "vott, pascal": (
        "vott_voc",
        {"Annotations/a.xml": b'<annotation verified="yes">' + b"<object>" * DEEP, "pascal_label_map.pbtxt": b"item {" * DEEP},
        {},
    ),
    "records, length": ("tfrecord", {"a.record": record(b"", length=2**60), "label_map.pbtxt": LABEL_MAP}, {}),
    "records, deep": ("tfrecord", {"a.record": record(b"\n\xff\xff\xff\xff\x07" * DEEP), "label_map.pbtxt": b"item {" * DEEP}, {}),
    "records, zeros": ("tfrecord", {"a.record": record(bytes(LONG)), "label_map.pbtxt": b"item { id: 1 name: '" + b"x" * LONG}, {}),
    "mmdet, deep": ("mmdet", {"train.pkl": PICKLE + b"]\x94" * (LONG // 2) + b".", "classes.txt": b"a\n"}, {}),
    "mmdet, length": ("mmdet", {"train.pkl": PICKLE + b"\x8e" + struct.pack("<Q", 2**60), "classes.txt": b"a"}, {}),
    "cityscapes, deep": ("cityscapes", {GTFINE: b'{"imgHeight":48,"imgWidth":64,"objects":' + b"[" * DEEP}, NO_IMAGES),
    "cityscapes, painted": ("cityscapes", {GTFINE: f'{{"imgHeight":{10**6},"imgWidth":{10**6},"objects":[]}}'.encode()}, VISIBLE),
    "cityscapes, pixels": ("cityscapes", {IDS: png(50_000, 50_000)}, VISIBLE),
    "images, large": ("images", {"large.png": png(2**31 - 1, 2**31 - 1)}, {}),
    "images, cut": ("images", {"long.jpg": b"\xff\xd8" + b"\xff\xe1\xff\xff" * (LONG // 4)}, {}),
    "list, long line": ("image_list", {"list.txt": b"x" * LONG + b".jpg\n"}, {}),
    "video, nothing": ("video", {"v.mp4": bytes(LONG)}, {}),
}  # fmt: skip


def attempt(format_name: str, root: Path, options: Mapping[str, Any]) -> None:
    """Sniff and read a folder to the end of its stream; a DatasetError ends it as well."""
    entry = format_called(format_name)
    assert entry.read is not None
    for step in (lambda: sniff(scan(root)), lambda: exhaust(entry.read, root, entry.read_options(**options))):
        try:
            step()
        except DatasetError as error:
            assert len(str(error)) < 20_000, "an error is for people"


def exhaust(read: Callable[..., Any] | None, root: Path, options: object) -> None:
    assert read is not None
    for _ in read(scan(root), options, ALONE).stream(Ledger()):
        pass


def apart(work: Callable[[], None], report: Path) -> tuple[int, float]:
    """Do something in a process of its own: its exit status, and how much memory it came to hold more than this one has, in MiB."""
    held = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(MOST_S)
            work()
            status = 0
        except BaseException:
            report.write_text(traceback.format_exc())
        finally:
            os._exit(status)
    _, status, usage = os.wait4(child, 0)
    return os.waitstatus_to_exitcode(status), usage.ru_maxrss / 2**10 - held


@pytest.mark.parametrize("name", CASES)
@pytest.mark.slow
def test_it_is_read_or_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    format_name, files, options = CASES[name]
    root, report = tmp_path / "source", tmp_path / "report"
    root.mkdir()
    for file, content in {**files}.items():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".jpg") and not content:
            Image.new("L", (64, 48)).save(root / file)
        else:
            (root / file).write_bytes(content)
    Image.new("L", (64, 48)).save(root / "a.jpg")
    status, grown_mib = apart(lambda: attempt(format_name, root, options), report)
    assert status != -signal.SIGALRM, f"longer than {MOST_S} s"
    assert status == 0, report.read_text() if report.exists() else status
    assert grown_mib < MOST_MIB


def test_every_reader_is_tried() -> None:
    assert {case[0] for case in CASES.values()} == {name for name, entry in formats().items() if entry.read}
