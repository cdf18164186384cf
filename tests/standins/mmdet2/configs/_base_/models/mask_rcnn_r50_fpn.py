"""Two stages and masks."""

_base_ = "faster_rcnn_r50_fpn.py"
model = dict(type="MaskRCNN", roi_head=dict(mask_head=dict(type="FCNMaskHead", num_classes=80)))
