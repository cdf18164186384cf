"""A Dataset class of one's own: COCO annotations whose boxes are cut down to the largest square in their middle."""

from mmdet.datasets import CocoDataset
from mmdet.registry import DATASETS


@DATASETS.register_module()
class SquareDataset(CocoDataset):
    """What CocoDataset reads, in squares."""

    def parse_data_info(self, raw_data_info):
        info = super().parse_data_info(raw_data_info)
        for instance in info["instances"]:
            left, top, right, bottom = instance["bbox"]
            half = min(right - left, bottom - top) / 2
            across, down = (left + right) / 2, (top + bottom) / 2
            instance["bbox"] = [across - half, down - half, across + half, down + half]
        return info
