"""Stands in for tqdm: a bar that is drawn anew on the same line."""

import sys


def tqdm(items):
    for done, item in enumerate(items):
        sys.stderr.write("\r {:3d}%|# | {}/{} [00:00<00:00, 9.99it/s]".format(100 * done // len(items), done, len(items)))
        yield item
    sys.stderr.write("\n")
