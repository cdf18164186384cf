"""Real TensorFlow reads what we write, and we read what it writes, byte for byte."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recipes.dataset import Annotation, Dataset, Flag, ImageRecord
from recipes.effort import Effort
from recipes.folder import scan
from recipes.formats.tfrecord import ReadOptions, WriteOptions, read, write
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.placing import image_bytes

pytestmark = pytest.mark.environment

READ = """
import hashlib, json, sys
import tensorflow as tf

texts = {"image/encoded", "image/filename", "image/format", "image/source_id", "image/key/sha256"}
fixed = {key: tf.io.FixedLenFeature([], tf.string) for key in texts}
fixed |= {f"image/{side}": tf.io.FixedLenFeature([], tf.int64) for side in ("height", "width")}
lists = {f"image/object/bbox/{corner}": tf.float32 for corner in ("xmin", "ymin", "xmax", "ymax")}
lists |= {f"image/object/{key}": tf.int64 for key in ("class/label", "difficult", "truncated", "is_crowd")}
lists["image/object/class/text"] = tf.string
for data in tf.data.TFRecordDataset(sys.argv[1:]):
    example = tf.io.parse_single_example(data, fixed | {key: tf.io.VarLenFeature(kind) for key, kind in lists.items()})
    row = {key: example[key].numpy() for key in fixed} | {key: example[key].values.numpy().tolist() for key in lists}
    encoded = row.pop("image/encoded")
    assert row["image/key/sha256"].decode() == hashlib.sha256(encoded).hexdigest()
    row["shape"] = tf.io.decode_image(encoded).shape.as_list()
    print(json.dumps(row, default=lambda value: value.decode() if isinstance(value, bytes) else int(value)))
"""
DECODE = """
import json, sys
import tensorflow as tf
from object_detection.data_decoders.tf_example_decoder import TfExampleDecoder

label_map, *files = sys.argv[1:]
decoder = TfExampleDecoder(label_map_proto_file=label_map)
for data in tf.data.TFRecordDataset(files):
    decoded = decoder.decode(data)
    lists = ("boxes", "classes", "difficult", "is_crowd")
    row = {key: decoded[f"groundtruth_{key}"].numpy().tolist() for key in lists} | {"shape": decoded["image"].shape.as_list()}
    print(json.dumps(row | {"source_id": decoded["source_id"].numpy().decode()}))
"""
REWRITE = """
import sys
import tensorflow as tf

source, plain, packed = sys.argv[1:]
with tf.io.TFRecordWriter(plain) as out, tf.io.TFRecordWriter(packed, tf.io.TFRecordOptions(compression_type="GZIP")) as gzipped:
    for data in tf.data.TFRecordDataset(source):
        example = tf.train.Example.FromString(data.numpy())
        out.write(example.SerializeToString(deterministic=True))
        gzipped.write(example.SerializeToString())
