"""Where to cut videos: the arithmetic behind splitting by track and time, free of images and files."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import TypeAlias

from recipes.checks.contents import number_of
from recipes.splitting.dealing import drawn

Block: TypeAlias = tuple[int, int, str]
"""First frame, last frame (both inside), split."""


@dataclass(slots=True)
class Timeline:
    """What a first pass learns of one video: its frames, and the first and last frame of every track."""

    frames: array[int] = field(default_factory=lambda: array("q"))
    spans: dict[int, tuple[int, int]] = field(default_factory=dict)

    def see(self, frame: int, tracks: Iterable[int]) -> None:
        """Take in one frame."""
        self.frames.append(frame)
        for track in tracks:
            self._widen(track, frame, frame)

    def merge(self, other: Timeline) -> None:
        """Take in what another part of the pass has learned of the same video."""
        self.frames += other.frames
        for track, (first, last) in other.spans.items():
            self._widen(track, first, last)

    def _widen(self, track: int, first: int, last: int) -> None:
        known = self.spans.get(track, (first, last))
        self.spans[track] = min(known[0], first), max(known[1], last)


@dataclass(frozen=True, slots=True)
class VideoPlan:
    """The blocks of one video in the order of time, and the tracks that have boxes in more than one of them."""

    blocks: tuple[Block, ...]
    cut_tracks: tuple[int, ...]


def plan_video(
    timeline: Timeline, *, shares: Mapping[str, float], gap: int, tolerance: float, whole_tracks: bool, seed: str
) -> VideoPlan | None:
    """Cut one video into a block per split, in an order drawn from the seed; None where it has to stay whole."""
    frames = sorted(set(timeline.frames))
    order = sorted(shares, key=lambda split: drawn(seed, number_of(split)))
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
