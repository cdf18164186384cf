"""TensorFlow's way from COCO to a TFRecord, for an interpreter that has it. Arguments: JSON file, images, a fresh file.

Prints the CPU seconds without TensorFlow's own start.
"""

# pathlib would be slower:
# ruff: noqa: PTH123
import hashlib
import json
import sys
import time

import tensorflow as tf

started = time.process_time()
source, images, target = sys.argv[1:]


def texts(*values):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))


def integers(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


def shares(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


with open(source) as file:
    data = json.load(file)
names = {category["id"]: category["name"].encode() for category in data["categories"]}
boxes = {image["id"]: [] for image in data["images"]}
for annotation in data["annotations"]:
    boxes[annotation["image_id"]].append(annotation)
with tf.io.TFRecordWriter(target) as out:
    for image in data["images"]:
        with open(f"{images}/{image['file_name']}", "rb") as file:
            encoded = file.read()
        width, height, own = image["width"], image["height"], boxes[image["id"]]
        name = image["file_name"].encode()
        feature = {
            "image/encoded": texts(encoded),
            "image/filename": texts(name),
            "image/source_id": texts(name),
            "image/format": texts(b"jpeg"),
            "image/key/sha256": texts(hashlib.sha256(encoded).hexdigest().encode()),
            "image/height": integers(height),
            "image/width": integers(width),
            "image/object/bbox/xmin": shares(*(box["bbox"][0] / width for box in own)),
            "image/object/bbox/ymin": shares(*(box["bbox"][1] / height for box in own)),
            "image/object/bbox/xmax": shares(*((box["bbox"][0] + box["bbox"][2]) / width for box in own)),
            "image/object/bbox/ymax": shares(*((box["bbox"][1] + box["bbox"][3]) / height for box in own)),
            "image/object/class/text": texts(*(names[box["category_id"]] for box in own)),
            "image/object/class/label": integers(*(box["category_id"] for box in own)),
            "image/object/difficult": integers(*(0 for _ in own)),
            "image/object/truncated": integers(*(0 for _ in own)),
            "image/object/is_crowd": integers(*(box["iscrowd"] for box in own)),
        }
        out.write(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True))
print(time.process_time() - started)
