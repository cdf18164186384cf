"""Datasets of 1.x: a class has its names; evaluating is the dataset's since 1.1."""

from mmcv import MMDET
from mmcv.utils import part
from mmdet.datasets.registry import DATASETS

_ARGUMENTS = {
    "ann_file": None, "pipeline": None, "data_root": None, "img_prefix": "", "seg_prefix": None, "proposal_file": None, "test_mode": False,
}
CustomDataset = part("CustomDataset", **_ARGUMENTS)
CustomDataset.CLASSES = None


@DATASETS.register_module
class CocoDataset(CustomDataset):
    CLASSES = tuple("class %d" % number for number in range(80))
    if MMDET >= "1.1":

        def evaluate(self, results, metric="bbox", logger=None, jsonfile_prefix=None, classwise=False):
            pass


@DATASETS.register_module
class XMLDataset(CustomDataset):
    pass


@DATASETS.register_module
class CityscapesDataset(CocoDataset):
    CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")


DATASETS.module_dict["RepeatDataset"] = part("RepeatDataset", dataset=None, times=1)
