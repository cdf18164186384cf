_base_ = "../mask_rcnn/mask_rcnn_r50_fpn_1x_coco.py"
data = dict(
    train=dict(
        _delete_=True,
        type="RepeatDataset",
        times=8,
        dataset=dict(
            type="CityscapesDataset",
            ann_file="data/cityscapes/train.json",
            img_prefix="data/cityscapes/train/",
            pipeline=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_mask=True)],
        ),
    ),
    val=dict(type="CityscapesDataset"),
    test=dict(type="CityscapesDataset"),
)
load_from = "https://models.example/mask_rcnn_r50.pth"
