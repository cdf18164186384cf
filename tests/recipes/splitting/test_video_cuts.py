from __future__ import annotations

import itertools
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.splitting.video_cuts import Timeline, plan_video

SHARES = {"train": 0.8, "val": 0.2}


def timeline(frames: list[int], spans: dict[int, tuple[int, int]]) -> Timeline:
    return Timeline(array("q", frames), spans)


@settings(max_examples=200, deadline=None)
@given(
    frames=st.sets(st.integers(0, 400), min_size=2, max_size=120),
    tracks=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 80)), max_size=8),
    gap=st.integers(1, 30),
    val=st.sampled_from([0.1, 0.2, 0.5]),
    test=st.sampled_from([0.0, 0.15]),
    seed=st.integers(0, 5),
)
def test_blocks_keep_their_distance_and_name_every_track_they_cut(
    frames: set[int], tracks: list[tuple[int, int]], gap: int, val: float, test: float, seed: int
) -> None:
    ordered = sorted(frames)
    seen = {t: [f for f in ordered if a <= f <= a + n] for t, (a, n) in enumerate(tracks)}
    spans = {t: (at[0], at[-1]) for t, at in seen.items() if at}
    shares = {k: v for k, v in {"train": 1 - val - test, "val": val, "test": test}.items() if v}
    plan = plan_video(timeline(ordered, spans), shares=shares, gap=gap, tolerance=0.1, whole_tracks=False, seed=str(seed))
    if plan is None:
        return
    split_of = {f: split for first, last, split in plan.blocks for f in ordered if first <= f <= last}
    assert set(split_of.values()) == set(shares)
    kept = sorted(split_of)
    for one, other in itertools.pairwise(kept):  # neighbours suffice: all others are further apart
        assert split_of[one] == split_of[other] or other - one >= gap
    cut = {t for t, at in seen.items() if len({split_of[f] for f in at if f in split_of}) > 1}
    assert cut <= set(plan.cut_tracks)
    for t in plan.cut_tracks:
        assert t in spans


@settings(max_examples=100, deadline=None)
@given(tracks=st.lists(st.tuples(st.integers(0, 99), st.integers(0, 30)), max_size=10), gap=st.integers(1, 10))
def test_whole_tracks_are_never_cut(tracks: list[tuple[int, int]], gap: int) -> None:
    spans = {t: (a, min(99, a + n)) for t, (a, n) in enumerate(tracks)}
    plan = plan_video(timeline(list(range(100)), spans), shares=SHARES, gap=gap, tolerance=0.1, whole_tracks=True, seed="")
    assert plan is None or plan.cut_tracks == ()


@pytest.mark.parametrize("seed", range(4))
def test_takes_the_cut_point_where_there_is_one(seed: int) -> None:
    """Two long tracks that meet off the wanted share, but within the tolerance: the seam goes between them."""
    for end in (17, 23, 77, 83):
        spans = {1: (0, end), 2: (end + 1, 99)}
        plan = plan_video(timeline(list(range(100)), spans), shares=SHARES, gap=1, tolerance=0.08, whole_tracks=False, seed=str(seed))
        assert plan is not None
        near = (end < 50) == (plan.blocks[0][2] == "val")
        assert (plan.cut_tracks == ()) is near
        if near:
            assert plan.blocks[0][1] == end


def test_sparse_frames_need_no_gap() -> None:
    plan = plan_video(timeline(list(range(0, 1500, 15)), {}), shares=SHARES, gap=10, tolerance=0.05, whole_tracks=False, seed="")
    assert plan is not None
    assert sum((last - first) // 15 + 1 for first, last, _ in plan.blocks) == 100
