"""A picture of a dataset: a grid of annotated samples with a legend, to be read on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from recipes.dataset import Annotation, Flag, ImageRecord
from recipes.placing import image_bytes

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SAMPLES = 6
COLUMNS = 2
WIDTH = 1200
MARGIN = 16
CAPTION = 34
LABEL_SIZE = 24
SMALL_SIZE = 22
LINE = 4
DASH = 14
MAX_CELL_RATIO = 1.25  # height by width: taller images are shown narrower
LEGEND_CLASSES = 24
DASHED = frozenset({Flag.LOST, Flag.OCCLUDED})
PAPER, INK, FAINT = "#ffffff", "#1d1c1d", "#616061"
# Tell apart on any background and with most colour blindness (after Wong 2011 and Tol 2021); then it starts over.
COLOURS = ("#e69f00", "#0072b2", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#b8a800", "#882255", "#44aa99", "#aa4499")


@dataclass(slots=True)
class _Sieve:
    """Keeps a few records evenly spread over a stream of unknown length: every second goes when there are too many."""

    room: int
    stride: int = 1
    seen: int = 0
    kept: list[ImageRecord] = field(default_factory=list)

    def offer(self, record: ImageRecord) -> None:
        if self.seen % self.stride == 0:
            self.kept.append(record)
        if len(self.kept) > self.room:
            self.kept = self.kept[::2]
            self.stride *= 2
        self.seen += 1

    def pick(self, count: int) -> list[ImageRecord]:
        count = min(count, len(self.kept))
        return [self.kept[(2 * number + 1) * len(self.kept) // (2 * count)] for number in range(count)]


class Samples:
    """An observer that keeps a few images spread over the whole stream, those with boxes first; always the same ones."""

    def __init__(self, count: int = SAMPLES) -> None:
        self._count = count
        self._with_boxes = _Sieve(8 * count)
        self._without = _Sieve(8 * count)

    def __call__(self, record: ImageRecord) -> None:
        """Take in one image."""
        if record.path is None:
            return
        visible = any(Flag.LOST not in box.flags for box in record.annotations)
        (self._with_boxes if visible else self._without).offer(record)

    def fresh(self) -> Samples:
        """One that has taken in nothing."""
        return Samples(self._count)

    def merge(self, other: Samples) -> None:
        """Take in what another has kept of the following images."""
        for mine, others in ((self._with_boxes, other._with_boxes), (self._without, other._without)):
            for record in others.kept:
                mine.offer(record)

    @property
    def records(self) -> tuple[ImageRecord, ...]:
        """The chosen images in the order of the stream, those without boxes last."""
        chosen = self._with_boxes.pick(self._count)
        return (*chosen, *self._without.pick(self._count - len(chosen)))


def render(records: Sequence[ImageRecord], classes: Sequence[str]) -> bytes:
    """A PNG, WIDTH pixels wide: every image with its boxes in the colours of their classes, lost and occluded dashed."""
    from PIL import Image, ImageDraw

    colours = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(classes)}
    columns = min(COLUMNS, max(1, len(records)))
    cell = (WIDTH - MARGIN * (columns + 1)) // columns
    cells = [_cell(record, colours, cell) for record in records]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    legend = _legend(classes, colours, dashed=_has_dashed(records))
    heights = [max(picture.height for picture in row) for row in rows]
    picture = Image.new("RGB", (WIDTH, sum(heights) + MARGIN * (len(rows) + 2) + legend.height), PAPER)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for column, piece in enumerate(row):
            picture.paste(piece, (MARGIN + column * (cell + MARGIN), top))
        top += height + MARGIN
    picture.paste(legend, (0, top))
    if not rows:
        ImageDraw.Draw(picture).text((MARGIN, MARGIN), "No image to show", fill=FAINT, font=_font(LABEL_SIZE))
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _cell(record: ImageRecord, colours: dict[str, str], width: int) -> Image.Image:
    from PIL import Image, ImageDraw

    scale = min(width / record.width, width * MAX_CELL_RATIO / record.height)
    size = max(1, round(record.width * scale)), max(1, round(record.height * scale))
    cell = Image.new("RGB", (width, size[1] + CAPTION), PAPER)
    left = (width - size[0]) // 2
    draw = ImageDraw.Draw(cell)
    try:
        with Image.open(BytesIO(image_bytes(record))) as image:
            image.draft("RGB", size)
            cell.paste(image.convert("RGB").resize(size, Image.Resampling.BICUBIC), (left, 0))
    except (OSError, SyntaxError, ValueError):
        draw.text((left + MARGIN, MARGIN), "This image cannot be decoded.", fill=INK, font=_font(LABEL_SIZE))
    boxes = sorted(record.annotations, key=lambda box: -box.w * box.h)
    drawn = [(box, _corners(box, scale, left, size)) for box in boxes]
    for box, corners in drawn:
        _outline(draw, corners, colours.get(box.label, INK), dashed=bool(box.flags & DASHED))
    for box, corners in drawn:
        _label(draw, corners, box.label, colours.get(box.label, INK), limits=(left, left + size[0], size[1]))
    caption = " · ".join(part for part in (record.split, record.name) if part)
    draw.text((0, size[1] + 5), _shortened(caption, width, SMALL_SIZE), fill=FAINT, font=_font(SMALL_SIZE))
    return cell


def _corners(box: Annotation, scale: float, left: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box on the cell, kept inside the picture so that it never covers a caption."""
    x1, x2 = (min(max(round(x * scale), 0), size[0] - 1) + left for x in (box.x, box.x + box.w))
    y1, y2 = (min(max(round(y * scale), 0), size[1] - 1) for y in (box.y, box.y + box.h))
    return x1, y1, max(x1, x2), max(y1, y2)


