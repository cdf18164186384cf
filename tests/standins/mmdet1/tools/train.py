"""Stands in for tools/train.py of MMDetection 1.x."""

import os

from flags import train_parser
from mmdet import NUMBERS
from mmdet.datasets import DATASETS
from mmdet.models import build_detector
from programs import train


def main():
    args = train_parser(NUMBERS).parse_args()
    if "LOCAL_RANK" not in os.environ:
        os.environ["LOCAL_RANK"] = str(args.local_rank)
    if args.launcher == "none" and args.validate and NUMBERS < (1, 1):
        raise NotImplementedError("Built-in validation is not implemented yet in not-distributed training.")
    scaled = (lambda cfg, gpus, batch: gpus / 8) if args.autoscale_lr else None
    train(
        args, args.work_dir, args.resume_from, args.validate, scaled, build_detector, lambda data: DATASETS.get(data["type"]).CLASSES, 1
    )


if __name__ == "__main__":
    main()
