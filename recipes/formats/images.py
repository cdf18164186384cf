"""A folder of images without annotations."""

from __future__ import annotations

from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.parameters import NoParameters
from recipes.pictures.image_header import read_size
from recipes.streams.spool import Reading, read_each


def sniff(folder: Folder) -> Sniff:
    """Any folder with images is at least that."""
    if not folder.images:
        return NOT_MINE
    return Sniff(0.1, f"{len(folder.images):,} images and no annotation that any format knows")


def read(folder: Folder, _: NoParameters, effort: Effort) -> Dataset:
    """Every image, by name; FormatError names each that is unreadable."""
    if not folder.images:
        raise FormatError("There is no image in this folder.", where=Where(str(folder.root)))

    def parse(name: str, _: Reading) -> ImageRecord:
        path = folder.path(name)
        return ImageRecord(name, path, *read_size(path, name=name))

    subject = f"The set of {len(folder.images):,} images"
    return read_each(folder.images, parse, effort, subject=subject, remedy="Send them again or leave them out.").dataset(())


FORMAT = Format("images", "a folder of images without annotations", sniff=sniff, read=read)
