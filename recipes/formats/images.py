"""A folder of images without annotations."""

from __future__ import annotations

from collections.abc import Iterator

from recipes.dataset import Dataset, ImageRecord
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.image_sizes import ImageSizes
from recipes.ledger import Ledger
from recipes.parameters import NoParameters
from recipes.progress import Progress


def sniff(folder: Folder) -> Sniff:
    """Any folder with images is at least that."""
    if not folder.images:
        return NOT_MINE
    return Sniff(0.1, f"{len(folder.images):,} images and no annotation that any format knows")


def read(folder: Folder, _: NoParameters, progress: Progress) -> Dataset:
    """Every image, by name; FormatError names each that is unreadable."""
    if not folder.images:
        raise FormatError("There is no image in this folder.", where=Where(str(folder.root)))
    sizes = ImageSizes.read(folder, folder.images, progress=progress)

    def stream(_: Ledger) -> Iterator[ImageRecord]:
        for number, name in enumerate(folder.images):
            width, height = sizes.of(number)
            yield ImageRecord(name, folder.path(name), width, height)

    return Dataset(classes=(), stream=stream, total=len(folder.images))


FORMAT = Format("images", "a folder of images without annotations", sniff=sniff, read=read)
