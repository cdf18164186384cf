"""Cityscapes: gtFine/<split>/<city>/<base>_gtFine_{polygons.json,instanceIds.png}, leftImg8bit/<split>/<city>/<base>_leftImg8bit.png.

Source: cityscapesscripts/helpers/labels.py (classes: hasInstances and not ignoreInEval), preparation/json2instanceImg.py. A label with
"group" at its end is a crowd. Deleted objects are left out. masks says what an object is:
polygons: its outline as it was drawn, which reaches under what hides it and may leave the image; the box is the outline's.
visible: the pixels to be seen, from the image of instance ids, or painted from the polygons as Cityscapes paints them where there is none;
    the groups of a class are one crowd, and an object that is wholly hidden is not there. This is what the benchmark evaluates.
The annotations of the test split are withheld: its files are dummies, and its images are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

from recipes.cityscapes.document import Shape, read_document
from recipes.cityscapes.instances import Instance, instances, painted_ids, read_ids
from recipes.cityscapes.labels import EVALUATED, IDS_PER_LABEL, VOID
from recipes.dataset import NO_FLAGS, Annotation, Dataset, Flag, ImageRecord, Polygons
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.parameters import Parameters
from recipes.pictures.image_header import read_size
from recipes.streams.spool import Reading, read_each

STEP = "read cityscapes"
POLYGONS = "_polygons.json"
INSTANCES = "_instanceIds.png"
TRUTH = "gtFine"
IMAGES = "leftImg8bit"
IMAGE_SUFFIXES = (".png", ".jpg")
SPLITS = ("train", "val", "test", "train_extra")
CROWD = frozenset({Flag.CROWD})
DELETED = "deleted object"
NOT_EVALUATED = "class that Cityscapes does not evaluate"
WITHHELD = "image of the test split, whose annotations are withheld"
NOTES = {
    "painted": "{count} images of instances are not here: they were painted from the polygons.",
    "hidden": "{count} objects are wholly hidden by others (their numbers are missing among the instances).",
}


class CityscapesOptions(Parameters):
    """masks: outlines as drawn, or the pixels to be seen. images: whether the image files must be there."""

    masks: Literal["polygons", "visible"] = "polygons"
    images: Literal["required", "absent"] = "required"


def sniff(folder: Folder) -> Sniff:
    """A file with the name that Cityscapes gives its annotations."""
    found = next(_bases(folder, (POLYGONS, INSTANCES)), None)
    return Sniff(0.95, f"{found[: -len(TRUTH) - 1]} has Cityscapes' annotations") if found else NOT_MINE


def _bases(folder: Folder, ends: Iterable[str]) -> Iterator[str]:
    """The names of annotation files without these ends."""
    return (name.removesuffix(end) for name in folder.files for end in ends if name.endswith(f"_{TRUTH}{end}"))


def read(folder: Folder, options: CityscapesOptions, effort: Effort) -> Dataset:
    """Every annotated image by name, with its city; splits by their folders. FormatError names file and object of each defect."""
    visible = options.masks == "visible"
    bases = sorted(set(_bases(folder, (POLYGONS, INSTANCES) if visible else (POLYGONS,))))
    if not bases:
        raise FormatError(f"There is no file …_{TRUTH}{POLYGONS} here.", where=Where(str(folder.root)))
    parse = _Reader(folder, options)
    spooled = read_each(bases, parse.visible if visible else parse.outlines, effort)
    notes = [sentence.format(count=f"{count:,}") for kind, sentence in NOTES.items() if (count := spooled.counts[kind])]
    return spooled.dataset(tuple(EVALUATED), splits=[split for split in SPLITS if split in spooled.splits], notes=notes)


class _Reader:
    """Reads the image of an annotation file's name, which has lost its end."""

    def __init__(self, folder: Folder, options: CityscapesOptions) -> None:
        self._folder = folder
        self._images = options.images == "required"
        self._image_root = next((name.partition(f"{IMAGES}/")[0] for name in folder.images if f"{IMAGES}/" in name), "")

    def outlines(self, base: str, reading: Reading) -> ImageRecord | None:
        """The image with the outlines of its objects."""
        document = read_document(self._folder.path(base + POLYGONS), base + POLYGONS, reading.defects)
        record = self._record(base, base + POLYGONS, (document.width, document.height))
        if record.split == "test" and all(shape.label.name in VOID for shape in document.shapes):
            reading.ledger.drop_image(STEP, WITHHELD, record)
            return None
        return replace(record, annotations=tuple(_kept(document.shapes, record, reading)))

    def visible(self, base: str, reading: Reading) -> ImageRecord | None:
        """The image with what is to be seen of its objects."""
        name = base + INSTANCES
        if name in self._folder.files:
            record = self._record(base, name, read_size(self._folder.path(name), name=name))
            ids = read_ids(self._folder.path(name), name)
        else:
            name = base + POLYGONS
            document = read_document(self._folder.path(name), name, reading.defects)
            record = self._record(base, name, (document.width, document.height))
            ids = painted_ids(document, name)
            reading.counts["painted"] += 1
        if record.split == "test" and int(ids.max()) <= max(VOID.values()):
            reading.ledger.drop_image(STEP, WITHHELD, record)
            return None
        seen = list(instances(ids, name))
        reading.counts["hidden"] += _gaps(seen)
        return replace(record, annotations=tuple(_evaluated(seen, record, reading)))

    def _record(self, base: str, source: str, said: tuple[int, int]) -> ImageRecord:
        """The image without annotations; FormatError where it is missing or its size is not what the annotation says."""
        *folders, last = base.split("/")
        stem = last.removesuffix(f"_{TRUTH}")
        split = next((folder for folder in reversed(folders) if folder in SPLITS), None)
        city = folders[-1:] if folders and folders[-1] not in {*SPLITS, TRUTH} else []
        image = self._find("/".join(folders), stem)
        name = "/".join([*city, image.rpartition("/")[2] if image else f"{stem}_{IMAGES}.png"])
        if not self._images:
            return ImageRecord(name, None, *said, split=split, source_file=source, origin_is_line=False)
        if image is None:
            raise FormatError(f"The image {name} is not here: send {IMAGES}, too.", where=Where(source))
        size = read_size(self._folder.path(image), name=image)
        if size != said:
            swapped = " (width and height are swapped)" if size == said[::-1] else ""
            sentence = f"The annotation says {said[0]} x {said[1]} pixels, the image has {size[0]} x {size[1]}{swapped}."
            raise FormatError(sentence, where=Where(source))
        return ImageRecord(name, self._folder.path(image), *size, split=split, source_file=source, origin_is_line=False)

    def _find(self, home: str, stem: str) -> str | None:
        """The image in the same folder of leftImg8bit, else beside the annotation."""
        same = f"{self._image_root}{IMAGES}/{f'/{home}'.rpartition(f'/{TRUTH}/')[2]}"
        names = [f"{folder}/{stem}_{IMAGES}{end}".lstrip("/") for folder in (same, home) for end in IMAGE_SUFFIXES]
        return next((name for name in names if name in self._folder.files), None)


