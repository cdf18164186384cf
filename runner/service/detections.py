"""Where a model is right and wrong, image by image: what an evaluation found against what is annotated.

The rule: a box that was found (from the score that ``host/found_boxes.py`` keeps) is right where it has the class of an annotated one and
an IoU of at least 0.5 with it, and no surer box has taken that; else it is wrong. An annotated box that none took is missed. What is in a
crowd is neither. The worst images have the most missed and wrong boxes; the best have them all right, and of these the most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from recipes.catalog.versions import DatasetVersion
from runner.dataset_layouts import DATA, dataset_on_host
from runner.errors import RequestError
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import Kind, ModelSpec, TrainSpec
from runner.store import runs

FOUND = "found.json"
"""What an evaluation found, among a run's results (host/found_boxes.py)."""
LEAST_IOU = 0.5
MOST_EVALUATIONS = 20
VALIDATED = "val"
"""What a training is measured on."""
MOST_BYTES = 24 * 1024 * 1024
"""Of a file that is read for a picture: the annotations of five thousand images take a second, and other messages wait for it."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box in pixels; ``score`` None: an annotated one. ``right``: it was found, or it is what is annotated."""

    label: str
    x: float
    y: float
    w: float
    h: float
    score: float | None = None
    right: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One image: its file here, what is annotated and what was found."""

    name: str
    path: Path
    truth: Sequence[Box]
    found: Sequence[Box]

    @property
    def missed(self) -> int:
        """Annotated boxes that were not found."""
        return sum(not box.right for box in self.truth)

    @property
    def wrong(self) -> int:
        """Boxes found where none of their class is."""
        return sum(not box.right for box in self.found)

    @property
    def errors(self) -> int:
        """Missed and wrong boxes."""
        return self.missed + self.wrong


def is_drawable(house: House, run_id: str) -> bool:
    """Whether an evaluation, or the last validation of a training, brought what it found."""
    return _found_path(house, run_id).is_file()


def newest_drawable(house: House, run_id: str) -> str | None:
    """Of a training the newest evaluation that brought what it found; else the run itself, where that did."""
    evals = runs.newest_of_parent(house.store.reading(), run_id, Kind.EVAL, limit=MOST_EVALUATIONS)
    return next((each for each in (*(run.id for run in evals), run_id) if is_drawable(house, each)), None)


def worst_and_best(house: House, run_id: str, *, most: int) -> tuple[Sequence[Look], Sequence[Look]]:
    """At most so many images of each, the worst and the best first; none where nothing is known."""
    looks = _looks(house, run_id).values()
    wrong = sorted((look for look in looks if look.errors), key=lambda look: (-look.errors, -_sureness(look), look.name))
    right = sorted((look for look in looks if look.truth and not look.errors), key=lambda look: (-len(look.truth), look.name))
    return wrong[:most], right[:most]


def regressions(house: House, run_id: str, champion_run_id: str, *, most: int) -> Sequence[tuple[Look, Look]]:
    """At most so many images (the champion's, this one's) where this evaluation has more errors than the champion's, the worst first."""
    before, after = _looks(house, champion_run_id), _looks(house, run_id)
    pairs = [(before[number], after[number]) for number in before.keys() & after.keys()]
    worse = [pair for pair in pairs if pair[1].errors > pair[0].errors]
    return sorted(worse, key=lambda pair: (pair[0].errors - pair[1].errors, -_sureness(pair[1]), pair[1].name))[:most]


def _sureness(look: Look) -> float:
    return sum(box.score or 0.0 for box in look.found if not box.right)


def _found_path(house: House, run_id: str) -> Path:
    return house.settings.results / run_id / FOUND


def _looks(house: House, run_id: str) -> Mapping[int, Look]:
    """By the listing's numbers of images; empty where the evaluation left nothing, the version is gone, or either cannot be read."""
    spec = runs.get(house.store.reading(), run_id).spec
    if not isinstance(spec, TrainSpec | ModelSpec) or spec.dataset is None or not is_drawable(house, run_id):
        return {}
    split = spec.split if isinstance(spec, ModelSpec) else VALIDATED
    try:
        version = frozen(house, spec.dataset)
        found = _small_json(_found_path(house, run_id))["boxes"]
        listing, folder = _listing(house, version, split)
        return _matched(house, version, listing, folder, found)
    except (RequestError, OSError, ValueError, KeyError, TypeError):  # orjson's error is a ValueError
        return {}


def _listing(house: House, version: DatasetVersion, split: str | None) -> tuple[Any, str]:
    """(COCO annotations, the folder of the images) of a split, both as the catalog names them."""
    if version.format != "coco" or split is None:
        raise ValueError("only COCO annotations are read")
    name, folder = (path.removeprefix(f"{DATA}/") for path in dataset_on_host(version).splits[split])
    return _small_json(house.catalog.objects.path(version.files[name].digest)), folder


def _small_json(path: Path) -> Any:
    if path.stat().st_size > MOST_BYTES:
        raise ValueError("too long to be read for a picture")
    return orjson.loads(path.read_bytes())


def _matched(house: House, version: DatasetVersion, listing: Any, folder: str, found: Any) -> Mapping[int, Look]:
    labels = {each["id"]: str(each["name"]) for each in listing["categories"]}
    truth: defaultdict[int, list[Box]] = defaultdict(list)
    crowds: defaultdict[int, list[Box]] = defaultdict(list)
    boxes: defaultdict[int, list[Box]] = defaultdict(list)
    for each in listing["annotations"]:
        x, y, w, h = map(float, each["bbox"])
        (crowds if each.get("iscrowd") else truth)[each["image_id"]].append(Box(labels[each["category_id"]], x, y, w, h))
    for image, category, x, y, w, h, score in found:
        boxes[image].append(Box(labels[category], float(x), float(y), float(w), float(h), float(score)))
    looks = {}
    for image in listing["images"]:
        number, name = image["id"], str(image["file_name"])
        file = version.files.get(f"{folder}/{name}")
        if file is not None:
            known, seen = match(truth[number], boxes[number], crowds[number])
            looks[number] = Look(name, house.catalog.objects.path(file.digest), known, seen)
    return looks


def match(truth: Sequence[Box], found: Sequence[Box], crowds: Sequence[Box] = ()) -> tuple[Sequence[Box], Sequence[Box]]:
    """Both with those marked that are right, the surest first to choose. What lies in a crowd of its class is left out."""
    taken: set[int] = set()
    seen = []
    for box in sorted(found, key=lambda each: -(each.score or 0.0)):
        free = ((iou(box, each), place) for place, each in enumerate(truth) if place not in taken and each.label == box.label)
        best, place = max(free, default=(0.0, -1))
        if best >= LEAST_IOU:
            taken.add(place)
            seen.append(replace(box, right=True))
        elif not any(_in_crowd(box, crowd) for crowd in crowds):
            seen.append(box)
    return [replace(box, right=place in taken) for place, box in enumerate(truth)], seen


def iou(one: Box, other: Box) -> float:
    """Intersection over union, 0 to 1."""
    common = _common(one, other)
    return common / (one.w * one.h + other.w * other.h - common) if common else 0.0


def _in_crowd(box: Box, crowd: Box) -> bool:
    return crowd.label == box.label and _common(box, crowd) >= LEAST_IOU * box.w * box.h


def _common(one: Box, other: Box) -> float:
    wide = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    high = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return max(0.0, wide) * max(0.0, high)
