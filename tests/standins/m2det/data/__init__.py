"""Stands in for M2Det's data package."""

from .coco import COCODetection
from .voc0712 import VOC_CLASSES, AnnotationTransform, VOCDetection

__all__ = ["VOC_CLASSES", "AnnotationTransform", "BaseTransform", "COCODetection", "VOCDetection"]


class BaseTransform:
    """The net of the stand-in looks at the picture as it is."""

    def __init__(self, resize, rgb_means, swap=(2, 0, 1)):
        self.resize, self.means, self.swap = resize, rgb_means, swap

    def __call__(self, image):
        return image
