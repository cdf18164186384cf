model = dict(
    type="FasterRCNN",
    pretrained="modelzoo://resnet50",
    backbone=dict(type="ResNet", depth=50),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(type="RPNHead", in_channels=256),
    bbox_head=dict(type="SharedFCBBoxHead", num_classes=81),
)
train_cfg = dict(rpn=dict(pos_weight=-1), rcnn=dict(pos_weight=-1))
test_cfg = dict(rcnn=dict(score_thr=0.05, max_per_img=100))
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations", with_bbox=True),
    dict(type="Resize", img_scale=(1333, 800), keep_ratio=True),
    dict(type="DefaultFormatBundle"),
    dict(type="Collect", keys=["img", "gt_bboxes", "gt_labels"]),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="MultiScaleFlipAug", img_scale=(1333, 800), transforms=[dict(type="ImageToTensor", keys=["img"])]),
]
data = dict(
    imgs_per_gpu=2,
    workers_per_gpu=2,
    train=dict(type="CocoDataset", ann_file="data/coco/train.json", img_prefix="data/coco/", pipeline=train_pipeline),
    val=dict(type="CocoDataset", ann_file="data/coco/val.json", img_prefix="data/coco/", pipeline=test_pipeline),
    test=dict(type="CocoDataset", ann_file="data/coco/val.json", img_prefix="data/coco/", pipeline=test_pipeline),
)
optimizer = dict(type="SGD", lr=0.02, momentum=0.9, weight_decay=0.0001)
optimizer_config = dict(grad_clip=dict(max_norm=35, norm_type=2))
lr_config = dict(policy="step", warmup="linear", warmup_iters=500, warmup_ratio=1.0 / 3, step=[8, 11])
checkpoint_config = dict(interval=1)
log_config = dict(interval=50, hooks=[dict(type="TextLoggerHook")])
total_epochs = 12
dist_params = dict(backend="nccl")
log_level = "INFO"
work_dir = "./work_dirs/x"
load_from = None
resume_from = None
workflow = [("train", 1)]
