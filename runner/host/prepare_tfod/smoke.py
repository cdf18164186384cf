"""The verb ``smoke``: a training of two steps, which proves an environment."""

from __future__ import annotations

import math
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from .identity import identify
from .training import CONFIG, train

PRESET = {"name": "smoke", "config": "ssd_mobilenet_v2_fpnlite_nano.config", "epochs": 1, "batch": 2, "lr": 0.01}


def smoke(_request: Mapping[str, Any]) -> dict[str, Any]:
    """Train a tiny model for two steps on four drawn squares: proves that TensorFlow, the API and its protos work together."""
    begun, home = time.monotonic(), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            losses = run(folder)
        finally:
            os.chdir(home)
    if not all(math.isfinite(loss) for loss in losses):
        raise RuntimeError("the loss of the smoke test is %s" % losses)
    return dict(identify({}), losses=losses, seconds=round(time.monotonic() - begun, 1))


def run(folder: str) -> list[float]:
    """The losses of a training in ``folder``, the working directory."""
    import tensorflow as tf
    from object_detection import model_lib_v2

    write_squares(folder)
    splits = {"train": ["data/train.record*", "data/label_map.pbtxt"]}
    dataset = {"classes": ["square"], "splits": splits, "images": {"train": 4}}
    spec = {"kind": "train", "preset": PRESET, "dataset": {"name": "smoke", "version": 1}}
    prepared = train({"spec": spec, "dataset": dataset, "checkpoints": [], "folder": folder})
    with open(CONFIG, "w", encoding="utf-8") as file:
        file.write(prepared["config"])
    with tf.distribute.MirroredStrategy().scope():
        model_lib_v2.train_loop(CONFIG, "model", train_steps=2, checkpoint_every_n=2, num_steps_per_iteration=1, record_summaries=False)
    return [float(value) for value in written_losses("model/train")]


def written_losses(folder: str) -> list[float]:
    """The total losses in a folder of event files."""
    import tensorflow as tf

    found = []
    for name in os.listdir(folder):
        for event in tf.compat.v1.train.summary_iterator(os.path.join(folder, name)):
            found += [float(tf.make_ndarray(value.tensor)) for value in event.summary.value if value.tag == "Loss/total_loss"]
    if not found:
        raise RuntimeError("the smoke test wrote no loss")
    return found


def write_squares(folder: str) -> None:
    """Four pictures of a square as TFRecords, and their label map, at ``data`` in a folder."""
    import numpy
    import tensorflow as tf

    os.mkdir(os.path.join(folder, "data"))
    with open(os.path.join(folder, "data", "label_map.pbtxt"), "w", encoding="utf-8") as file:
        file.write("item { id: 1 name: 'square' }\n")
    with tf.io.TFRecordWriter(os.path.join(folder, "data", "train.record")) as writer:
        for number in range(4):
            picture = numpy.full((96, 96, 3), 40 * number, numpy.uint8)
            picture[20:60, 30:70] = 255
            writer.write(example(number, tf.io.encode_png(picture).numpy()).SerializeToString())


def example(number: int, picture: bytes) -> Any:
    """One record, with the square's box."""
    import tensorflow as tf

    texts = {"image/encoded": picture, "image/format": b"png", "image/filename": b"%d.png" % number, "image/source_id": b"%d" % number,
             "image/object/class/text": b"square"}
    sides = {"xmin": 30 / 96, "xmax": 70 / 96, "ymin": 20 / 96, "ymax": 60 / 96}
    numbers = {"image/height": 96, "image/width": 96, "image/object/class/label": 1}
    features = {name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in texts.items()}
    for name, side in sides.items():
        features["image/object/bbox/" + name] = tf.train.Feature(float_list=tf.train.FloatList(value=[side]))
    for name, value in numbers.items():
        features[name] = tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
    return tf.train.Example(features=tf.train.Features(feature=features))
