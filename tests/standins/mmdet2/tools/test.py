"""Stands in for tools/test.py of MMDetection 2.x."""

import os

from flags import options_of, test_parser
from mmdet import NUMBERS
from mmdet.datasets import classes_of
from programs import test


def main():
    args = test_parser(NUMBERS).parse_args()
    if "LOCAL_RANK" not in os.environ:
        os.environ["LOCAL_RANK"] = str(args.local_rank)
    assert args.out or args.eval or args.format_only or args.show or args.show_dir, "Please specify at least one operation"
    if args.eval and args.format_only:
        raise ValueError("--eval and --format_only cannot be both specified")
    if args.out and not args.out.endswith((".pkl", ".pickle")):
        raise ValueError("The output file must be a pkl file.")
    test(args, classes_of, options_of(args), False, NUMBERS >= (2, 5))


if __name__ == "__main__":
    main()
