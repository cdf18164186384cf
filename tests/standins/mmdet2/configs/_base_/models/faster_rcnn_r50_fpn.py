"""Two stages."""

model = dict(
    type="FasterRCNN",
    pretrained="torchvision://resnet50",
    backbone=dict(type="ResNet", depth=50, num_stages=4, out_indices=(0, 1, 2, 3)),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(type="RPNHead", in_channels=256),
    roi_head=dict(type="StandardRoIHead", bbox_head=dict(type="Shared2FCBBoxHead", num_classes=80)),
)
train_cfg = dict(rpn=dict(pos_weight=-1), rcnn=dict(pos_weight=-1))
test_cfg = dict(rcnn=dict(score_thr=0.05, max_per_img=100))
