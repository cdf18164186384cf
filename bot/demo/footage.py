"""The demo's footage: fish and crabs that swim and walk over changing sea floors, annotated as ``turkic dump`` writes it.

The frames are one video of several shots. Objects overlap, enter and leave: the annotation holds real lost rows (the object
is outside the view) and real occluded ones (more than a third of it is behind another). The same seed gives the same bytes
with the same Pillow and numpy.
"""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from bot.demo import sea_life

WIDTH, HEIGHT = 320, 240
SHOT_FRAMES = 30
"""Frames between two cuts; every shot has a floor and a cast of its own."""
KEYFRAME_EVERY = 5
"""Rows between keyframes count as generated, as VATIC's interpolation does."""
HIDDEN = 1 / 3
"""An object covered by more than this is occluded."""
IN_VIEW = 0.3
"""An object of which less than this is inside the frame is lost."""
ANNOTATION = "output.txt"
DRAWINGS: Mapping[str, sea_life.Draw] = {"fish": sea_life.fish, "crab": sea_life.crab}

Box = tuple[int, int, int, int]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FootageSummary:
    """What was written: ``rows`` of the annotation, of which ``lost`` and ``occluded`` are flagged."""

    frames: int
    rows: int
    lost: int
    occluded: int


@dataclass(frozen=True, slots=True)
class _Creature:
    """An object of one shot. ``pictures`` are the phases of its movement; speeds in pixels a frame."""

    track: int
    label: str
    pictures: tuple[Image.Image, ...]
    x: float
    y: float
    speed: float
    bob: float
    rhythm: float

    def picture(self, frame: int) -> Image.Image:
        return self.pictures[int(frame * self.rhythm) % len(self.pictures)]

    def corner(self, frame: int) -> tuple[int, int]:
        x = self.x + self.speed * frame
        y = self.y + self.bob * math.sin(frame * 0.21 + self.track)
        return round(x), round(y)


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A creature in one frame: its visible box (None outside the view) and whether another one hides it."""

    box: Box | None
    occluded: bool


def write_footage(destination: Path, *, seed: int = 7, frames: int = 300) -> FootageSummary:
    """Write the frames and the annotation into a folder, or into one zip where the name ends in ``.zip``."""
    if destination.suffix == ".zip":
        with zipfile.ZipFile(destination, "w") as archive:
            return _write(lambda name, data: archive.writestr(_member(name), data), seed=seed, frames=frames)

    def save(name: str, data: bytes) -> None:
        path = destination / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return _write(save, seed=seed, frames=frames)


def _member(name: str) -> zipfile.ZipInfo:
    """Stored with a fixed date, so that the archive's bytes depend on nothing else."""
    member = zipfile.ZipInfo(name, date_time=(2024, 1, 1, 0, 0, 0))
    member.external_attr = 0o644 << 16
    return member


def _write(save: Callable[[str, bytes], None], *, seed: int, frames: int) -> FootageSummary:
    rng = np.random.default_rng(seed)
    rows: list[str] = []
    lost = occluded = tracks = 0
    for start in range(0, frames, SHOT_FRAMES):
        length = min(SHOT_FRAMES, frames - start)
        floor = sea_life.sea_floor((WIDTH + 64, HEIGHT), rng)
        cast = _cast(tracks, rng)
        tracks += len(cast)
        seen: dict[int, Box] = {}
        for frame, (picture, sightings) in enumerate(_shot(floor, cast, length, rng)):
            save(frame_name(start + frame), _jpeg(picture))
            for creature, sighting in zip(cast, sightings, strict=True):
                row = _row(creature, sighting, seen, frame=frame, number=start + frame)
                if row is not None:
                    rows.append(row)
                    lost += sighting.box is None
                    occluded += sighting.box is not None and sighting.occluded
    save(ANNOTATION, "".join(rows).encode())
    return FootageSummary(frames=frames, rows=len(rows), lost=lost, occluded=occluded)


def frame_name(number: int) -> str:
    """Where ``turkic extract`` puts a frame: ``<number / 10000>/<number / 100>/<number>.jpg``."""
    return f"{number // 10_000}/{number // 100}/{number}.jpg"


