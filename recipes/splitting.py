"""Where to cut videos and whom to give what: the arithmetic behind the split transform, free of images and files."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

Block: TypeAlias = tuple[int, int, str]
"""First frame, last frame (both inside), split."""


@dataclass(slots=True)
class Timeline:
    """What a first pass learns of one video: its frames, and the first and last frame of every track."""

    frames: list[int] = field(default_factory=list)
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)
    images: int = 0

    def see(self, frame: int | None, tracks: Iterable[int]) -> None:
        """Take in one image; frame is None for an image that is no frame of a video."""
        self.images += 1
        if frame is None:
            return
        self.frames.append(frame)
        for track in tracks:
            first, last = self.spans.get(track, (frame, frame))
            self.spans[track] = min(first, frame), max(last, frame)


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """The blocks of one video in the order of time, and the tracks that have boxes in more than one of them."""

    blocks: tuple[Block, ...]
    cut_tracks: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The split of everything: blocks for videos that are cut, one split for each unit that stays whole."""

    blocks: Mapping[str, tuple[Block, ...]]
    whole: Mapping[str, str]
    notes: tuple[str, ...]

    def split_of(self, unit: str, frame: int | None) -> str | None:
        """The split of an image; None for a frame in the gap between two blocks."""
        if unit in self.whole:
            return self.whole[unit]
        if frame is None:
            return None
        return next((split for first, last, split in self.blocks[unit] if first <= frame <= last), None)


def plan_video(
    timeline: Timeline, *, shares: Mapping[str, float], gap: int, tolerance: float, whole_tracks: bool, seed: str
) -> VideoPlan | None:
    """Cut one video into a block per split, in an order drawn from the seed; None where it has to stay whole."""
    frames = sorted(set(timeline.frames))
    order = sorted(shares, key=lambda split: _draw(seed, split))
    bounds = [0.0, *accumulate(shares[split] for split in order)]
    crossing = _crossing_tracks(frames, timeline.spans, gap)
    seams: list[tuple[int, int]] = []
    for share in bounds[1:-1]:
        start = seams[-1][1] if seams else 0
        seam = _best_seam(frames, crossing, wanted=share, start=start, gap=gap, tolerance=tolerance)
        if seam is None or (whole_tracks and crossing[seam[0]]):
            return None
        seams.append(seam)
    firsts = [0, *(right for _, right in seams)]
    lasts = [*(left for left, _ in seams), len(frames) - 1]
    blocks = tuple((frames[a], frames[b], split) for a, b, split in zip(firsts, lasts, order, strict=True))
    cut = {
        track for left, right in seams for track, (first, last) in timeline.spans.items() if first <= frames[left] and last >= frames[right]
    }
    return VideoPlan(blocks, tuple(sorted(cut)))


def _best_seam(
    frames: Sequence[int], crossing: Sequence[int], *, wanted: float, start: int, gap: int, tolerance: float
) -> tuple[int, int] | None:
    """(last position of the left block, first of the right one) with the fewest crossing tracks, near the wanted share.

    The wanted position is measured over the whole video. None where no position leaves a frame on both sides.
    """
    count = len(frames)
    best: tuple[tuple[int, float], int, int] | None = None
    reach = max(1.0, tolerance * count)
    centre = wanted * count
    for left in range(max(start, int(centre - reach) - 1), min(count - 1, int(centre + reach) + 1)):
        right = bisect_left(frames, frames[left] + gap)
        if right >= count:
            break
        middle = (left + right + 1) / 2
        if abs(middle - centre) > reach:
            continue
        rank = (crossing[left], abs(middle - centre))
        if best is None or rank < best[0]:
            best = rank, left, right
    return None if best is None else best[1:]


def _crossing_tracks(frames: Sequence[int], spans: Mapping[int, tuple[int, int]], gap: int) -> list[int]:
    """For each position as the end of a left block: how many tracks have boxes there or before, and after the gap."""
    changes = [0] * (len(frames) + 1)
    for first, last in spans.values():
        begin = bisect_left(frames, first)
        end = bisect_right(frames, last - gap)  # the positions before it have their right block begin within the track
        if begin < end:
            changes[begin] += 1
            changes[end] -= 1
    return list(accumulate(changes))


def deal(sizes: Mapping[str, int], *, shares: Mapping[str, float], seed: str) -> dict[str, str]:
    """Give whole units (with their numbers of images) to splits: each next one, in an order drawn from the seed, to the
    split that lacks most; so every split is within one unit of its share."""
    total = sum(sizes.values())
    lacking = {split: share * total for split, share in shares.items()}
    dealt: dict[str, str] = {}
    for unit in sorted(sizes, key=lambda unit: (-sizes[unit], _draw(seed, unit))):
        split = max(lacking, key=lambda name: lacking[name])
        dealt[unit] = split
        lacking[split] -= sizes[unit]
    return dealt


def _draw(seed: str, name: str) -> bytes:
    """A number for a name that depends on nothing but the seed and the name."""
    return hashlib.blake2b(name.encode(), key=seed.encode()[-64:], digest_size=8).digest()
