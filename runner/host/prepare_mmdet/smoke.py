"""The verb ``smoke``: a training of seconds, which proves an environment."""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Any

from .datasets import WORK_DIR
from .identity import identify
from .preparing import prepare

PRESET = {
    "name": "smoke", "config": "rtmdet/rtmdet_tiny_8xb32-300e_coco.py", "epochs": 2, "batch": 2, "lr": 0.001,
    "options": {
        "model.backbone.widen_factor": 0.125, "model.backbone.init_cfg": None,
        "model.neck.in_channels": [32, 64, 128], "model.neck.out_channels": 32,
        "model.bbox_head.in_channels": 32, "model.bbox_head.feat_channels": 32,
    },
}


def smoke(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"code": folder or none} to what ``identify`` says, once a tiny model trained for two epochs on four generated images: proves that
    torch, mmcv's operators and mmdet work together."""
    begun, home = time.monotonic(), os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            iterations, loss = train(folder, request.get("code") or "")
        finally:
            os.chdir(home)
    if not math.isfinite(loss):
        raise RuntimeError("the loss of the smoke test is %s" % loss)
    return dict(identify(request), iterations=iterations, loss=loss, seconds=round(time.monotonic() - begun, 1))


def train(folder: str, code_folder: str) -> tuple[int, float]:
    """(iterations, last loss) of a training in ``folder``, the working directory."""
    from mmengine.config import Config
    from mmengine.runner import Runner

    write_squares(folder)
    splits = {"train": ["data/all.json", "data"], "val": ["data/all.json", "data"]}
    dataset = {"classes": ["square"], "splits": splits, "images": {"train": 4, "val": 4}}
    spec = {"preset": PRESET, "dataset": {"name": "smoke", "version": 1}}
    answer = prepare({"spec": spec, "dataset": dataset, "checkpoints": [], "folder": folder, "code_folder": code_folder})
    cfg = Config.fromstring(answer["config"], ".py")
    cfg.work_dir = WORK_DIR
    runner = Runner.from_cfg(cfg)
    runner.train()
    return runner.iter, float(runner.message_hub.get_scalar("train/loss").current())


def write_squares(folder: str) -> None:
    """Four pictures of a square, and their COCO annotations, at ``data`` in a folder."""
    import cv2
    import numpy

    os.mkdir(os.path.join(folder, "data"))
    images, annotations = [], []
    for number in range(4):
        picture = numpy.full((96, 96, 3), 40 * number, numpy.uint8)
        picture[20:60, 30:70] = 255
        cv2.imwrite(os.path.join(folder, "data", "%d.png" % number), picture)
        images.append({"id": number, "file_name": "%d.png" % number, "width": 96, "height": 96})
        box = {"bbox": [30, 20, 40, 40], "area": 1600, "iscrowd": 0, "category_id": 1}
        annotations.append(dict(box, id=number + 1, image_id=number))
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "square"}]}
    with open(os.path.join(folder, "data", "all.json"), "w", encoding="utf-8") as file:
        json.dump(content, file)
