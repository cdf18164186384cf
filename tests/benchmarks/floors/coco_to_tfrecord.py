"""The shortest way from COCO to a TFRecord: protobuf and CRC-32C, no check of anything. Arguments: JSON file, images, a fresh file."""

# pathlib would be slower:
# ruff: noqa: PTH123
import hashlib
import json
import struct
import sys

import google_crc32c

from recipes.tfrecord.messages import Example

source, images, target = sys.argv[1:]


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


with open(source) as file:
    data = json.load(file)
names = {category["id"]: category["name"].encode() for category in data["categories"]}
boxes = {image["id"]: [] for image in data["images"]}
for annotation in data["annotations"]:
    boxes[annotation["image_id"]].append(annotation)
with open(target, "wb") as out:
    for image in data["images"]:
        with open(f"{images}/{image['file_name']}", "rb") as file:
            encoded = file.read()
        width, height, own = image["width"], image["height"], boxes[image["id"]]
        example = Example()
        features = example.features.feature
        name = image["file_name"].encode()
        features["image/encoded"].bytes_list.value.append(encoded)
        features["image/filename"].bytes_list.value.append(name)
        features["image/source_id"].bytes_list.value.append(name)
        features["image/format"].bytes_list.value.append(b"jpeg")
        features["image/key/sha256"].bytes_list.value.append(hashlib.sha256(encoded).hexdigest().encode())
        features["image/height"].int64_list.value.append(height)
        features["image/width"].int64_list.value.append(width)
        features["image/object/bbox/xmin"].float_list.value.extend([box["bbox"][0] / width for box in own])
        features["image/object/bbox/ymin"].float_list.value.extend([box["bbox"][1] / height for box in own])
        features["image/object/bbox/xmax"].float_list.value.extend([(box["bbox"][0] + box["bbox"][2]) / width for box in own])
        features["image/object/bbox/ymax"].float_list.value.extend([(box["bbox"][1] + box["bbox"][3]) / height for box in own])
        features["image/object/class/text"].bytes_list.value.extend([names[box["category_id"]] for box in own])
        features["image/object/class/label"].int64_list.value.extend([box["category_id"] for box in own])
        features["image/object/difficult"].int64_list.value.extend([0] * len(own))
        features["image/object/truncated"].int64_list.value.extend([0] * len(own))
        features["image/object/is_crowd"].int64_list.value.extend([box["iscrowd"] for box in own])
        record = example.SerializeToString(deterministic=True)
        length = struct.pack("<Q", len(record))
        out.write(length + masked(length) + record + masked(record))
