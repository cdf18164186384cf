"""Splits a dataset into train, val and test without leaks: by image, by video, or by track and time.

By track and time, each video is cut into one block of consecutive frames per split, and it is promised that
1. no two frames of one video that are nearer than ``gap`` frames are in different splits: the frames at the seam are
   left out, and accounted for;
2. a track has all its boxes in one split, in every video where the seams can be laid so: among the seams within
   ``tolerance`` of the wanted share, the one that the fewest tracks cross is taken, then the one nearest to the wanted
   share. A video that offers no seam without a crossing track is still cut, and the tracks that are cut are counted
   and named; with ``tracks: whole`` it is not cut but given to one split as a whole;
3. the same frames and tracks with the same seed give the same split, in whatever order videos and images come.

A video too short for its blocks is given to one split as a whole, as is an image that belongs to no video.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import RecipeError, Where
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.splitting import Plan, Timeline, deal, plan_video
from recipes.transforms import Transform

GAP_REASON = "gap between splits"
NAMED_TRACKS = 5


class Split(Parameters):
    """by: what stays together. val, test: their shares, 0 to 1; train has the rest. seed: another draw.

    gap: frames between two splits of one video. tolerance: how far a seam may move from the wanted share, as a share
    of the video. tracks: cut a video that has no clean seam (prefer), or give it whole to one split (whole).
    """

    by: Literal["image", "video", "track_and_time"] = "track_and_time"
    val: Annotated[float, Field(ge=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 0
    gap: Annotated[int, Field(ge=1, le=100_000)] = 5
    tolerance: Annotated[float, Field(ge=0, le=0.5)] = 0.08
    tracks: Literal["prefer", "whole"] = "prefer"

    @model_validator(mode="after")
    def _leave_train(self) -> Split:
        if self.val + self.test >= 1:
            raise ValueError("val and test together leave nothing to train on")
        if self.val + self.test == 0:
            raise ValueError("val and test are both 0, so nothing would be split")
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of every split that gets one, train first; they add up to 1."""
        shares = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: share for name, share in shares.items() if share > 0}

    def describe(self) -> str:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        how = {
            "image": "image by image",
            "video": "video by video",
            "track_and_time": f"by track and time, {self.gap} frames apart",
        }
        return f"split {how[self.by]} ({shares})"


def apply(dataset: Dataset, parameters: Split, _: Effort) -> Dataset:
    """The dataset with every image in a split; a first pass over the stream learns frames and tracks."""
    plan = _plan(dataset, parameters)

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        for note in plan.notes:
            ledger.note(note)
        for record in dataset.draw(chunk, ledger):
            split = plan.split_of(_unit(record, parameters), record.frame)
            if split is None:
                ledger.drop_image(TRANSFORM.name, GAP_REASON, record)
            else:
                yield replace(record, split=split)

    return replace(dataset, draw=draw, splits=tuple(parameters.shares))


def _unit(record: ImageRecord, parameters: Split) -> str:
    """What the image stays together with."""
    if parameters.by == "image" or record.video is None:
        return f"image:{record.name}"
    if parameters.by == "track_and_time" and record.frame is None:
        return f"image:{record.name}"
    return f"video:{record.video}"


def _plan(dataset: Dataset, parameters: Split) -> Plan:
    """The first pass, and what follows from it."""
    timelines: dict[str, Timeline] = {}
    for record in dataset.stream(Ledger()):
        timeline = timelines.setdefault(_unit(record, parameters), Timeline())
        tracks = (annotation.track for annotation in record.annotations if annotation.track is not None)
        timeline.see(record.frame, tracks)
    shares = parameters.shares
    blocks: dict[str, tuple[tuple[int, int, str], ...]] = {}
    notes: list[str] = []
    if parameters.by == "track_and_time":
        for unit, timeline in sorted(timelines.items()):
            video = plan_video(
                timeline,
                shares=shares,
                gap=parameters.gap,
                tolerance=parameters.tolerance,
                whole_tracks=parameters.tracks == "whole",
                seed=f"{parameters.seed}:{unit}",
            )
            if video is not None:
                blocks[unit] = video.blocks
                notes += _cut_tracks_note(unit.removeprefix("video:"), video.cut_tracks)
    whole = {unit: timeline.images for unit, timeline in timelines.items() if unit not in blocks}
    dealt = deal(whole, shares=shares, seed=str(parameters.seed))
    filled = {split for video in blocks.values() for _, _, split in video} | set(dealt.values())
    _require_filled(shares, filled, len(timelines))
    return Plan(blocks, dealt, tuple(notes))


def _require_filled(shares: Mapping[str, float], filled: set[str], units: int) -> None:
    empty = [split for split in shares if split not in filled]
    if empty and units:
        raise RecipeError(
            f"The split {empty[0]} would be empty: there are too few images, or no video can be cut.",
            where=Where(key=TRANSFORM.name),
            remedy="Change its share, the gap or the tolerance, or split by image.",
        )


def _cut_tracks_note(video: str, tracks: tuple[int, ...]) -> list[str]:
    if not tracks:
        return []
    named = ", ".join(str(track) for track in tracks[:NAMED_TRACKS])
    more = f" and {len(tracks) - NAMED_TRACKS} more" if len(tracks) > NAMED_TRACKS else ""
    return [f"{video}: no seam is free of tracks, so {len(tracks)} are in two splits (track {named}{more})."]


TRANSFORM = Transform("split", Split, apply)
