"""VGG Image Annotator (VIA) 1 and 2: JSON annotations and projects, CSV; images beside the file, or in images/ there.

Format: ox-vgg/via at aa9b87f (1.x.y, 2.0.10); VIA 3 is another format. Coordinates are 0-based continuous pixels of the image,
whose size is nowhere in the file (``size`` counts bytes). Which attribute says the class is the annotator's choice: option
class_attribute, or class_name where all regions are of one class. Outlines are taken as they were drawn (scripts for the balloon
dataset add 0.5 to the points of polygons, but not to their boxes). Written: a project of VIA 2 for each split, its class in
the attribute ``class``, flags as a checkbox.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

from recipes.dataset import Dataset, Feature, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.folder import Folder
from recipes.formats import NOT_MINE, Format, Sniff
from recipes.ledger import Ledger
from recipes.masks.regions import Pictures
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.placing import Folders, place_new
from recipes.streams.spool import read_each
from recipes.streams.spooled_entries import SpooledEntries
from recipes.via.documents import SNIFFED_FILES, Entry, document_names, load
from recipes.via.naming import choose_naming
from recipes.via.reading import Reader, repeated_names, sentences
from recipes.via.writing import Encoded, ProjectFile

FILES = {"project": "via_project.json", "annotations": "via_region_data.json"}
HOLDS = frozenset(Feature) - {Feature.TRACK, Feature.FRAME, Feature.RUN_LENGTHS}


class ViaOptions(Parameters):
    """class_attribute: the region attribute that says the class. class_name: the class of regions that say none.

    unclear: where neither is told and no attribute looks like a class, all regions are of the class object, or are refused.
    """

    class_attribute: str | None = None
    class_name: str | None = None
    unclear: Literal["object", "refuse"] = "object"


class ViaWriteOptions(Parameters):
    """form: a project that VIA opens, or the annotations alone as programs read them."""

    form: Literal["project", "annotations"] = "project"


def sniff(folder: Folder) -> Sniff:
    """A JSON or CSV file in VIA's form."""
    names = document_names(folder, at_most=SNIFFED_FILES)
    return Sniff(0.95, f"{names[0]} has VIA's regions") if names else NOT_MINE


def read(folder: Folder, options: ViaOptions, effort: Effort) -> Dataset:
    """Every image of every file, in the file's order. FormatError names defects by file and region, or line."""
    names = document_names(folder)
    if not names:
        raise FormatError("There is no annotation file of VIA here.", where=Where(str(folder.root)))
    defects = Defects()
    entries = SpooledEntries(Entry, effort.scratch)
    documents = [load(folder, name, entries, alone=len(names) == 1, defects=defects, effort=effort) for name in names]
    entries.settle()
    defects.raise_if_any("The annotation")
    naming = choose_naming(documents, options.class_attribute, options.class_name, refuse_unclear=options.unclear == "refuse")
    reader = Reader(Pictures.of(folder), naming, repeated_names(documents))
    found = read_each(entries, reader.record, effort, subject="The annotation", remedy="Mend it in VIA, and send it with its images.")
    classes = dict.fromkeys((*naming.classes, *sorted(found.labels)))
    notes = [*(note for document in documents for note in document.notes), *naming.notes, *sentences(found.counts)]
    return found.dataset(tuple(classes), notes=notes)


def write(dataset: Dataset, destination: Path, options: ViaWriteOptions, audience: Audience, effort: Effort) -> None:
    """One file for each split, in the split's folder with its images."""

    def work(records: Iterator[ImageRecord], _: Ledger) -> dict[str | None, Encoded]:
        encoded: dict[str | None, Encoded] = {}
        folders = Folders()
        for record in records:
            size_bytes = -1
            if record.path is not None:
                target = f"{destination}/{record.split}/{record.name}" if record.split else f"{destination}/{record.name}"
                place_new(record, target, folders)
                size_bytes = Path(target).stat().st_size
            encoded.setdefault(record.split, Encoded()).add(record, size_bytes)
        return encoded

    lost: Counter[str] = Counter()
    with ExitStack() as stack:

        def open_file(split: str | None) -> ProjectFile:
            home = destination / split if split else destination
            home.mkdir(exist_ok=True)
            out = stack.enter_context((home / FILES[options.form]).open("xb"))
            return ProjectFile(out, dataset.classes, bare=options.form == "annotations")

        files = {split: open_file(split) for split in dataset.splits or (None,)}
        for encoded in audience.results(dataset, work, effort, phase="writing via"):
            for split, images in encoded.items():
                if split not in files:
                    files[split] = open_file(split)
                files[split].add(images)
                lost.update(images.lost)
        for file in files.values():
            file.finish()
    if lost["parts"]:
        audience.ledger.note(f"{lost['parts']:,} masks have several outlines, and a region of VIA has one: they are written as rectangles.")
    if lost["attributes"]:
        audience.ledger.note(f"{lost['attributes']:,} attributes called class or flags gave way to VIA's own and are left out.")


FORMAT = Format(
    "via",
    "VGG Image Annotator (VIA)",
    sniff=sniff,
    read=read,
    read_options=ViaOptions,
    write=write,
    write_options=ViaWriteOptions,
    holds=HOLDS,
    usual_splits_only=True,
)
