"""The label map: class names and their ids."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import BadSpecError

FILE = "label_map.pbtxt"


def dataset_labels(request: Mapping[str, Any]) -> dict[str, int]:
    """Name to id: of the dataset's own label map where it lies in the folder already, else numbered as our writer does, from 1."""
    dataset = request["dataset"]
    path = os.path.join(request["folder"], dataset["splits"]["train"][1]) if "train" in dataset["splits"] else ""
    if not os.path.isfile(path):
        return {name: index for index, name in enumerate(dataset["classes"], 1)}
    labels = read(path)
    for name in dataset["classes"]:
        if name not in labels:
            raise BadSpecError("The dataset's class %r is not in its label map (%s)." % (name, ", ".join(labels) or "empty"), path)
    return labels


def read(path: str) -> dict[str, int]:
    """Name to id, by ids. BadSpecError for what the library would refuse, or take for the background."""
    from google.protobuf import text_format
    from object_detection.protos import string_int_label_map_pb2

    try:
        with open(path, encoding="utf-8") as file:
            items = text_format.Parse(file.read(), string_int_label_map_pb2.StringIntLabelMap()).item
    except text_format.ParseError as error:
        said = str(error).split(" : ", 1)[-1]
        raise BadSpecError("The label map cannot be read: %s" % said, "%s, line %s" % (path, error.GetLine())) from error
    except (OSError, UnicodeDecodeError) as error:
        raise BadSpecError("The label map cannot be read: %s" % error, path) from error
    return checked([(item.name, item.id) for item in items], path)


def checked(items: Sequence[tuple[str, int]], path: str) -> dict[str, int]:
    """Every id from 1 on and given once, and every name."""
    wrong = ["%r has the id %d" % (name, number) for name, number in items if number < 1]
    if wrong:
        raise BadSpecError("Label map ids begin with 1, since 0 is the background, but %s." % ", ".join(wrong), path)
    for index, what in enumerate(("name", "id")):
        values = [item[index] for item in items]
        doubled = sorted({str(value) for value in values if values.count(value) > 1})
        if doubled:
            raise BadSpecError("The label map gives the %s %s more than once." % (what, ", ".join(doubled)), path)
    if not items:
        raise BadSpecError("The label map is empty.", path)
    return dict(sorted(items, key=lambda item: item[1]))


def text(labels: Mapping[str, int]) -> str:
    """A label map's text."""
    from google.protobuf import text_format
    from object_detection.protos import string_int_label_map_pb2

    message = string_int_label_map_pb2.StringIntLabelMap()
    for name, number in labels.items():
        message.item.add(name=name, id=number)
    return str(text_format.MessageToString(message))
