_base_ = ["../_base_/datasets/coco_detection.py", "../_base_/schedule_1x_runner.py", "../_base_/default_runtime.py"]
model = dict(type="DETR", backbone=dict(type="ResNet", depth=50), bbox_head=dict(type="DETRHead", num_classes=80))
optimizer = dict(type="AdamW", lr=0.0001, paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
lr_config = dict(_delete_=True, policy="step", step=[100])
runner = dict(max_epochs=150)
