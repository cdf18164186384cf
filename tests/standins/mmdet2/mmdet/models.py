"""The parts of detectors that the configs here are made of. Heads have a row for the background besides their classes."""

from mmcv.modules import module
from mmcv.utils import Registry, build_from_cfg

DETECTORS, BACKBONES, NECKS, HEADS = (Registry(name) for name in ("models", "backbone", "neck", "head"))
ALL = (DETECTORS, BACKBONES, NECKS, HEADS)

_CFG = {"train_cfg": None, "test_cfg": None, "pretrained": None, "neck": None, "init_cfg": None}
_TWO_STAGE = dict(_CFG, backbone=None, rpn_head=None, roi_head=None)
for _name in ("FasterRCNN", "MaskRCNN", "CascadeRCNN"):
    module(ALL, DETECTORS, _name, 0, **_TWO_STAGE)
for _name in ("RetinaNet", "DETR"):
    module(ALL, DETECTORS, _name, 0, backbone=None, bbox_head=None, **_CFG)
module(ALL, DETECTORS, "RPN", 0, backbone=None, rpn_head=None, **_CFG)
module(ALL, BACKBONES, "ResNet", 0, depth=50, num_stages=4, out_indices=(0, 1, 2, 3), frozen_stages=-1, style="pytorch", init_cfg=None)
module(ALL, NECKS, "FPN", 0, in_channels=None, out_channels=256, num_outs=5)
module(ALL, HEADS, "RPNHead", 0, in_channels=256, feat_channels=256)
module(ALL, HEADS, "StandardRoIHead", 0, bbox_head=None, mask_head=None)
module(ALL, HEADS, "CascadeRoIHead", 0, num_stages=3, stage_loss_weights=None, bbox_head=None, mask_head=None, semantic_head=None)
module(ALL, HEADS, "Shared2FCBBoxHead", 1, in_channels=256, fc_out_channels=1024, roi_feat_size=7, num_classes=80)
module(ALL, HEADS, "FCNMaskHead", 0, num_convs=4, in_channels=256, conv_out_channels=256, num_classes=80)
module(ALL, HEADS, "FusedSemanticHead", 0, num_classes=183)
module(ALL, HEADS, "RetinaHead", 0, num_classes=80, in_channels=256, stacked_convs=4)
module(ALL, HEADS, "DETRHead", 1, num_classes=80, in_channels=2048)


def build_detector(cfg, train_cfg=None, test_cfg=None):
    sections = {key: value for key, value in (("train_cfg", train_cfg), ("test_cfg", test_cfg)) if value is not None}
    built = build_from_cfg(dict(cfg, **sections), ALL)
    list(built.named_modules())
    return built
