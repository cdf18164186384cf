"""The trained model, built by the TensorFlow 2 Object Detection API from its config and checkpoint. Stands in ``predict_mmdet``'s place
for ``model.py``; runs in the training environment's Python."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import cv2
import numpy

from .sources import Frame

LABEL_MAP = "label_map.pbtxt"
FIRST_ID = 1
"""The API's heads count from 0, label maps from 1."""
WANTED = ("detection_boxes", "detection_classes", "detection_scores", "num_detections")


class Detection(NamedTuple):
    """A box in pixels of the picture (x1, y1, x2, y2), its label from 0, and its mask (height x width) where the model finds masks."""

    label: int
    score: float
    box: tuple[float, float, float, float]
    mask: Optional[numpy.ndarray] = None


class Model:
    """A detector on the GPU that this process sees, else on the CPU. Pictures go through it one by one, each in its own size."""

    def __init__(self, config: str, checkpoint: str) -> None:
        import tensorflow as tf
        from object_detection.builders import model_builder
        from object_detection.utils import config_util, label_map_util

        net = model_builder.build(config_util.get_configs_from_pipeline_file(config)["model"], is_training=False)
        tf.train.Checkpoint(model=net).restore(checkpoint).expect_partial()
        ids = label_map_util.get_label_map_dict(LABEL_MAP).values()
        self._labels = {number - FIRST_ID: index for index, number in enumerate(sorted(ids))}

        @tf.function(input_signature=[tf.TensorSpec([1, None, None, 3], tf.float32)])
        def found(picture: Any) -> Any:
            image, shapes = net.preprocess(picture)
            return net.postprocess(net.predict(image, shapes), shapes)

        self._found = found

    def load(self, path: str) -> numpy.ndarray | None:
        """A picture as BGR; None where it cannot be decoded."""
        return cv2.imread(path, cv2.IMREAD_COLOR)

    def ask(self, frames: Sequence[Frame]) -> list[list[Detection]]:
        """The detections of each frame."""
        return [self._one(frame.pixels) for frame in frames]

    def _one(self, pixels: numpy.ndarray) -> list[Detection]:
        height, width = pixels.shape[:2]
        picture = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)[None].astype(numpy.float32)
        found = {name: value.numpy()[0] for name, value in self._found(picture).items() if name in WANTED}
        detections = []
        for at in range(int(found["num_detections"])):
            label = self._labels.get(int(found["detection_classes"][at]))
            y1, x1, y2, x2 = (float(side) for side in found["detection_boxes"][at])
            # An id that the label map leaves out has a head of its own, which learned nothing.
            if label is not None and numpy.isfinite([x1, y1, x2, y2]).all():
                box = (x1 * width, y1 * height, x2 * width, y2 * height)
                detections.append(Detection(label, float(found["detection_scores"][at]), box))
        return detections


def detections(sample: list[Detection]) -> list[Detection]:
    """What was found in a picture, best first."""
    return sorted((item for item in sample if numpy.isfinite(item.score)), key=lambda item: -item.score)
