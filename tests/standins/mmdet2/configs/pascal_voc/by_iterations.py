_base_ = "../faster_rcnn/faster_rcnn_r50_fpn_1x_coco.py"
runner = dict(_delete_=True, type="IterBasedRunner", max_iters=9000)
