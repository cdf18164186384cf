"""The sizes of many images: read once from their headers, kept in eight bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.errors import Defects, FormatError
from recipes.folder import Folder
from recipes.image_header import read_size
from recipes.progress import Progress

PHASE = "reading images"


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """Sizes in the order of the names they were read for."""

    values: array[int]

    @classmethod
    def read(cls, folder: Folder, names: Sequence[str], *, progress: Progress) -> ImageSizes:
        """Scan every header; one FormatError names all the images that are unreadable."""
        values = array("i")
        root = f"{folder.root}/"  # a Path for each image would cost as much as its header
        defects = Defects()
        for done, name in enumerate(names):
            try:
                values.extend(read_size(root + name, name=name))
            except FormatError as error:
                defects.add(error.message, error.where)
            progress(done + 1, len(names), PHASE)
        remedy = "Send it again or leave it out." if defects.count == 1 else "Send them again or leave them out."
        defects.raise_if_any(f"The set of {len(names):,} images", remedy=remedy)
        return cls(values)

    def of(self, number: int) -> tuple[int, int]:
        """(width, height) in pixels of the numbered image."""
        return self.values[2 * number], self.values[2 * number + 1]