def _row(creature: _Creature, sighting: _Sighting, seen: dict[int, Box], *, frame: int, number: int) -> str | None:
    """One line of the dump. A lost object keeps its last box; one that was never seen has no row yet."""
    box = sighting.box or seen.get(creature.track)
    if box is None:
        return None
    seen[creature.track] = box
    flags = (sighting.box is None, sighting.occluded, frame % KEYFRAME_EVERY != 0)
    numbers = (creature.track, *box, number, *(int(flag) for flag in flags))
    return f'{" ".join(map(str, numbers))} "{creature.label}"\n'


def _cast(first_track: int, rng: np.random.Generator) -> tuple[_Creature, ...]:
    """Two or three fish and two crabs for one shot, in the order in which they hide each other."""
    labels = ["fish"] * int(rng.integers(2, 4)) + ["crab"] * 2
    rng.shuffle(labels)
    return tuple(_creature(first_track + index, label, rng) for index, label in enumerate(labels))


def _creature(track: int, label: str, rng: np.random.Generator) -> _Creature:
    length = int(rng.integers(52, 104)) if label == "fish" else int(rng.integers(54, 96))
    pose = int(rng.integers(2**31))
    drawing = DRAWINGS[label]
    pictures = tuple(
        drawing(length, phase / sea_life.PHASES, np.random.default_rng(pose)) for phase in range(sea_life.PHASES)
    )
    rightward = bool(rng.integers(2))
    speed = float(rng.uniform(2.5, 6.0) if label == "fish" else rng.uniform(1.0, 3.5))
    high, low = (6, 130) if label == "fish" else (190 - int(length * 0.72), HEIGHT - int(length * 0.72))
    start = float(rng.uniform(-0.3 * length, 0.7 * WIDTH))
    return _Creature(
        track=track,
        label=label,
        pictures=pictures if rightward else tuple(sea_life.mirrored(picture) for picture in pictures),
        x=start if rightward else WIDTH - length - start,
        y=float(rng.uniform(high, low)),
        speed=speed if rightward else -speed,
        bob=float(rng.uniform(4, 12) if label == "fish" else rng.uniform(0, 3)),
        rhythm=float(rng.uniform(0.4, 0.9)),
    )


def _shot(
    floor: Image.Image, cast: tuple[_Creature, ...], length: int, rng: np.random.Generator
) -> Iterator[tuple[Image.Image, tuple[_Sighting, ...]]]:
    """The frames of one shot: the camera drifts over the floor, the light flickers, the cast moves."""
    drift = float(rng.uniform(0.5, 2.0))
    for frame in range(length):
        left = round(drift * frame)
        picture = floor.crop((left, 0, left + WIDTH, HEIGHT))
        masks = []
        for creature in cast:
            masks.append(_paste(picture, creature.picture(frame), creature.corner(frame)))
        flicker = 1 + 0.06 * math.sin(frame * 0.5)
        yield ImageEnhance.Brightness(picture).enhance(flicker), _sightings(cast, masks, frame)


def _paste(picture: Image.Image, creature: Image.Image, corner: tuple[int, int]) -> Mask:
    """Put a creature into the picture; returns which pixels of the picture it covers."""
    picture.paste(creature, corner, mask=creature)
    shape = Image.new("L", picture.size)
    shape.paste(creature.getchannel("A"), corner)
    return np.asarray(shape) > 127


def _sightings(cast: tuple[_Creature, ...], masks: list[Mask], frame: int) -> tuple[_Sighting, ...]:
    """What is seen of every creature, those pasted later being in front."""
    in_front = np.zeros((HEIGHT, WIDTH), dtype=np.bool_)
    sightings: list[_Sighting] = []
    for creature, mask in reversed(list(zip(cast, masks, strict=True))):
        whole = int(np.count_nonzero(np.asarray(creature.picture(frame).getchannel("A")) > 127))
        inside = int(np.count_nonzero(mask))
        hidden = int(np.count_nonzero(mask & in_front))
        if inside < IN_VIEW * whole:
            sightings.append(_Sighting(box=None, occluded=False))
        else:
            sightings.append(_Sighting(box=_box(mask), occluded=hidden > HIDDEN * inside))
        in_front |= mask
    return tuple(reversed(sightings))


def _box(mask: Mask) -> Box:
    """The edges of the pixels covered: the far edge is one past the last pixel."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _jpeg(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=88, subsampling=0)
    return buffer.getvalue()
