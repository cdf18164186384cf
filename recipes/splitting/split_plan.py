"""What the split transform learns of a dataset, and the plan it makes of it: some forty bytes an image."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from recipes.checks.contents import number_of, root_of, twins
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import RecipeError, Where
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.pictures.likeness import alike
from recipes.splitting.dealing import BoxCounts, Units, deal
from recipes.splitting.video_cuts import Block, Timeline, plan_video

if TYPE_CHECKING:
    from recipes.transforms.split import Split

STEP = "split"
NAMED_TRACKS = 5
NAMED_VIDEOS = 20


def group_of(record: ImageRecord, wish: Split) -> str:
    """The name of what an image stays together with: its first group, where it has several."""
    root = root_of(record)
    match wish.by:
        case "folder":
            return f"folder:{root.rpartition('/')[0]}"
        case "name" if found := re.search(wish.pattern or "", root):
            return f"name:{found[found.re.groups and 1]}"
        case "attribute" if values := values_of(record, wish):
            return values[0]
        case "video" if record.video is not None:
            return f"video:{record.video}"
        case "track_and_time" if record.video is not None and record.frame is not None:
            return f"video:{record.video}"
    return f"image:{root}"


def values_of(record: ImageRecord, wish: Split) -> tuple[str, ...]:
    """Every value that an image's annotations give the attribute that is the group."""
    key = wish.attribute
    if key is None:
        return ()
    values = (annotation.attributes[key] for annotation in record.annotations if annotation.attributes and key in annotation.attributes)
    return tuple(dict.fromkeys(f"value:{value}" for value in values))


class Twin(NamedTuple):
    """An image whose content others have, too, or nearly."""

    content: int
    root: int
    unit: int
    frame: int | None
    split: str | None


@dataclass(slots=True)
class Learned:
    """What a pass over some chunks has seen: the unit of every image that is to be dealt, and what else matters of it."""

    units: array[int] = field(default_factory=lambda: array("Q"))
    boxes: BoxCounts = field(default_factory=BoxCounts)  # of the images that the units belong to, where classes matter
    fixed: dict[int, str] = field(default_factory=dict)
    joins: list[tuple[int, int]] = field(default_factory=list)
    timelines: dict[str, Timeline] = field(default_factory=dict)
    twins: list[Twin] = field(default_factory=list)

    def merge(self, other: Learned) -> None:
        """Take in what was seen of the following images."""
        self.units += other.units
        self.boxes.merge(other.boxes)
        self.fixed = other.fixed | self.fixed
        self.joins += other.joins
        self.twins += other.twins
        for video, timeline in other.timelines.items():
            self.timelines.setdefault(video, Timeline()).merge(timeline)


@dataclass(frozen=True, slots=True)
class Plan:
    """The split of everything: blocks for videos that are cut, one split for each unit that stays whole."""

    wish: Split
    splits: tuple[str, ...]
    blocks: Mapping[int, tuple[Block, ...]]
    units: Units
    roots: Mapping[int, int]
    twins_elsewhere: frozenset[int]
    notes: tuple[str, ...]

    def split_of(self, record: ImageRecord) -> str | None:
        """The split of an image; None for a frame in the gap between two blocks."""
        return self.split_at(number_of(group_of(record, self.wish)), record.frame)

    def split_at(self, unit: int, frame: int | None) -> str | None:
        """The split of a frame of a unit."""
        if unit in self.blocks:
            return next((split for first, last, split in self.blocks[unit] if frame is not None and first <= frame <= last), None)
        return self.splits[self.units.dealt[self.units.find(self.roots.get(unit, unit))] - 1]

    def is_twin_elsewhere(self, record: ImageRecord) -> bool:
        """Whether an image of another split has the same content and stays."""
        return bool(self.twins_elsewhere) and number_of(root_of(record)) in self.twins_elsewhere


def plan_split(dataset: Dataset, wish: Split, effort: Effort) -> Plan:
    """Learn from the whole dataset and decide; RecipeError where a split would be empty."""
    same = twins(dataset, effort, copies=False) if wish.same_content == "together" else {}
    like = alike(dataset, wish.near, effort) if wish.near is not None else {}
    learned = _learn(dataset, wish, {**same, **like}, effort)
    blocks, notes = _cut_videos(learned, wish)
    roots = _roots([*learned.joins, *_joins_of_twins(learned, blocks)])
    splits = tuple(dict.fromkeys([*wish.shares, *filter(wish.keeps, dataset.splits)]))
    units = _dealt(learned, blocks, roots, wish, splits)
    plan = Plan(wish, splits, blocks, units, roots, frozenset(), notes)
    _require_filled(plan, learned)
    elsewhere = frozenset(_elsewhere(plan, learned.twins))
    return Plan(wish, splits, blocks, units, roots, elsewhere, notes)


def _learn(dataset: Dataset, wish: Split, contents: Mapping[int, int], effort: Effort) -> Learned:
    classes = {name: number for number, name in enumerate(dataset.classes)}

    def work(records: Iterator[ImageRecord], _: Ledger) -> Learned:
        learned = Learned()
        for record in records:
            _see(learned, record, wish, contents, classes)
        return learned

    learned = Learned()
    for part in Audience(Ledger()).results(dataset, work, effort, phase="planning splits"):
        learned.merge(part)
    return learned


