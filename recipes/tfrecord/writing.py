"""Writes TFRecord files: the bytes of every image as they are, its boxes as shares of its sides, in shards.

The files do not depend on how many processes wrote them: each chunk is appended in its turn, and a shard ends with a chunk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.tfrecord import label_map
from recipes.tfrecord.building import built
from recipes.tfrecord.framing import framed

SHARD_BYTES = 200 * 1000**2
WITHOUT_SPLIT = "dataset"


@dataclass(slots=True)
class _Shards:
    """The files of the splits as they grow, under passing names. numbers: the shard that each split is at; done: chunks."""

    destination: Path
    numbers: dict[str, int]
    chunks: int
    wanted: int | None
    done: int = 0

    def path(self, split: str) -> str:
        """The shard that the records of a split go to now."""
        return f"{self.destination}/{split}.{self.numbers.setdefault(split, 0)}.partial"

    def add(self, parts: dict[str, str]) -> None:
        """Append what a chunk gave, a file for each split, unless it went where it belongs; go on to new shards where it is time."""
        for split, part in parts.items():
            if part != self.path(split):
                _append(part, self.path(split))
        self.done += 1
        for split in self.numbers:
            self.numbers[split] += self._is_full(self.path(split))

    def _is_full(self, path: str) -> bool:
        if not os.path.exists(path):  # noqa: PTH110
            return False
        if self.wanted is None:
            return os.path.getsize(path) >= SHARD_BYTES  # noqa: PTH202
        return self.done * self.wanted // self.chunks > (self.done - 1) * self.wanted // self.chunks

    def publish(self) -> dict[str, int]:
        """Give all shards their names: how many each split has. One without an image has an empty file, as TensorFlow leaves it."""
        counts = {}
        for split, number in self.numbers.items():
            count = counts[split] = max(1, number + os.path.exists(self.path(split)))  # noqa: PTH110
            for shard in range(count):
                source = self.destination / f"{split}.{shard}.partial"
                source.touch()
                source.rename(self.destination / f"{split}.record{f'-{shard:05d}-of-{count:05d}' if count > 1 else ''}")
        return counts


def write(dataset: Dataset, destination: Path, audience: Audience, effort: Effort, *, shards: int | None) -> None:
    """Draw a dataset into files; FormatError names every image and box that TensorFlow would stop at."""
    ids = {label: number for number, label in enumerate(dataset.classes, start=1)}
    files = _Shards(destination, dict.fromkeys(dataset.splits, 0), dataset.chunks, shards)
    alone = effort.processes < 2

    def work(records: Iterator[ImageRecord], _: Ledger) -> tuple[dict[str, str], Defects]:
        return _write_chunk(records, ids, files.path if alone else lambda _: f"{destination}/{uuid4().hex}.partial")

    all_defects = Defects()
    for parts, defects in audience.results(dataset, work, effort, phase="writing records"):
        files.add(parts)
        all_defects.merge(defects)
    all_defects.raise_if_any("What would be written")
    few = [split for split, count in files.publish().items() if shards is not None and count < shards]
    if few:
        audience.ledger.note(f"{', '.join(few)}: too few images for {shards:,} shards, so there are fewer.")
    (destination / label_map.FILE_NAME).write_text(label_map.text(dataset.classes), encoding="utf-8")


def _write_chunk(records: Iterator[ImageRecord], ids: dict[str, int], place: Callable[[str], str]) -> tuple[dict[str, str], Defects]:
    """Append the records of a chunk to a file for each split, which place names."""
    parts: dict[str, str] = {}
    defects = Defects()
    with ExitStack() as stack:
        files: dict[str, int] = {}
        for record in records:
            try:
                pieces = framed(built(record, ids))
            except FormatError as error:
                defects.add_error(error)
                continue
            split = record.split or WITHOUT_SPLIT
            if split not in files:
                parts[split] = place(split)
                files[split] = os.open(parts[split], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
                stack.callback(os.close, files[split])
            _write_all(files[split], pieces)
    return parts, defects


def _write_all(handle: int, pieces: Sequence[bytes]) -> None:
    """Write pieces one after the other, images without another copy of their bytes."""
    written = os.writev(handle, pieces)
    if written < sum(map(len, pieces)):  # the disk is about to be full
        rest = b"".join(pieces)[written:]
        while rest:
            rest = rest[os.write(handle, rest) :]


def _append(part: str, target: str) -> None:
    """Move the content of a file to the end of another one, which may not be there yet."""
    if not os.path.exists(target):  # noqa: PTH110
        os.rename(part, target)  # noqa: PTH104
        return
    with open(part, "rb") as source, open(target, "ab") as out:  # noqa: PTH123
        shutil.copyfileobj(source, out, 1 << 20)
    os.unlink(part)  # noqa: PTH108
