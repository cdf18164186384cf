"""The labels of Cityscapes as cityscapesscripts/helpers/labels.py defines them, as far as objects are concerned.

Objects are of the labels with hasInstances; those with ignoreInEval are labelled but never evaluated. A label with "group" at its
end stands for many objects together, which could not be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

EVALUATED = {"person": 24, "rider": 25, "car": 26, "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33}
IGNORED = {"caravan": 29, "trailer": 30}
VOID = {"unlabeled": 0, "ego vehicle": 1, "rectification border": 2, "out of roi": 3}
STUFF = {
    "static": 4, "dynamic": 5, "ground": 6, "road": 7, "sidewalk": 8, "parking": 9, "rail track": 10, "building": 11, "wall": 12,
    "fence": 13, "guard rail": 14, "bridge": 15, "tunnel": 16, "pole": 17, "polegroup": 18, "traffic light": 19, "traffic sign": 20,
    "vegetation": 21, "terrain": 22, "sky": 23, "license plate": -1,
}  # fmt: skip
IDS = {**VOID, **STUFF, **EVALUATED, **IGNORED}
THINGS = {number: name for name, number in (EVALUATED | IGNORED).items()}
IDS_PER_LABEL = 1000
GROUP = "group"


@dataclass(frozen=True, slots=True)
class Label:
    """A label's name, its id, and whether it stands for a group."""

    name: str
    id: int
    group: bool = False

    @property
    def is_thing(self) -> bool:
        """Whether it names objects."""
        return self.id in THINGS

    @property
    def is_evaluated(self) -> bool:
        """Whether it names objects that the benchmark looks at."""
        return self.name in EVALUATED


def label_called(name: str) -> Label | None:
    """The label of that name, None where Cityscapes has none."""
    if name in IDS:
        return Label(name, IDS[name])
    single = name.removesuffix(GROUP)
    return Label(single, IDS[single], group=True) if single != name and single in IDS else None