"""


@pytest.fixture(scope="module")
def tensorflow() -> Callable[..., str]:
    """Runs a program in an environment that has TensorFlow, where there is one."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted(cache.glob("signalbox/environments/*/lib/python*/site-packages/tensorflow"))
    if not found:
        pytest.skip("no environment with TensorFlow has been built")
    python = found[0].parents[3] / "bin" / "python"

    def run(program: str, *arguments: Path) -> str:
        quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": ""}
        done = subprocess.run([python, "-c", program, *arguments], check=False, env=quiet, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def awkward(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> Dataset:
    made = []
    for number, name in enumerate(("a b.jpg", "ü/é.png", "B%20.v1.JPG", "c.bmp", "none.jpg")):
        draw(tmp_path / "pictures" / name, shade=number)
        boxes = (
            Annotation('traffic "light"', 0, 0, 64, 48, frozenset({Flag.DIFFICULT})),
            Annotation("Größe 6", 63, 47, 1, 1, frozenset({Flag.TRUNCATED, Flag.CROWD})),
            Annotation("fish", 0.125, 0.001, 10.333, 7.1),
        )
        made.append(ImageRecord(name, tmp_path / "pictures" / name, 64, 48, () if name == "none.jpg" else boxes, split="train"))
    return dataset_of(made, classes=("fish", 'traffic "light"', "Größe 6"))


def written(dataset: Dataset, target: Path) -> list[Path]:
    target.mkdir()
    write(dataset, target, WriteOptions(shards=2), Audience(Ledger()), Effort())
    return sorted(target.glob("*.record*"))


def essence(dataset: Dataset) -> list[tuple[Any, ...]]:
    return [(image.name, image.width, image.height, image.annotations, image_bytes(image)) for image in dataset.stream(Ledger())]


def test_tensorflow_reads_what_we_write(tensorflow: Callable[..., str], awkward: Dataset, tmp_path: Path) -> None:
    files = written(awkward, tmp_path / "out")
    rows = [json.loads(line) for line in tensorflow(READ, *files).splitlines()]
    ids = {label: number for number, label in enumerate(awkward.classes, start=1)}
    for row, image in zip(rows, awkward.stream(Ledger()), strict=True):
        assert row["image/filename"] == row["image/source_id"] == image.name
        assert row["shape"] == [48, 64, 3]
        assert row["image/object/class/text"] == [box.label for box in image.annotations]
        assert row["image/object/class/label"] == [ids[box.label] for box in image.annotations]
        assert row["image/object/bbox/xmin"] == pytest.approx([box.x / 64 for box in image.annotations], rel=1e-7)
        assert row["image/object/bbox/ymax"] == pytest.approx([(box.y + box.h) / 48 for box in image.annotations], rel=1e-7)
        assert max([*row["image/object/bbox/xmax"], 0]) <= 1
        assert row["image/object/difficult"] == [int(Flag.DIFFICULT in box.flags) for box in image.annotations]
        assert row["image/object/is_crowd"] == [int(Flag.CROWD in box.flags) for box in image.annotations]


def test_the_object_detection_api_decodes_what_we_write(tensorflow: Callable[..., str], awkward: Dataset, tmp_path: Path) -> None:
    files = written(awkward, tmp_path / "out")
    if "no" in tensorflow("import importlib.util; print('yes' if importlib.util.find_spec('object_detection') else 'no')"):
        pytest.skip("the environment has no Object Detection API")
    rows = [json.loads(line) for line in tensorflow(DECODE, tmp_path / "out" / "label_map.pbtxt", *files).splitlines()]
    for row, image in zip(rows, awkward.stream(Ledger()), strict=True):
        assert (row["source_id"], row["shape"]) == (image.name, [48, 64, 3])
        assert row["classes"] == [awkward.classes.index(box.label) + 1 for box in image.annotations]
        assert row["is_crowd"] == [Flag.CROWD in box.flags for box in image.annotations]
        for (ymin, xmin, ymax, xmax), box in zip(row["boxes"], image.annotations, strict=True):
            shares = [xmin * 64, ymin * 48, xmax * 64, ymax * 48]
            assert shares == pytest.approx([box.x, box.y, box.x + box.w, box.y + box.h], rel=1e-6)


def test_we_read_what_tensorflow_writes_byte_for_byte(tensorflow: Callable[..., str], awkward: Dataset, tmp_path: Path) -> None:
    files = written(awkward, tmp_path / "out")
    ours = read(scan(tmp_path / "out"), ReadOptions(), Effort())
    for name in ("plain", "packed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "label_map.pbtxt").write_bytes((tmp_path / "out" / "label_map.pbtxt").read_bytes())
    source = tmp_path / "whole.record"
    source.write_bytes(b"".join(path.read_bytes() for path in files))
    plain, packed = tmp_path / "plain" / "train.record", tmp_path / "packed" / "train.record"
    tensorflow(REWRITE, source, plain, packed)
    assert plain.read_bytes() == source.read_bytes()
    for folder in (plain.parent, packed.parent):
        theirs = read(scan(folder), ReadOptions(), Effort())
        assert essence(theirs) == essence(ours)
        assert theirs.classes == awkward.classes