def _see(learned: Learned, record: ImageRecord, wish: Split, contents: Mapping[int, int], classes: Mapping[str, int]) -> None:
    group = group_of(record, wish)
    unit = number_of(group)
    stays_in = record.split if wish.keeps(record.split) else None
    learned.joins += [(unit, number_of(value)) for value in values_of(record, wish)[1:]]
    if contents and (content := contents.get(root := number_of(root_of(record)))) is not None:
        learned.twins.append(Twin(content, root, unit, record.frame, stays_in))
    if stays_in is not None:
        learned.fixed.setdefault(unit, stays_in)
        return
    learned.units.append(unit)
    if wish.by == "track_and_time" and record.frame is not None and group.startswith("video:"):
        tracks = (annotation.track for annotation in record.annotations if annotation.track is not None)
        learned.timelines.setdefault(group, Timeline()).see(record.frame, tracks)
    if wish.stratify:
        learned.boxes.add(Counter(classes[annotation.label] for annotation in record.annotations if annotation.label in classes))


def _cut_videos(learned: Learned, wish: Split) -> tuple[dict[int, tuple[Block, ...]], tuple[str, ...]]:
    """The blocks of every video that can be cut, and what to say about it."""
    blocks: dict[int, tuple[Block, ...]] = {}
    notes: list[str] = []
    for group, timeline in sorted(learned.timelines.items()):
        unit = number_of(group)
        video = plan_video(
            timeline,
            shares=wish.shares,
            gap=wish.gap,
            tolerance=wish.tolerance,
            whole_tracks=wish.tracks == "whole",
            seed=f"{wish.seed}:{group}",
        )
        if video is None or unit in learned.fixed:
            continue
        blocks[unit] = video.blocks
        notes += _cut_tracks_note(group.removeprefix("video:"), video.cut_tracks)
    more = [f"So it is in {len(notes) - NAMED_VIDEOS} more videos."] if len(notes) > NAMED_VIDEOS else []
    return blocks, (*notes[:NAMED_VIDEOS], *more)


def _cut_tracks_note(video: str, tracks: tuple[int, ...]) -> list[str]:
    if not tracks:
        return []
    named = ", ".join(str(track) for track in tracks[:NAMED_TRACKS])
    more = f" and {len(tracks) - NAMED_TRACKS} more" if len(tracks) > NAMED_TRACKS else ""
    return [f"{video}: no seam is free of tracks, so {len(tracks)} are in two splits (track {named}{more})."]


def _joins_of_twins(learned: Learned, blocks: Mapping[int, object]) -> Iterator[tuple[int, int]]:
    """Units that have an image of the same content, those of them that are not cut."""
    first: dict[int, int] = {}
    for twin in learned.twins:
        if twin.unit not in blocks:
            unit = first.setdefault(twin.content, twin.unit)
            if unit != twin.unit:
                yield unit, twin.unit


def _roots(joins: Iterable[tuple[int, int]]) -> dict[int, int]:
    """The smallest of all the units that each unit is joined with, by whatever way."""
    parents: dict[int, int] = {}

    def root(unit: int) -> int:
        while (parent := parents.setdefault(unit, unit)) != unit:
            parents[unit] = unit = parents[parent]
        return unit

    for one, other in joins:
        low, high = sorted((root(one), root(other)))
        parents[high] = low
    return {unit: root(unit) for unit in list(parents)}


def _dealt(learned: Learned, blocks: Mapping[int, object], roots: Mapping[int, int], wish: Split, splits: Sequence[str]) -> Units:
    """Every unit that is not cut, with its split."""
    whole = array("Q", (roots.get(unit, unit) for unit in learned.units if unit not in blocks))
    units = Units.of(whole)
    for unit, split in sorted(learned.fixed.items(), reverse=True):  # of several, that of the smallest unit stays
        place = units.find(roots.get(unit, unit))
        if place < len(units.keys):
            units.dealt[place] = splits.index(split) + 1
    if wish.stratify:
        units.count_boxes((roots.get(unit, unit) for unit in learned.units), learned.boxes)
    deal(units, {splits.index(split): share for split, share in wish.shares.items()}, str(wish.seed))
    return units


def _require_filled(plan: Plan, learned: Learned) -> None:
    filled = {split for video in plan.blocks.values() for _, _, split in video} | set(learned.fixed.values())
    filled |= {plan.splits[number - 1] for number in set(plan.units.dealt)}
    empty = [split for split in plan.wish.shares if split not in filled]
    if empty and learned.units:
        raise RecipeError(
            f"The split {empty[0]} would be empty: there are too few images, or no video can be cut.",
            where=Where(key=STEP),
            remedy="Change its share, the gap or the tolerance, or split by image.",
        )


def _elsewhere(plan: Plan, members: Iterable[Twin]) -> Iterator[int]:
    """The images that go because their content is in another split: that of a kept one, else of the first."""
    for _, group in groupby(sorted(members, key=lambda twin: twin.content), key=lambda twin: twin.content):
        placed = [(twin, twin.split or plan.split_at(twin.unit, twin.frame)) for twin in group]
        homes = [split for twin, split in placed if twin.split] or [split for _, split in placed if split]
        yield from (twin.root for twin, split in placed if not twin.split and split and split != homes[0])
