"""Steps of pipelines, which know their arguments."""

from mmcv.utils import build_from_cfg, part
from mmdet.datasets.registry import PIPELINES

_STEPS = {
    "LoadImageFromFile": {"to_float32": False},
    "LoadAnnotations": {"with_bbox": True, "with_label": True, "with_mask": False, "with_seg": False},
    "Resize": {"img_scale": None, "keep_ratio": True},
    "RandomFlip": {"flip_ratio": None},
    "Normalize": {"mean": None, "std": None, "to_rgb": True},
    "Pad": {"size": None, "size_divisor": None},
    "AutoAugment": {"policies": None},
    "MultiScaleFlipAug": {"transforms": None, "img_scale": None, "flip": False},
    "ImageToTensor": {"keys": None},
    "DefaultFormatBundle": {},
    "Collect": {"keys": None},
}
for _name, _arguments in _STEPS.items():
    PIPELINES.module_dict[_name] = part(_name, **_arguments)


class Compose:
    def __init__(self, transforms):
        self.transforms = [build_from_cfg(step, (PIPELINES,)) for step in transforms]
        for step in transforms:
            for inner in step.get("transforms") or []:
                build_from_cfg(inner, (PIPELINES,))
