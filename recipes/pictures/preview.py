"""A picture of a dataset: a grid of annotated samples with a legend, to be read on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from recipes.dataset import Annotation, Flag, ImageRecord
from recipes.pictures.painting import COLOURS, DASHED, INK, PAPER, TEXT_SIZE, font_of, name_tag, outline, shortened
from recipes.placing import image_bytes

if TYPE_CHECKING:
    from PIL import Image

SAMPLES = 6
COLUMNS = 2
WIDTH = 1200
MARGIN = 16
CAPTION = 34
LABEL_SIZE = 24
SMALL_SIZE = TEXT_SIZE
MAX_CELL_RATIO = 1.25  # height by width: taller images are shown narrower
LEGEND_CLASSES = 24
FAINT = "#616061"


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
        ImageDraw.Draw(picture).text((MARGIN, MARGIN), "No image to show", fill=FAINT, font=font_of(LABEL_SIZE))
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
        draw.text((left + MARGIN, MARGIN), "This image cannot be decoded.", fill=INK, font=font_of(LABEL_SIZE))
    boxes = sorted(record.annotations, key=lambda box: -box.w * box.h)
    drawn = [(box, _corners(box, scale, left, size)) for box in boxes]
    for box, corners in drawn:
        outline(draw, corners, colours.get(box.label, INK), dashed=bool(box.flags & DASHED))
    for box, corners in drawn:
        name_tag(draw, corners, box.label, colours.get(box.label, INK), limits=(left, left + size[0], size[1]))
    caption = " · ".join(part for part in (record.split, record.name) if part)
    draw.text((0, size[1] + 5), shortened(caption, width, SMALL_SIZE), fill=FAINT, font=font_of(SMALL_SIZE))
    return cell


def _corners(box: Annotation, scale: float, left: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box on the cell, kept inside the picture so that it never covers a caption."""
    x1, x2 = (min(max(round(x * scale), 0), size[0] - 1) + left for x in (box.x, box.x + box.w))
    y1, y2 = (min(max(round(y * scale), 0), size[1] - 1) for y in (box.y, box.y + box.h))
    return x1, y1, max(x1, x2), max(y1, y2)


def _legend(classes: Sequence[str], colours: dict[str, str], *, dashed: bool) -> Image.Image:
    from PIL import Image, ImageDraw

    font, step = font_of(LABEL_SIZE), LABEL_SIZE + 14
    measure = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    entries = [(shortened(name, WIDTH // 3, LABEL_SIZE), colours[name]) for name in classes[:LEGEND_CLASSES]]
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
        outline(draw, (MARGIN, height + 6, MARGIN + 2 * LABEL_SIZE, height + LABEL_SIZE + 2), FAINT, dashed=True)
        text = "dashed: lost or occluded"
        draw.text((MARGIN + 2 * LABEL_SIZE + 12, height), text, fill=FAINT, font=font)
    return legend


def _has_dashed(records: Iterable[ImageRecord]) -> bool:
    return any(box.flags & DASHED for record in records for box in record.annotations)
