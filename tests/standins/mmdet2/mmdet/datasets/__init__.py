"""Datasets of 2.x: ``classes`` go before a class's own names."""

from mmcv.utils import part
from mmdet.datasets.registry import DATASETS

_ARGUMENTS = {
    "ann_file": None, "pipeline": None, "classes": None, "data_root": None, "img_prefix": "", "seg_prefix": None, "proposal_file": None,
    "test_mode": False, "filter_empty_gt": True,
}
CustomDataset = part("CustomDataset", **_ARGUMENTS)


@DATASETS.register_module()
class CocoDataset(CustomDataset):
    CLASSES = tuple("class %d" % number for number in range(80))

    def evaluate(self, results, metric="bbox", logger=None, jsonfile_prefix=None, classwise=False):
        pass


@DATASETS.register_module()
class XMLDataset(CustomDataset):
    CLASSES = None


@DATASETS.register_module()
class CityscapesDataset(CocoDataset):
    CLASSES = ("person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle")


DATASETS.module_dict["RepeatDataset"] = part("RepeatDataset", dataset=None, times=1)
DATASETS.module_dict["ClassBalancedDataset"] = part("ClassBalancedDataset", dataset=None, oversample_thr=0.1)


def classes_of(data):
    classes = data.get("classes") or DATASETS.get(data["type"]).CLASSES
    if isinstance(classes, str):
        raise FileNotFoundError("[Errno 2] No such file or directory: '%s'" % classes)
    return classes
