"""Names that come from outside: of files inside a dataset, and of datasets."""

from __future__ import annotations

import re

DATASET_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
UNPRINTABLE = re.compile(r"[\x00-\x1f\ud800-\udfff]")
SHORT = 63  # so many characters take at most 255 bytes
DRIVE = re.compile(r"[A-Za-z]:")


def unsafe_path(name: str) -> str:
    """Why a relative path from a file or archive must not be used, or nothing where it may be."""
    parts = name.replace("\\", "/").split("/")
    if not name or "\0" in name:
        return "the name is empty or holds a zero byte"
    if name.startswith(("/", "\\")) or DRIVE.match(name):
        return "the path is absolute"
    if ".." in parts:
        return "the path leads out of its folder"
    if len(name) > SHORT and (len(name) > 1024 or any(len(part.encode(errors="surrogateescape")) > 255 for part in parts)):
        return "the path is too long"
    if UNPRINTABLE.search(name):
        return "the name holds control characters or is not UTF-8"
    return ""


def is_dataset_name(name: str) -> bool:
    """Whether a name can be given to a dataset: lower-case letters, digits, dash and underscore, at most 63."""
    return DATASET_NAME.fullmatch(name) is not None
