"""Splits a dataset into train, val and test without leaks: by image, folder, name, attribute, video, or by track and time.

What belongs together stays together: the copies of an image, images of one group (folder, video …), and images of equal content. By
track and time, each video is cut into one block of consecutive frames per split, and it is promised that
1. no two frames of one video that are nearer than ``gap`` frames are in different splits: the frames at the seam are
   left out, and accounted for;
2. a track has all its boxes in one split, in every video where the seams can be laid so: among the seams within
   ``tolerance`` of the wanted share, the one that the fewest tracks cross is taken, then the one nearest to the wanted
   share. A video that offers no seam without a crossing track is still cut, and the tracks that are cut are counted
   and named; with ``tracks: whole`` it is not cut but given to one split as a whole;
3. the same frames and tracks with the same seed give the same split, in whatever order videos and images come.

A video too short for its blocks is given to one split as a whole, as is an image that belongs to no video. A frame of a video that was
cut is left out where an image of another split has the same content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field, model_validator

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.parameters import Parameters
from recipes.splitting.split_plan import plan_split
from recipes.transforms import Transform, require_splits

GAP_REASON = "gap between splits"
TWIN_REASON = "same content as an image in another split, or nearly"


class Split(Parameters):
    """by: what stays together. val, test: their shares, 0 to 1; train has the rest. seed: another draw.

    pattern: by name, what it finds in a name (its first group, if it has one) is the group. attribute: by attribute, images that share
    a value of it stay together. stratify: every class gets the shares, too, as far as whole groups allow. keep: splits that stay as they
    are (all: every one); only the other images are dealt. same_content: images of equal content stay together, or are not looked for.
    near: so do pictures that differ in so many of 64 bits at most, as in dedupe.

    gap: frames between two splits of one video. tolerance: how far a seam may move from the wanted share, as a share of the video.
    tracks: cut a video that has no clean seam (prefer), or give it whole to one split (whole).
    """

    by: Literal["image", "folder", "name", "attribute", "video", "track_and_time"] = "track_and_time"
    val: Annotated[float, Field(ge=0, lt=1)] = 0.2
    test: Annotated[float, Field(ge=0, lt=1)] = 0.0
    seed: int = 0
    pattern: Annotated[str, Field(max_length=200)] | None = None
    attribute: str | None = None
    stratify: bool = False
    keep: tuple[str, ...] | Literal["all"] = ()
    same_content: Literal["together", "ignore"] = "together"
    near: Annotated[int, Field(ge=0, le=10)] | None = None
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

    @model_validator(mode="after")
    def _know_the_group(self) -> Split:
        if (self.pattern is None) == (self.by == "name"):
            raise ValueError("pattern goes with by: name, which needs it")
        if (self.attribute is None) == (self.by == "attribute"):
            raise ValueError("attribute goes with by: attribute, which needs it")
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            raise ValueError(f"the pattern is no regular expression: {error}") from error
        return self

    @property
    def shares(self) -> dict[str, float]:
        """The share of every split that gets one, train first; they add up to 1."""
        shares = {"train": 1 - self.val - self.test, "val": self.val, "test": self.test}
        return {name: share for name, share in shares.items() if share > 0}

    def keeps(self, split: str | None) -> bool:
        """Whether images of a split stay in it."""
        return split is not None and (self.keep == "all" or split in self.keep)

    def describe(self) -> str:
        shares = ", ".join(f"{name} {share:.0%}" for name, share in self.shares.items())
        how = {
            "image": "image by image",
            "folder": "folder by folder",
            "name": f"by what {self.pattern} finds in the name",
            "attribute": f"by the attribute {self.attribute}",
            "video": "video by video",
            "track_and_time": f"by track and time, {self.gap} frames apart",
        }
        classes = ", each class alike" if self.stratify else ""
        kept = f"; keep {'every split there is' if self.keep == 'all' else ' and '.join(self.keep)}" if self.keep else ""
        return f"split {how[self.by]} ({shares}{classes}){kept}"


def apply(dataset: Dataset, parameters: Split, effort: Effort) -> Dataset:
    """The dataset with every image in a split; first passes over the stream learn what belongs together."""
    require_splits(dataset, () if parameters.keep == "all" else parameters.keep, TRANSFORM.name)
    plan = plan_split(dataset, parameters, effort)

    def draw(chunk: int, ledger: Ledger) -> Iterator[ImageRecord]:
        for note in plan.notes:
            ledger.note(note)
        for record in dataset.draw(chunk, ledger):
            if parameters.keeps(record.split):
                yield record
            elif (split := plan.split_of(record)) is None:
                ledger.drop_image(TRANSFORM.name, GAP_REASON, record)
            elif plan.is_twin_elsewhere(record):
                ledger.drop_image(TRANSFORM.name, TWIN_REASON, record)
            else:
                yield replace(record, split=split)

    return replace(dataset, draw=draw, splits=plan.splits)


TRANSFORM = Transform("split", Split, apply)
