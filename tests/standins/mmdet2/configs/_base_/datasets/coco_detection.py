"""The dataset of most configs."""

dataset_type = "CocoDataset"
data_root = "data/coco/"
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", img_scale=(1333, 800), keep_ratio=True),
    dict(type="RandomFlip", flip_ratio=0.5),
    dict(type="Pad", size_divisor=32),
    dict(type="DefaultFormatBundle"),
    dict(type="Collect", keys=["img", "gt_bboxes", "gt_labels"]),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(
        type="MultiScaleFlipAug",
        img_scale=(1333, 800),
        flip=False,
        transforms=[dict(type="Resize", keep_ratio=True), dict(type="ImageToTensor", keys=["img"]), dict(type="Collect", keys=["img"])],
    ),
]
data = dict(
    samples_per_gpu=2,
    workers_per_gpu=2,
    train=dict(type=dataset_type, ann_file=data_root + "train.json", img_prefix=data_root + "train/", pipeline=train_pipeline),
    val=dict(type=dataset_type, ann_file=data_root + "val.json", img_prefix=data_root + "val/", pipeline=test_pipeline),
    test=dict(type=dataset_type, ann_file=data_root + "val.json", img_prefix=data_root + "val/", pipeline=test_pipeline),
)
evaluation = dict(interval=1, metric="bbox")
