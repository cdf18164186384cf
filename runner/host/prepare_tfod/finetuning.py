"""A fine-tune: a new training whose weights begin as another's, as far as the library takes them over."""

from __future__ import annotations

import hashlib
from typing import Any

from .errors import BadSpecError, first_line

FULL, DETECTION = "full", "detection"
NOTE = "The heads do not fit the checkpoint, so only the feature extractor is taken over (fine_tune_checkpoint_type detection)."
_SIDE = 320


def take_over(pipeline: Any, prefix: str) -> tuple[str, list[str], str, list[str]]:
    """(fine_tune_checkpoint_type, names taken, their sha256, names that begin anew): all where the heads fit, else the feature extractor.

    The library restores with ``assert_existing_objects_matched``; what it would take over is what it takes over here.
    """
    model = built(pipeline)
    problems = []
    for kind in (FULL, DETECTION):
        problem = restored(model, prefix, kind)
        if not problem:
            return (kind, *taken_of(model))
        problems.append("%s: %s" % (kind, problem))
    raise BadSpecError("Nothing of the checkpoint fits this model (%s)." % "; ".join(problems), "checkpoints")


def built(pipeline: Any) -> Any:
    """The model with all its variables, which the library makes only when an image goes through."""
    import tensorflow as tf
    from object_detection.builders import model_builder

    model = model_builder.build(pipeline.model, is_training=False)
    image, shapes = model.preprocess(tf.zeros([1, _SIDE, _SIDE, 3]))
    model.predict(image, shapes)
    return model


def restored(model: Any, prefix: str, kind: str) -> str:
    """Restore as model_lib_v2.load_fine_tune_checkpoint does; why that cannot be, else "". What is not taken over is NaN afterwards."""
    import tensorflow as tf

    for variable in model.variables:
        if variable.dtype.is_floating:
            variable.assign(tf.fill(variable.shape, float("nan")))
    try:
        checkpoint = tf.train.Checkpoint(**model.restore_from_objects(fine_tune_checkpoint_type=kind))
        checkpoint.restore(prefix).expect_partial().assert_existing_objects_matched()
    except Exception as error:  # ValueError for a shape, AssertionError for what is not there, OpError for the rest
        return first_line(error)
    return "" if taken_of(model)[0] else "no weight has a counterpart"


def taken_of(model: Any) -> tuple[list[str], str, list[str]]:
    """(names of the weights that are not NaN, the sha256 over these, the other names)."""
    import numpy

    digest, taken, new = hashlib.sha256(), [], []
    for variable in sorted(model.variables, key=lambda each: each.name):
        if not variable.dtype.is_floating:
            continue
        value = variable.numpy()
        if numpy.isnan(value).any():
            new.append(variable.name)
        else:
            taken.append(variable.name)
            digest.update(variable.name.encode() + b"\0" + value.tobytes())
    return taken, digest.hexdigest(), new
