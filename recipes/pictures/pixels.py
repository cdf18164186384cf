"""What is still to be done to the pixels of an image. A transform only notes it; the bytes are made where the image is written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, 0 to 255 each."""

BLACK: Colour = (0, 0, 0)


class Placement(NamedTuple):
    """Where an edit puts a picture: the point (x, y) comes to (scale_x * x + left, scale_y * y + top) of width x height."""

    width: int
    height: int
    scale_x: float = 1.0
    scale_y: float = 1.0
    left: float = 0.0
    top: float = 0.0


@dataclass(frozen=True, slots=True)
class Shift:
    """The picture moves right and down by (dx, dy) pixels inside its frame; what is uncovered gets the fill."""

    dx: int
    dy: int
    fill: Colour = BLACK

    def placement(self, width: int, height: int) -> Placement:
        """Where a picture of that size comes to lie."""
        return Placement(width, height, left=self.dx, top=self.dy)


@dataclass(frozen=True, slots=True)
class Flip:
    """Mirrored from left to right (horizontal), or upside down (vertical)."""

    axis: Literal["horizontal", "vertical"]

    def placement(self, width: int, height: int) -> Placement:
        """Where a picture of that size comes to lie."""
        if self.axis == "horizontal":
            return Placement(width, height, scale_x=-1.0, left=width)
        return Placement(width, height, scale_y=-1.0, top=height)


@dataclass(frozen=True, slots=True)
class Resize:
    """Scaled to a size in pixels."""

    width: int
    height: int

    def placement(self, width: int, height: int) -> Placement:
        """Where a picture of that size comes to lie."""
        return Placement(self.width, self.height, scale_x=self.width / width, scale_y=self.height / height)


@dataclass(frozen=True, slots=True)
class Crop:
    """The rectangle with its left top corner at (x, y); what lies outside the picture gets the fill."""

    x: int
    y: int
    width: int
    height: int
    fill: Colour = BLACK

    def placement(self, width: int, height: int) -> Placement:  # noqa: ARG002 - what is cut out does not depend on it
        """Where a picture of that size comes to lie."""
        return Placement(self.width, self.height, left=-self.x, top=-self.y)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box to be painted: its corners in pixels, the word on it, and its outlines as (x, y, x, y, …)."""

    left: float
    top: float
    right: float
    bottom: float
    label: str
    colour: str
    dashed: bool = False
    outlines: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Paint:
    """Boxes painted into the picture, for people to look at."""

    marks: tuple[Mark, ...]

    def placement(self, width: int, height: int) -> Placement:
        """Where a picture of that size comes to lie."""
        return Placement(width, height)


Edit: TypeAlias = Shift | Flip | Resize | Crop | Paint