def _outline(draw: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], colour: str, *, dashed: bool) -> None:
    if not dashed:
        draw.rectangle(corners, outline=colour, width=LINE)
        return
    x1, y1, x2, y2 = corners
    for x in range(x1, x2, 2 * DASH):
        for y in (y1, y2):
            draw.line((x, y, min(x + DASH, x2), y), fill=colour, width=LINE)
    for y in range(y1, y2, 2 * DASH):
        for x in (x1, x2):
            draw.line((x, y, x, min(y + DASH, y2)), fill=colour, width=LINE)


def _label(draw: ImageDraw.ImageDraw, corners: tuple[int, int, int, int], text: str, colour: str, *, limits: tuple[int, int, int]) -> None:
    """The class on its box: above it, or inside where the picture ends above."""
    font = _font(SMALL_SIZE)
    text = _shortened(text, max(80, (limits[1] - limits[0]) // 2), SMALL_SIZE)
    width = int(draw.textlength(text, font=font)) + 10
    height = SMALL_SIZE + 8
    x = max(limits[0], min(corners[0], limits[1] - width))
    y = corners[1] - height if corners[1] >= height else min(corners[1], limits[2] - height)
    draw.rectangle((x, y, x + width, y + height), fill=colour)
    draw.text((x + 5, y + 2), text, fill=_readable_on(colour), font=font)


def _legend(classes: Sequence[str], colours: dict[str, str], *, dashed: bool) -> Image.Image:
    from PIL import Image, ImageDraw

    font, step = _font(LABEL_SIZE), LABEL_SIZE + 14
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    entries = [(_shortened(name, WIDTH // 3, LABEL_SIZE), colours[name]) for name in classes[:LEGEND_CLASSES]]
    if len(classes) > LEGEND_CLASSES:
        entries.append((f"and {len(classes) - LEGEND_CLASSES} more", PAPER))
    placed, x, y = [], MARGIN, 0
    for text, colour in entries:
        width = LABEL_SIZE + 10 + int(measure.textlength(text, font=font)) + 28
        if x + width > WIDTH and x > MARGIN:
            x, y = MARGIN, y + step
        placed.append((x, y, text, colour))
        x += width
    height = y + step if placed else 0
    legend = Image.new("RGB", (WIDTH, height + (step if dashed else 0)), PAPER)
    draw = ImageDraw.Draw(legend)
    for x, y, text, colour in placed:
        draw.rectangle((x, y + 4, x + LABEL_SIZE, y + 4 + LABEL_SIZE), fill=colour)
        draw.text((x + LABEL_SIZE + 10, y), text, fill=INK, font=font)
    if dashed:
        _outline(draw, (MARGIN, height + 6, MARGIN + 2 * LABEL_SIZE, height + LABEL_SIZE + 2), FAINT, dashed=True)
        text = "dashed: lost or occluded"
        draw.text((MARGIN + 2 * LABEL_SIZE + 12, height), text, fill=FAINT, font=font)
    return legend


def _has_dashed(records: Iterable[ImageRecord]) -> bool:
    return any(box.flags & DASHED for record in records for box in record.annotations)


def _shortened(text: str, width: int, size: int) -> str:
    """The text with its middle left out where it is too long: a file name's end says more than its middle."""
    font = _font(size)
    if font.getlength(text) <= width:
        return text
    for keep in range(len(text) - 1, 1, -1):
        shorter = f"{text[: keep // 2]}…{text[-(keep - keep // 2) :]}"
        if font.getlength(shorter) <= width:
            return shorter
    return "…"


def _readable_on(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else PAPER


@cache
def _font(size: int) -> Font:
    """DejaVu Sans as matplotlib brings it (found, not imported), for more letters than Pillow's own font has."""
    from PIL import ImageFont

    matplotlib = find_spec("matplotlib")
    if matplotlib and matplotlib.origin:
        path = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
        if path.is_file():
            return ImageFont.truetype(str(path), size)
    return ImageFont.load_default(size)