def _kept(shapes: Iterable[Shape], record: ImageRecord, reading: Reading) -> Iterator[Annotation]:
    """The outlines of the objects; what is an object and yet left out is told to the ledger."""
    for shape in shapes:
        if not shape.label.is_thing:
            continue
        annotation = _outlined(shape)
        if shape.deleted:
            reading.ledger.drop_box(STEP, DELETED, record, annotation)
        elif not shape.label.is_evaluated:
            reading.ledger.drop_box(STEP, NOT_EVALUATED, record, annotation)
        else:
            yield annotation


def _outlined(shape: Shape) -> Annotation:
    xs, ys = shape.outline[::2], shape.outline[1::2]
    twice = sum(xs[place - 1] * y - x * ys[place - 1] for place, (x, y) in enumerate(zip(xs, ys, strict=True)))
    box = (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
    flags = CROWD if shape.label.group else NO_FLAGS
    return Annotation(shape.label.name, *box, flags, mask=Polygons((shape.outline,)), mask_area=abs(twice) / 2, origin=shape.place)


def _evaluated(seen: Iterable[Instance], record: ImageRecord, reading: Reading) -> Iterator[Annotation]:
    for instance in seen:
        flags = CROWD if instance.group else NO_FLAGS
        annotation = Annotation(instance.label, *instance.box, flags, mask=instance.mask, mask_area=instance.area, origin=instance.id)
        if instance.label in EVALUATED:
            yield annotation
        else:
            reading.ledger.drop_box(STEP, NOT_EVALUATED, record, annotation)


def _gaps(seen: Iterable[Instance]) -> int:
    """How many numbers of objects are missing below the highest of each class."""
    highest: dict[str, int] = {}
    count = 0
    for instance in seen:
        if not instance.group:
            highest[instance.label] = max(highest.get(instance.label, 0), instance.id % IDS_PER_LABEL + 1)
            count += 1
    return sum(highest.values()) - count


FORMAT = Format("cityscapes", "Cityscapes", sniff=sniff, read=read, read_options=CityscapesOptions)
