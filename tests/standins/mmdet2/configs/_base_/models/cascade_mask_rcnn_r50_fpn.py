"""Three stages and masks, and a head for stuff."""

model = dict(
    type="CascadeRCNN",
    pretrained="torchvision://resnet50",
    backbone=dict(type="ResNet", depth=50, num_stages=4, out_indices=(0, 1, 2, 3)),
    neck=dict(type="FPN", in_channels=[256, 512, 1024, 2048], out_channels=256, num_outs=5),
    rpn_head=dict(type="RPNHead", in_channels=256),
    roi_head=dict(
        type="CascadeRoIHead",
        num_stages=3,
        stage_loss_weights=[1, 0.5, 0.25],
        bbox_head=[dict(type="Shared2FCBBoxHead", num_classes=80) for _ in range(3)],
        mask_head=dict(type="FCNMaskHead", num_classes=80),
        semantic_head=dict(type="FusedSemanticHead", num_classes=183),
    ),
)
