from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import ALONE
from recipes.errors import RecipeError
from recipes.ledger import Ledger
from recipes.splitting import Timeline, deal, plan_video
from recipes.transforms.split import Split, apply

SHARES = {"train": 0.8, "val": 0.2}


def timeline(frames: list[int], spans: dict[int, tuple[int, int]]) -> Timeline:
    return Timeline(frames, spans, len(frames))


def split_all(dataset: Dataset, **parameters: object) -> tuple[list[ImageRecord], Ledger]:
    ledger = Ledger()
    return list(apply(dataset, Split(**parameters), ALONE).stream(ledger)), ledger  # type: ignore[arg-type]


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


def test_dealing_keeps_to_the_shares_and_to_the_seed() -> None:
    sizes = {f"unit {number}": 1 for number in range(1000)}
    dealt = deal(sizes, shares=SHARES, seed="1")
    assert list(dealt.values()).count("val") == 200
    assert dealt == deal(dict(reversed(sizes.items())), shares=SHARES, seed="1")
    assert dealt != deal(sizes, shares=SHARES, seed="2")


def test_the_gap_is_accounted_for(dataset_of: Callable[..., Dataset], frame_of: Callable[..., ImageRecord]) -> None:
    dataset = dataset_of([frame_of("v", frame, [frame // 20]) for frame in range(100)])
    images, ledger = split_all(dataset, gap=6)
    reasons = {(entry.unit, entry.reason): entry.count for entry in ledger.left_out}
    assert reasons == {("images", "gap between splits"): 5, ("boxes", "gap between splits"): 5}
    assert len(images) == 95


def test_says_which_tracks_no_seam_could_spare(dataset_of: Callable[..., Dataset], frame_of: Callable[..., ImageRecord]) -> None:
    dataset = dataset_of([frame_of("v", frame, [7]) for frame in range(100)])
    images, ledger = split_all(dataset)
    assert {image.split for image in images} == {"train", "val"}
    assert ledger.notes == ("v: no seam is free of tracks, so 1 are in two splits (track 7).",)
    with pytest.raises(RecipeError, match="would be empty"):
        split_all(dataset, tracks="whole")


def test_videos_are_each_cut_and_order_does_not_matter(dataset_of: Callable[..., Dataset], frame_of: Callable[..., ImageRecord]) -> None:
    records = [frame_of(video, frame) for video in "abcdef" for frame in range(40)]
    images, _ = split_all(dataset_of(records), seed=3)
    again, _ = split_all(dataset_of(records[::-1]), seed=3)
    assert {image.name: image.split for image in images} == {image.name: image.split for image in again}
    sides = defaultdict(set)
    for image in images:
        sides[image.video].add(image.split)
    assert all(splits == {"train", "val"} for splits in sides.values())
    first = {image.video: image.split for image in images if image.frame == 0}
    assert set(first.values()) == {"train", "val"}, "val is not always at the end"


def test_short_videos_and_single_images_stay_whole(dataset_of: Callable[..., Dataset], frame_of: Callable[..., ImageRecord]) -> None:
    short = [frame_of(video, frame) for video in "abcdefghij" for frame in range(3)]
    single = [ImageRecord(f"{number}.jpg", None, 64, 48) for number in range(30)]
    images, ledger = split_all(dataset_of(short + single), gap=10)
    assert len(images) == 60
    assert ledger.left_out == ()
    sides = defaultdict(set)
    for image in images:
        sides[image.video or image.name].add(image.split)
    assert all(len(splits) == 1 for splits in sides.values())
    assert sum(image.split == "val" for image in images) == 12


def test_by_image_and_by_video(dataset_of: Callable[..., Dataset], frame_of: Callable[..., ImageRecord]) -> None:
    records = [frame_of(video, frame) for video in "abcde" for frame in range(20)]
    by_image, _ = split_all(dataset_of(records), by="image", test=0.1)
    assert {split: sum(image.split == split for image in by_image) for split in ("train", "val", "test")} == {
        "train": 70,
        "val": 20,
        "test": 10,
    }
    by_video, _ = split_all(dataset_of(records), by="video")
    assert sum(image.split == "val" for image in by_video) == 20
    assert len({image.video for image in by_video if image.split == "val"}) == 1


@pytest.mark.parametrize(
    "parameters", [{"val": 0.9, "test": 0.2}, {"val": 0, "test": 0}, {"val": 1}, {"gap": 0}, {"by": "x"}, {"vla": 0.1}]
)
def test_refuses_parameters_that_make_no_sense(parameters: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        Split(**parameters)  # type: ignore[arg-type]
