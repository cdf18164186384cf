"""Stands in for tools/test.py of MMDetection 1.x."""

import os

from flags import options_of, test_parser
from mmdet import NUMBERS
from mmdet.datasets import DATASETS
from programs import test


def main():
    args = test_parser(NUMBERS).parse_args()
    if "LOCAL_RANK" not in os.environ:
        os.environ["LOCAL_RANK"] = str(args.local_rank)
    if args.out and not args.out.endswith((".pkl", ".pickle")):
        raise ValueError("The output file must be a pkl file.")
    test(args, lambda data: DATASETS.get(data["type"]).CLASSES, options_of(args), NUMBERS < (1, 1), False)


if __name__ == "__main__":
    main()
