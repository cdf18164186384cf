"""Pictures and videos that somebody gives to a prediction: known by their content, kept in the catalog, under safe names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from recipes.catalog.keeping import keep
from recipes.errors import Defects, FormatError, Where
from recipes.pictures.image_header import is_whole, read_size
from runner.errors import RequestError
from runner.service.house import House
from runner.specs import GivenFile

MOST_FILES = 200
PICTURES = {".jpg": (".jpg", ".jpeg"), ".png": (".png",), ".bmp": (".bmp",), ".tif": (".tif", ".tiff"), ".webp": (".webp",)}
VIDEOS = {".mp4": (".mp4", ".m4v", ".mov"), ".avi": (".avi",), ".mkv": (".mkv", ".webm")}
"""Endings by the one that tells what a file is; frameworks go by these."""
_STARTS = (
    (0, b"\xff\xd8\xff", ".jpg"), (0, b"\x89PNG\r\n\x1a\n", ".png"), (0, b"BM", ".bmp"), (0, b"II*\0", ".tif"), (0, b"MM\0*", ".tif"),
    (8, b"WEBP", ".webp"), (8, b"AVI ", ".avi"), (0, b"\x1aE\xdf\xa3", ".mkv"), (4, b"ftyp", ".mp4"),
)
_PICTURES_IN_BOXES = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")
"""Brands of ISO files that hold a picture, which OpenCV does not read (ISO/IEC 23008-12)."""
_HEAD_BYTES = 16
_UNSAFE = re.compile(r"[^\w.-]+")
_LONGEST_STEM = 60


def keep_files(house: House, files: Sequence[Path]) -> tuple[GivenFile, ...]:
    """Keep pictures, or one video, under names that every framework takes. This reads and copies them: not inside a transaction.

    FormatError names every file that is neither; RequestError where they are too many or too large together.
    """
    if len(files) > MOST_FILES:
        raise RequestError(f"These are {len(files)} files; at most {MOST_FILES} are taken at once. `data add` makes a dataset of more.")
    defects = Defects()
    endings = [_judged(path, defects) for path in files]
    defects.raise_if_any("What was given", remedy=f"Give pictures ({', '.join(PICTURES)}) or a video ({', '.join(VIDEOS)}).")
    if sum(ending in VIDEOS for ending in endings) > 1:
        raise RequestError("These are several videos; give one at a time.")
    size_bytes, most = sum(path.stat().st_size for path in files), house.settings.limits.upload_bytes
    if size_bytes > most:
        raise RequestError(f"The files have {size_bytes:,} bytes; at most {most:,} are taken (limits.upload_bytes in the settings).")
    names: list[str] = []
    for path, ending in zip(files, endings, strict=True):
        names.append(_safe_name(path.name, ending, names))
    return tuple(GivenFile(name=name, digest=file.digest) for name, file in zip(names, keep(house.catalog, files), strict=True))


def _judged(path: Path, defects: Defects) -> str:
    """The ending that tells what a file is by its content; empty, and a defect, where it is neither picture nor video."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        ending = _ending(head)
        if ending in PICTURES:
            read_size(path, name=path.name)
            if not is_whole(path):
                defects.add("The picture is cut off; send it again.", Where(path.name))
        elif not ending:
            defects.add("This is neither a picture nor a video that can be read.", Where(path.name))
    except FormatError as error:
        defects.add_error(error)
    except OSError as error:
        defects.add(f"The file cannot be read: {error.strerror}.", Where(path.name))
    else:
        return ending
    return ""


def _ending(head: bytes) -> str:
    if head[4:8] == b"ftyp" and head[8:12] in _PICTURES_IN_BOXES:
        return ""
    return next((ending for at, start, ending in _STARTS if head[at : at + len(start)] == start), "")


def _safe_name(name: str, ending: str, taken: Sequence[str]) -> str:
    """Letters, digits, ``.``, ``-`` and ``_``; with an ending that fits the content; once each."""
    stem, dot, suffix = name.rpartition(".")
    fits = bool(stem) and dot + suffix.lower() in (PICTURES | VIDEOS)[ending]
    plain = _UNSAFE.sub("_", stem if fits else name).lstrip(".-")[:_LONGEST_STEM] or "file"
    last = dot + suffix.lower() if fits else ending
    numbered = (f"{plain}{'' if number == 1 else f'-{number}'}{last}" for number in range(1, len(taken) + 2))
    return next(candidate for candidate in numbered if candidate not in taken)
