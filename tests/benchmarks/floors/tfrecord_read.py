"""The shortest way to read TFRecords: protobuf and CRC-32C, boxes in pixels, images as bytes. Arguments: the files. Prints the boxes."""

# pathlib would be slower:
# ruff: noqa: PTH123
import struct
import sys

import google_crc32c

from recipes.tfrecord.messages import Example


def masked(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


boxes = 0
for path in sys.argv[1:]:
    with open(path, "rb") as file:
        while head := file.read(12):
            assert masked(head[:8]) == head[8:]
            record = file.read(int.from_bytes(head[:8], "little"))
            assert masked(record) == file.read(4)
            features = Example.FromString(record).features.feature
            name = features["image/filename"].bytes_list.value[0].decode()
            encoded = features["image/encoded"].bytes_list.value[0]
            width, height = features["image/width"].int64_list.value[0], features["image/height"].int64_list.value[0]
            rows = []
            for left, top, right, bottom, text in zip(
                features["image/object/bbox/xmin"].float_list.value,
                features["image/object/bbox/ymin"].float_list.value,
                features["image/object/bbox/xmax"].float_list.value,
                features["image/object/bbox/ymax"].float_list.value,
                features["image/object/class/text"].bytes_list.value,
                strict=True,
            ):
                rows.append((text.decode(), left * width, top * height, (right - left) * width, (bottom - top) * height))
            boxes += len(rows)
print(boxes)
