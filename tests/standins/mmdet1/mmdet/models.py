"""The parts of detectors that the configs here are made of. Heads count the background as a class."""

import os

from mmcv.modules import module
from mmcv.utils import Registry, build_from_cfg

DETECTORS, BACKBONES, NECKS, HEADS = (Registry(name, bare=True) for name in ("detector", "backbone", "neck", "head"))
ALL = (DETECTORS, BACKBONES, NECKS, HEADS)

_CFG = {"train_cfg": None, "test_cfg": None, "pretrained": None, "neck": None}
_TWO_STAGE = dict(_CFG, backbone=None, rpn_head=None, bbox_roi_extractor=None, bbox_head=None, shared_head=None)
_MASKS = dict(_TWO_STAGE, mask_roi_extractor=None, mask_head=None)
module(ALL, DETECTORS, "FasterRCNN", 0, **_TWO_STAGE)
module(ALL, DETECTORS, "MaskRCNN", 0, **_MASKS)
module(ALL, DETECTORS, "CascadeRCNN", 0, num_stages=3, semantic_head=None, **_MASKS)
module(ALL, DETECTORS, "RetinaNet", 0, backbone=None, bbox_head=None, **_CFG)
module(ALL, DETECTORS, "RPN", 0, backbone=None, rpn_head=None, **_CFG)
module(ALL, BACKBONES, "ResNet", 0, depth=50, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=-1, style="pytorch")
module(ALL, NECKS, "FPN", 0, in_channels=None, out_channels=256, num_outs=5)
module(ALL, HEADS, "RPNHead", 0, in_channels=256, feat_channels=256)
module(ALL, HEADS, "SharedFCBBoxHead", 0, num_fcs=2, in_channels=256, fc_out_channels=1024, num_classes=81, roi_feat_size=7)
module(ALL, HEADS, "FCNMaskHead", 0, num_convs=4, in_channels=256, num_classes=81)
module(ALL, HEADS, "FusedSemanticHead", 0, num_classes=183)
module(ALL, HEADS, "RetinaHead", 0, num_classes=81, in_channels=256, stacked_convs=4)


def build_detector(cfg, train_cfg=None, test_cfg=None):
    if cfg.get("pretrained") and os.environ.get("STANDIN_OFFLINE"):
        raise OSError("this machine has no way to %s" % cfg["pretrained"])
    built = build_from_cfg(dict(cfg, train_cfg=train_cfg, test_cfg=test_cfg), ALL)
    list(built.named_modules())
    return built
