_base_ = [
    "../_base_/models/faster_rcnn_r50_fpn.py",
    "../_base_/datasets/coco_detection.py",
    "../_base_/schedule_1x_runner.py",
    "../_base_/default_runtime.py",
]
