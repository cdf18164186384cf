"""The trained model, asked through mmdet's own API: its test pipeline, its batches, its data samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Optional

import numpy

from .sources import Frame


class Detection(NamedTuple):
    """A box in pixels of the picture (x1, y1, x2, y2), its label from 0, and its mask (height x width) where the model finds masks."""

    label: int
    score: float
    box: tuple[float, float, float, float]
    mask: Optional[numpy.ndarray] = None


class Model:
    """A detector on the one GPU that this process sees, else on the CPU."""

    def __init__(self, config: str, checkpoint: str) -> None:
        import torch
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg
        from mmengine.config import Config
        from mmengine.dataset import Compose

        cfg = Config.fromfile(config)
        self._net = init_detector(cfg, checkpoint, palette="random", device="cuda:0" if torch.cuda.is_available() else "cpu")
        steps = [dict(step) for step in get_test_pipeline_cfg(cfg) if not step["type"].endswith("LoadAnnotations")]
        self._loader = next(step for step in steps if step["type"].endswith("LoadImageFromFile"))
        self._decoding = {"flag": self._loader.get("color_type", "color"), "backend": self._loader.get("imdecode_backend", "cv2")}
        self._loader["type"] = "mmdet.LoadImageFromNDArray"
        self._pipeline = Compose(steps)

    def load(self, path: str) -> numpy.ndarray | None:
        """A picture as the pipeline's own loader reads it; None where that cannot."""
        import mmcv

        return mmcv.imread(path, **self._decoding)

    def ask(self, frames: Sequence[Frame]) -> list[Any]:
        """A DetDataSample for each frame; all go through the model together."""
        import torch
        from mmengine.dataset import pseudo_collate

        data = [self._pipeline({"img": frame.pixels, "img_id": frame.image_id, "img_path": frame.name}) for frame in frames]
        with torch.no_grad():
            return list(self._net.test_step(pseudo_collate(data)))


def detections(sample: Any) -> list[Detection]:
    """What a data sample holds, best first; boxes that are no finite numbers are none."""
    found = sample.pred_instances
    boxes, scores, labels = (found[key].cpu().numpy() for key in ("bboxes", "scores", "labels"))
    masks = found["masks"].cpu().numpy() if "masks" in found else None
    finite = numpy.isfinite(boxes).all(axis=1) & numpy.isfinite(scores)
    return [
        Detection(int(labels[at]), float(scores[at]), tuple(float(side) for side in boxes[at]), None if masks is None else masks[at])
        for at in numpy.argsort(-scores, kind="stable")
        if finite[at]
    ]
