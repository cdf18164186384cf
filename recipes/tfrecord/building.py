"""Builds the record of an image, a tf.train.Example, and refuses what TensorFlow would stop at.

Keys as create_pascal_tf_record.py and create_coco_tf_record.py of object_detection/dataset_tools write them. tf.io.decode_image reads
JPEG, PNG and BMP (a GIF becomes a film there). preprocessor.py and box_list_ops.py assert that boxes lie in 0 to 1 and are not inverted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from recipes.dataset import Annotation, ImageRecord
from recipes.errors import Defects, FormatError
from recipes.placing import image_bytes
from recipes.tfrecord.examples import CORNERS, ENTRY, FILE_NAME, HEIGHT, LABEL, TEXT, WIDTH
from recipes.tfrecord.examples import FLAG_KEYS as READ_FLAG_KEYS
from recipes.tfrecord.messages import Features

FORMATS = ((b"\xff\xd8\xff", b"jpeg"), (b"\x89PNG\r\n", b"png"), (b"BM", b"bmp"))
FLAG_KEYS = {key: flag for key, flag in READ_FLAG_KEYS.items() if key != "image/object/group_of"}
ROUNDED = 2.0**-25
"""A share that is so little outside of 0 to 1 is 0 or 1 as a float32, or was 0 or 1 before a computer calculated with it."""


def built(record: ImageRecord, ids: Mapping[str, int]) -> tuple[bytes, bytes, bytes]:
    """The serialized example in three pieces, the second the image's own bytes. FormatError with every defect of image and boxes.

    Keys are in ascending order, as protobuf's deterministic form has them: image/encoded is the first.
    """
    data, defects = _image(record), Defects()
    boxes = record.annotations
    corners = [_shares(record, box, defects) for box in boxes]
    for box in boxes:
        if box.label not in ids:
            defects.add(f"The class {box.label!r} is not among the dataset's.", record.where(box))
    defects.raise_if_any(record.name)
    name = record.name.encode()
    texts: dict[str, Sequence[bytes]] = {
        FILE_NAME: (name,),
        "image/format": (_kind(record, data),),
        "image/key/sha256": (hashlib.sha256(data).hexdigest().encode(),),
        "image/source_id": (name,),  # the evaluation takes images of one source_id for one
    }
    numbers: dict[str, Sequence[int]] = {HEIGHT: (record.height,), WIDTH: (record.width,)}
    features = Features()
    feature = features.feature
    if boxes:
        texts[TEXT] = [box.label.encode() for box in boxes]
        numbers[LABEL] = [ids[box.label] for box in boxes]
        for key, flag in FLAG_KEYS.items():
            numbers[key] = [int(flag in box.flags) for box in boxes]
        for key, shares in zip(CORNERS, zip(*corners, strict=True), strict=True):
            feature[key].float_list.value.extend(shares)
    for key, values in texts.items():
        feature[key].bytes_list.value.extend(values)
    for key, integers in numbers.items():
        feature[key].int64_list.value.extend(integers)
    others = features.SerializeToString(deterministic=True)
    return _before(len(data), len(others)), data, others


def _before(image: int, others: int) -> bytes:
    """What stands in a record before its image of so many bytes, other features of so many bytes following: each message is field 1."""
    values = b"\n" + _varint(image)  # of the BytesList
    kind = b"\n" + _varint(len(values) + image) + values  # the Feature's
    entry = ENTRY + _varint(len(kind) + image) + kind
    features = b"\n" + _varint(len(entry) + image) + entry
    return b"\n" + _varint(len(features) + image + others) + features


def _varint(number: int) -> bytes:
    """A length as protocol buffers have it: seven bits a byte, the lowest first."""
    digits = bytearray()
    while number > 0x7F:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def _image(record: ImageRecord) -> bytes:
    if record.path is None:
        raise FormatError("The image's file is not here, and a TFRecord holds the images themselves.", where=record.where())
    return image_bytes(record)


def _kind(record: ImageRecord, data: bytes) -> bytes:
    for start, kind in FORMATS:
        if data.startswith(start):
            return kind
    raise FormatError("The image is no JPEG, PNG or BMP; TensorFlow decodes no other.", where=record.where())


def _shares(record: ImageRecord, box: Annotation, defects: Defects) -> tuple[float, float, float, float]:
    """xmin, ymin, xmax and ymax."""
    left, top = box.x / record.width, box.y / record.height
    right, bottom = (box.x + box.w) / record.width, (box.y + box.h) / record.height
    if 0 <= left <= right <= 1 and 0 <= top <= bottom <= 1:
        return left, top, right, bottom
    if -ROUNDED <= left <= right <= 1 + ROUNDED and -ROUNDED <= top <= bottom <= 1 + ROUNDED:
        return max(0.0, left), max(0.0, top), min(1.0, right), min(1.0, bottom)
    wrong = "reaches over the border of its image (add clip to the recipe)" if left <= right and top <= bottom else "is inverted"
    defects.add(f"The box {wrong}; TensorFlow would stop at it.", record.where(box))
    return left, top, right, bottom
