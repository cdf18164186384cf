"""Files that messages share: those that can become datasets and what people call the dataset, and those that a command is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from recipes.arriving.archive import can_be_a_dataset
from recipes.arriving.archive_members import SUFFIXES, without_suffix

_ADDED = re.compile(r"\bdata\s+add\s+(?P<name>\S+)", re.IGNORECASE)
_NAMED = re.compile(r"\bas\s+(?P<name>\S+)\s*$", re.IGNORECASE)
_FORMAT = re.compile(r"(?:--|[\u2012-\u2015\u2212]|\b)format[=\s]+(?P<name>[a-z0-9_-]+)", re.IGNORECASE)
_FILE_ID = re.compile(r"[A-Z0-9]{2,32}")


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that lies with Slack."""

    id: str
    name: str
    size_bytes: int
    url: str


def shared_files(message: Mapping[str, Any]) -> list[SharedFile]:
    """The files of a message that can become datasets: archives, and single files that hold annotations or a video."""
    return [file for file in attached_files(message) if can_be_a_dataset(file.name)]


def attached_files(message: Mapping[str, Any]) -> list[SharedFile]:
    """Every file of a message that lies with Slack."""
    files = message.get("files")
    found = (_shared_file(file) for file in files if isinstance(file, dict)) if isinstance(files, list) else ()
    return [file for file in found if file is not None]


def is_asked_for(said: str, file_name: str) -> bool:
    """Whether a file is to become a dataset without more being said: an archive is, a single file only after ``data add NAME``."""
    return file_name.lower().endswith(SUFFIXES) or _ADDED.search(said) is not None


def dataset_name(said: str, file_name: str) -> str:
    """What the message names (``data add NAME``, ``as NAME``), else a name made from the file's; perhaps no valid one."""
    named = _ADDED.search(said) or _NAMED.search(said)
    if named:
        return named["name"].strip("`*_.,").lower()
    stem = without_suffix(file_name.lower())
    stem = stem if stem != file_name.lower() else stem.rpartition(".")[0]
    return re.sub(r"[^a-z0-9_-]+", "-", stem).strip("-_")[:63] or "dataset"


def format_name(said: str) -> str | None:
    """The format that a ``data add`` names (``--format coco``)."""
    named = _FORMAT.search(said) if _ADDED.search(said) else None
    return named["name"].lower() if named else None


def _shared_file(file: Mapping[str, Any]) -> SharedFile | None:
    file_id, name, size = file.get("id"), file.get("name"), file.get("size")
    url = file.get("url_private_download") or file.get("url_private")
    if not (isinstance(file_id, str) and _FILE_ID.fullmatch(file_id) and isinstance(name, str)):
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0 or file.get("is_external"):
        return None
    return SharedFile(file_id, name, size, url if isinstance(url, str) else "")
