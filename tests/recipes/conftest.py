"""Datasets for the tests: drawn on the spot, small, always the same."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from recipes.dataset import Annotation, Dataset, ImageRecord
from recipes.ledger import Ledger

CHUNK = 2
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Row:
    """One row of a VATIC dump."""

    track: int
    frame: int
    box: Box = (10, 12, 40, 30)
    lost: int = 0
    occluded: int = 0
    generated: int = 0
    label: str = "fish"
    attributes: tuple[str, ...] = ()

    def __str__(self) -> str:
        numbers = (self.track, *self.box, self.frame, self.lost, self.occluded, self.generated)
        texts = (self.label, *self.attributes)
        return " ".join([*map(str, numbers), *(f'"{text}"' for text in texts)])


def draw(path: Path, *, shade: int = 0, size: tuple[int, int] = (64, 48)) -> None:
    """A small JPEG (or PNG, by its suffix); another shade is another content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade % 256, shade // 256 % 256, 90)).save(path)


@pytest.fixture(name="draw")
def draw_fixture() -> Callable[..., None]:
    return draw


@pytest.fixture(name="row")
def row_fixture() -> type[Row]:
    return Row


VaticFolder = Callable[..., Path]


@pytest.fixture
def vatic_folder(tmp_path: Path) -> VaticFolder:
    """Writes a folder with fish.txt and its frames; image names from a pattern, frames from first."""

    def write(
        rows: Sequence[Row | str] = (),
        *,
        frames: int = 3,
        first: int = 0,
        pattern: str = "frames/{}.jpg",
        root: Path | None = None,
        name: str = "fish.txt",
    ) -> Path:
        root = root or tmp_path / "source"
        root.mkdir(parents=True, exist_ok=True)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
        for frame in range(first, first + frames):
            draw(root / pattern.format(frame), shade=frame)
        return root

    return write


@pytest.fixture
def video(vatic_folder: VaticFolder) -> Path:
    """A video of 100 frames: six tracks of two classes, some boxes lost or occluded, one frame in ten without a box."""
    rows = [
        Row(
            track,
            frame,
            box=(frame % 20, track * 4, frame % 20 + 12 + track, track * 4 + 9),
            lost=int(frame % 17 == 16),
            occluded=int(frame % 11 == 10),
            generated=int(frame % 5 > 0),
            label=("fish", "traffic light")[track % 2],
            attributes=("swims fast",) if track == 3 else (),
        )
        for track in range(6)
        for frame in range(track * 16, track * 16 + 18)
        if frame < 100 and frame % 10
    ]
    return vatic_folder(rows, frames=100)


@pytest.fixture
def packed(tmp_path: Path) -> Callable[[Path], Path]:
    """Packs a folder into a zip beside it."""

    def pack(folder: Path) -> Path:
        target = tmp_path / f"{folder.name}.zip"
        with zipfile.ZipFile(target, "w") as archive:
            for path in sorted(folder.rglob("*")):
                archive.write(path, path.relative_to(folder))
        return target

    return pack


@pytest.fixture
def dataset_of() -> Callable[..., Dataset]:
    """A dataset of given records."""

    def make(records: Sequence[ImageRecord], *, classes: Sequence[str] = ("fish", "shark")) -> Dataset:
        def draw(chunk: int, _: Ledger) -> Iterator[ImageRecord]:
            yield from records[chunk * CHUNK : (chunk + 1) * CHUNK]

        splits = tuple(dict.fromkeys(record.split for record in records if record.split))
        return Dataset(tuple(classes), draw, -(-len(records) // CHUNK), len(records), splits)

    return make


@pytest.fixture
def frame_of() -> Callable[..., ImageRecord]:
    """A frame of a video with one box per track."""

    def make(video: str, frame: int, tracks: Sequence[int] = ()) -> ImageRecord:
        boxes = tuple(Annotation("fish", 1, 1, 5, 5, track=track, origin=frame) for track in tracks)
        return ImageRecord(f"{video}/{frame}.jpg", None, 64, 48, boxes, video=video, frame=frame)

    return make


@pytest.fixture
def nothing_left() -> Callable[[Path], None]:
    """Fails where a folder holds anything half-made."""

    def check(folder: Path) -> None:
        leftovers = [path.name for path in folder.iterdir() if path.name.startswith(".")]
        assert leftovers == []

    return check
