_base_ = "../faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
data = dict(
    train=dict(
        _delete_=True,
        type="RepeatDataset",
        times=3,
        dataset=dict(
            type="VOCDataset",
            ann_file=["data/VOC2007/train.txt", "data/VOC2012/train.txt"],
            img_prefix=["data/VOC2007/", "data/VOC2012/"],
            pipeline=[dict(type="LoadImageFromFile"), dict(type="LoadAnnotations", with_bbox=True)],
        ),
    )
)
