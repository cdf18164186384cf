# ruff: noqa: C408
# As a config of MMDetection's own collection would lie below configs/: its bases are there.
_base_ = [
    "../_base_/models/retinanet_r50_fpn.py", "../_base_/datasets/coco_detection.py",
    "../_base_/schedules/schedule_1x.py", "../_base_/default_runtime.py",
]  # fmt: skip
model = dict(
    backbone=dict(_delete_=True, type="PocketMobileNet", channels=(16, 32, 64)),
    neck=dict(_delete_=True, type="PocketAugFPN", in_channels=[16, 32, 64], out_channels=32, norm_cfg=dict(type="SyncBN")),
    bbox_head=dict(
        in_channels=32, feat_channels=32, stacked_convs=1, anchor_generator=dict(octave_base_scale=2, strides=[8, 16, 32]),
    ),
    test_cfg=dict(score_thr=0.0001, max_per_img=20),
)  # fmt: skip
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", scale=(128, 128), keep_ratio=True),
    dict(
        type="AutoAugment",
        policies=[
            [dict(type="Rotate", level=5, prob=0.5)],
            [dict(type="Rotate", level=7), dict(type="TranslateX", level=5, prob=0.5)],
        ],
    ),
    dict(type="PackDetInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="Resize", scale=(128, 128), keep_ratio=True),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="PackDetInputs", meta_keys=("img_id", "img_path", "ori_shape", "img_shape", "scale_factor")),
]
train_dataloader = dict(dataset=dict(type="SquareDataset", pipeline=train_pipeline))
val_dataloader = dict(batch_size=4, dataset=dict(pipeline=test_pipeline))
