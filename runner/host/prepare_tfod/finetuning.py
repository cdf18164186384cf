"""A fine-tune: a new training whose weights begin as another's, as far as the library takes them over."""

from __future__ import annotations

import hashlib
import os
from typing import Any, NamedTuple

from .checkpoints import Checkpoint
from .errors import BadSpecError, first_line

FULL, DETECTION = "full", "detection"
NOTE = "The heads do not fit the checkpoint, so only the feature extractor is taken over (fine_tune_checkpoint_type detection)."
_SIDE = 320


class TakenOver(NamedTuple):
    """What a fine-tune begins with: fine_tune_checkpoint(_type), the names of weights taken, their sha256, and those that begin anew."""

    prefix: str
    kind: str
    taken: list[str]
    sha256: str
    new: list[str]


def take_over(pipeline: Any, whole: Checkpoint, folder: str) -> TakenOver:
    """All weights where the heads fit, else those of the feature extractor.

    The library restores with ``assert_existing_objects_matched``; what it would take over is what it takes over here. With ``full`` it
    takes over more from a checkpoint that a training wrote: the model refers to the step there (``_training_step``), so the new training
    would begin at that step, beyond its schedule's end. It is given a copy of the weights alone, which lies in ``folder``.
    """
    import tensorflow as tf

    model = built(pipeline)
    problems = []
    for kind in (FULL, DETECTION):
        problem = restored(model, whole.prefix, kind)
        if problem:
            problems.append("%s: %s" % (kind, problem))
            continue
        prefix = whole.prefix
        if kind == FULL and whole.step is not None:
            # Not write(): the library wants a save_counter, too.
            prefix = tf.train.Checkpoint(model=model).save(os.path.join(folder, "weights", "ckpt"))
        return TakenOver(prefix, kind, *taken_of(model))
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
