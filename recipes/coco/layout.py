"""Which files of a folder are COCO annotations, and of which split."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from recipes.folder import Folder
from recipes.splitting.split_names import split_in

SNIFFED_BYTES = 65_536
UNSPLIT = "instances"
SECTION = re.compile(rb'"(images|annotations|categories)"\s*:')


@dataclass(frozen=True, slots=True)
class AnnotationFile:
    """An annotation file by its relative name, with the split that its name or folder tells."""

    name: str
    split: str | None


def annotation_files(folder: Folder) -> tuple[AnnotationFile, ...]:
    """COCO's annotation files; where some are called instances…, the others (keypoints, captions) are left alone."""
    names = [name for name in folder.with_suffix(".json") if _looks_like_coco(folder.path(name))]
    instances = [name for name in names if PurePosixPath(name).name.startswith("instances")]
    found = {name: _split(name, alone=len(instances or names) == 1) for name in instances or names}
    return tuple(AnnotationFile(name, _own_split(name, found)) for name in found)


def _own_split(name: str, found: Mapping[str, str | None]) -> str | None:
    """instances_train_extra.json beside instances_train.json is a split of its own; alone it is train."""
    folder, _, last = name.rpartition("/")
    beside = [other for other in found if other != name and other.rpartition("/")[0] == folder and found[other] == found[name]]
    called = last.rpartition(".")[0].removeprefix("instances_")
    return called if beside and split_in([called.rstrip("0123456789_-")]) is None else found[name]


def _looks_like_coco(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(SNIFFED_BYTES)
        file.seek(0, os.SEEK_END)
        file.seek(max(len(head), file.tell() - SNIFFED_BYTES))
        sections = set(SECTION.findall(head + file.read()))
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{") and b"images" in sections and len(sections) > 1


def _split(name: str, *, alone: bool) -> str | None:
    """train of instances_train2017.json, of train.json and of train/_annotations.coco.json; None of instances.json."""
    path = PurePosixPath(name)
    words = re.split(r"[^a-zA-Z]+", path.stem) + list(reversed(path.parts[:-1]))
    return split_in(words) or (None if alone or path.stem == UNSPLIT else path.stem.removeprefix(f"{UNSPLIT}_"))
