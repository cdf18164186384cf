"""Writes exports as VoTT does: one file of annotations, its images beside it; a folder for each split."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.placing import Folders, place_new


@dataclass(frozen=True, slots=True)
class Form:
    """An annotation file: its path, and what stands before, between and behind what images make of it."""

    file: str
    start: bytes
    between: bytes
    end: bytes = b""


def write_exports(
    dataset: Dataset, destination: Path, form: Form, encode: Callable[[ImageRecord], tuple[bytes, int]], audience: Audience, effort: Effort
) -> int:
    """Write every image and its part of the annotation file, where it has one; how many losses encode has counted."""
    home = form.file.rpartition("/")[0]

    def work(records: Iterator[ImageRecord], _: Ledger) -> tuple[dict[str | None, list[bytes]], int]:
        parts: dict[str | None, list[bytes]] = {}
        losses = 0
        folders = Folders()
        for record in records:
            if record.path is not None:
                target = f"{_folder(destination, record.split)}/{home}/{record.name}"
                place_new(record, target, folders)
            part, lost = encode(record)
            losses += lost
            parts.setdefault(record.split, []).append(part)
        return parts, losses

    with ExitStack() as stack:

        def open_file(split: str | None) -> IO[bytes]:
            target = Path(_folder(destination, split)) / form.file
            target.parent.mkdir(parents=True, exist_ok=True)
            out = stack.enter_context(target.open("xb"))
            out.write(form.start)
            return out

        files = {split: open_file(split) for split in dataset.splits or (None,)}
        begun: set[str | None] = set()
        losses = 0
        for parts, lost in audience.results(dataset, work, effort, phase="writing vott"):
            losses += lost
            for split, pieces in parts.items():
                if split not in files:
                    files[split] = open_file(split)
                text = form.between.join(filter(None, pieces))
                if text:
                    files[split].write(form.between + text if split in begun else text)
                    begun.add(split)
        for out in files.values():
            out.write(form.end)
    return losses


def _folder(destination: Path, split: str | None) -> str:
    return f"{destination}/{split}" if split else str(destination)
