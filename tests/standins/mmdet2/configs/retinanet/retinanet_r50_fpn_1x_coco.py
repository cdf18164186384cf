_base_ = ["../_base_/datasets/coco_detection.py", "../_base_/schedule_1x_runner.py", "../_base_/default_runtime.py"]
model = dict(
    type="RetinaNet",
    backbone=dict(type="ResNet", depth=50, num_stages=4, out_indices=(0, 1, 2, 3)),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    bbox_head=dict(type="RetinaHead", num_classes=80),
)
