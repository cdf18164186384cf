"""Stands in for tools/train.py of MMDetection 2.x."""

import os

from flags import train_parser
from mmdet import NUMBERS
from mmdet.datasets import classes_of
from mmdet.models import build_detector
from programs import train


def scale(args):
    """The framework's own scaling of the learning rate: by GPUs over 8 up to 2.2, by images a step since 2.24.1."""
    if getattr(args, "autoscale_lr", False):
        return lambda cfg, gpus, batch: gpus / 8
    if getattr(args, "auto_scale_lr", False):
        return lambda cfg, gpus, batch: gpus * batch / cfg.auto_scale_lr["base_batch_size"]
    return None


def main():
    args = train_parser(NUMBERS).parse_args()
    if "LOCAL_RANK" not in os.environ:
        os.environ["LOCAL_RANK"] = str(args.local_rank)
    if args.options and getattr(args, "cfg_options", None):
        raise ValueError("--options and --cfg-options cannot be both specified, --options is deprecated in favor of --cfg-options")
    validate = args.validate if NUMBERS < (2, 1) else not args.no_validate
    train(args, args.work_dir, args.resume_from, validate, scale(args), build_detector, classes_of, 0)


if __name__ == "__main__":
    main()
