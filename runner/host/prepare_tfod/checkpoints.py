"""TensorFlow checkpoints: a prefix, its index and all its shards of data, proved whole by reading every value."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from .errors import BadSpecError, first_line

STEP = "step/.ATTRIBUTES/VARIABLE_VALUE"
COUNTER = "save_counter/.ATTRIBUTES/VARIABLE_VALUE"
OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
_SHARD = re.compile(r"\.data-(\d{5})-of-(\d{5})$")


class Checkpoint(NamedTuple):
    """A whole checkpoint. ``step`` and ``number`` (of its file) are None where a training did not write it."""

    prefix: str
    step: int | None
    number: int | None
    size_bytes: int


def verify(request: Mapping[str, Any]) -> dict[str, Any]:
    """The verb ``verify``: {"paths": [prefix]} to {"checkpoints": [{path, whole, why, epoch, size_bytes}]}.

    ``steps_per_epoch`` in the request makes epochs of steps.
    """
    answers = []
    for path in request["paths"]:
        found, why = opened(path)
        epoch = None
        if found and found.step is not None:
            epoch = int(found.step / request["steps_per_epoch"] + 1e-6) if request.get("steps_per_epoch") else 0
        size = found.size_bytes if found else sum(os.path.getsize(each) for each in _files(prefix_of(path)))
        answers.append({"path": path, "whole": found is not None, "why": why, "epoch": epoch, "size_bytes": size})
    return {"checkpoints": answers}


def newest_whole(paths: Sequence[str]) -> tuple[Checkpoint, list[tuple[str, str]]]:
    """(the first whole one, (path, why) of those before it). BadSpecError where none is."""
    refused: list[tuple[str, str]] = []
    for path in paths:
        found, why = opened(path)
        if found is not None:
            return found, refused
        refused.append((path, why))
    told = "; ".join("%s: %s" % each for each in refused) or "there is none"
    raise BadSpecError("No checkpoint can be used: %s" % told, "checkpoints")


def prefix_of(path: str) -> str:
    """The prefix that a person may have meant: one of its files, its folder, or the folder of an exported model."""
    path = re.sub(r"\.(index|data-\d{5}-of-\d{5})$", "", path)
    for folder in (path, os.path.join(path, "checkpoint")):
        found = sorted(glob.glob(os.path.join(glob.escape(folder), "*.index")), key=os.path.getmtime)
        if found:
            return found[-1][: -len(".index")]
    return path


def opened(path: str) -> tuple[Checkpoint | None, str]:
    """(the checkpoint, "") or (None, why it is not whole)."""
    prefix = prefix_of(path)
    why = _missing(prefix)
    if why:
        return None, why
    import numpy
    import tensorflow as tf

    try:
        reader = tf.train.load_checkpoint(prefix)
        values = {}
        for name in reader.get_variable_to_shape_map():
            value = reader.get_tensor(name)
            if getattr(value, "dtype", None) is not None and value.dtype.kind == "f" and not numpy.isfinite(value).all():
                return None, "%s holds values that are not finite" % name
            values[name] = value if name in (STEP, COUNTER) else None
    except Exception as error:  # TensorFlow has several for a torn file, of unlike kinds
        return None, "it cannot be read to its end: %s" % first_line(error)
    if OBJECTS not in values:
        return None, "it is not of TensorFlow 2 (object-based)"
    size = sum(os.path.getsize(each) for each in _files(prefix))
    step, number = (None if values.get(name) is None else int(values[name]) for name in (STEP, COUNTER))
    return Checkpoint(prefix, step, number, size), ""


def _missing(prefix: str) -> str:
    """Which of its files are not there, in words."""
    if not os.path.isfile(prefix + ".index"):
        return "its index (%s.index) is not there" % os.path.basename(prefix)
    shards = [match for match in map(_SHARD.search, _files(prefix)) if match]
    wanted = int(shards[0].group(2)) if shards else 1
    if len({match.group(1) for match in shards}) < wanted:
        return "%d of its %d data files are not there" % (wanted - len(shards), wanted)
    return ""


def _files(prefix: str) -> list[str]:
    return [path for path in glob.glob(glob.escape(prefix) + ".*") if path.endswith(".index") or _SHARD.search(path)]
