"""What files and folders call the splits of a dataset."""

from __future__ import annotations

from collections.abc import Iterable

SPLITS = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "eval": "val",
    "test": "test", "testing": "test",
    "trainval": "trainval",
}  # fmt: skip
"""Words in lower case, and the split each stands for."""


def split_in(words: Iterable[str]) -> str | None:
    """The split that the first of these words stands for that stands for one; case does not count."""
    return next((SPLITS[word.lower()] for word in words if word.lower() in SPLITS), None)


def in_usual_order(splits: Iterable[str]) -> tuple[str, ...]:
    """train, val, test, trainval, then the others by name."""
    usual = tuple(dict.fromkeys(SPLITS.values()))
    return tuple(sorted(splits, key=lambda name: (usual.index(name) if name in usual else len(usual), name)))
