"""Which files of a folder are TFRecords, of which split, and which label map is theirs.

Names: train.record, train.record-00000-of-00010 (all ten must be there), and one car_1.tfrecord for each image beside
tf_label_map.pbtxt as VoTT 2 exports them (app/providers/export/tensorFlowRecords). Each may be compressed with gzip as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder, suffix
from recipes.splitting.split_names import split_in
from recipes.streams.file_names import FileNames

SUFFIX = re.compile(r"\.(tfrecords?|records?|tfrec)(\.gz|-\d+-of-\d+(\.gz)?)?", re.IGNORECASE)
SHARD = re.compile(r"(?P<group>.+)-(?P<number>\d{3,6})-of-(?P<count>\d{3,6})(\.gz)?")
ITEM = b"item"
LARGEST_PBTXT = 1024**2
VOTT_LABEL_MAP = "tf_label_map.pbtxt"


def record_files(folder: Folder) -> Sequence[str]:
    """The names of all TFRecord files, by their suffixes."""
    if not any(_may_be_records(ending) for ending in folder.suffixes):
        return ()
    return FileNames(name for name in folder.files if _is_record_file(name))


def _may_be_records(ending: str) -> bool:
    return ending in ("", ".gz") or SUFFIX.fullmatch(ending) is not None


def _is_record_file(name: str) -> bool:
    ending = suffix(name)
    if ending == ".gz":
        return _is_record_file(name[:-3])
    return SUFFIX.fullmatch(ending) is not None or (not ending and SHARD.fullmatch(name) is not None)


def split_of(name: str, *, single: bool) -> str | None:
    """train of train.record, coco_train.record-00000-of-00100 and train/1.tfrecord. single: a file is one image, its name no split's."""
    path = PurePosixPath(name)
    words = [*([] if single else re.split(r"[^a-zA-Z]+", path.name.partition(".")[0])), *reversed(path.parts[:-1])]
    return split_in(words)


def require_all_shards(names: Sequence[str], defects: Defects) -> None:
    """A defect for each set of shards that lacks some."""
    there: dict[tuple[str, int], set[int]] = {}
    for name in names:
        if match := SHARD.fullmatch(name):
            there.setdefault((match["group"], int(match["count"])), set()).add(int(match["number"]))
    for (group, count), numbers in there.items():
        if len(numbers) < count:
            first = next(number for number in range(count) if number not in numbers)
            defects.add(f"{count - len(numbers):,} of {count:,} shards are missing, the first of them number {first}.", Where(group))


def label_map_name(folder: Folder, asked: str | None) -> str | None:
    """The label map of a folder: the one that was asked for, else the only one there is (several must be the same).

    FormatError where there is not the one that was asked for, or where several differ.
    """
    names = [name for name in folder.with_suffix(".pbtxt") if ITEM in _content(folder, name)]
    if asked is not None:
        found = [name for name in names if name == asked or name.endswith(f"/{asked}")]
        if len(found) != 1:
            raise FormatError("There is no such label map." if not found else "Several label maps have this name.", where=Where(asked))
        return found[0]
    if not names:
        return None
    if any(_content(folder, name) != _content(folder, names[0]) for name in names[1:]):
        raise FormatError(
            f"There are several label maps, and they differ: {', '.join(names[:3])}.",
            remedy="Say which with label_map=NAME, or send only one.",
        )
    return names[0]


def _content(folder: Folder, name: str) -> bytes:
    with folder.path(name).open("rb") as file:
        return file.read(LARGEST_PBTXT)
