"""The sizes of many images: read once from their headers, kept in eight bytes each."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from recipes.effort import Effort
from recipes.errors import Defects, FormatError
from recipes.folder import Folder
from recipes.pictures.image_header import read_size
from recipes.streams.spool import chunk_size

PHASE = "reading images"


@dataclass(frozen=True, slots=True)
class ImageSizes:
    """Sizes in the order of the names they were read for."""

    values: array[int]

    @classmethod
    def read(cls, folder: Folder, names: Sequence[str], effort: Effort) -> ImageSizes:
        """Scan every header; one FormatError names all the images that are unreadable."""
        root = f"{folder.root}/"  # a Path for each image would cost as much as its header
        size = chunk_size(len(names))

        def work(chunk: int) -> tuple[array[int], Defects]:
            values, defects = array("i"), Defects()
            for name in names[chunk * size : (chunk + 1) * size]:
                try:
                    values.extend(read_size(root + name, name=name))
                except FormatError as error:
                    defects.add_error(error)
            return values, defects

        all_values, all_defects = array("i"), Defects()
        for values, defects in effort.ordered(work, -(-len(names) // size), phase=PHASE, total=len(names)):
            all_values.extend(values)
            all_defects.merge(defects)
        remedy = "Send it again or leave it out." if all_defects.count == 1 else "Send them again or leave them out."
        all_defects.raise_if_any(f"The set of {len(names):,} images", remedy=remedy)
        return cls(all_values)

    def of(self, number: int) -> tuple[int, int]:
        """(width, height) in pixels of the numbered image."""
        return self.values[2 * number], self.values[2 * number + 1]
