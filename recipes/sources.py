"""Opens what a person points at: a folder or an archive of it, in a format that is told or found out."""

from __future__ import annotations

import difflib
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recipes.dataset import Dataset
from recipes.effort import Effort
from recipes.errors import FormatError, RecipeError, Where
from recipes.folder import Folder, scan
from recipes.formats import Format, format_called, format_names, formats
from recipes.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: its files, the format it is read as, why that one, and the dataset."""

    folder: Folder
    format: Format
    reason: str
    dataset: Dataset


@contextmanager
def unpacked(path: Path, effort: Effort) -> Iterator[Path]:
    """The folder itself, or a temporary one with the archive's content; FormatError where path is neither."""
    if path.is_dir():
        yield path
    elif not path.exists():
        raise FormatError("There is no such file or folder.", where=Where(str(path)))
    else:
        from recipes.arriving.archive import Limits, unpack

        with tempfile.TemporaryDirectory(prefix="signalbox-", dir=effort.scratch) as scratch:
            content = Path(scratch) / "content"
            unpack(path, content, limits=Limits(), progress=effort.progress)
            yield content


def open_folder(root: Path, effort: Effort, *, format_name: str | None = None, options: Parameters | None = None) -> Source:
    """Read a folder in the format of that name (sniffed for None); FormatError with every defect."""
    folder = scan(root)
    if format_name is None:
        found, reason = sniff(folder)
    else:
        found, reason = format_named(format_name), "as told"
    if found.read is None:
        readable = ", ".join(name for name, entry in formats().items() if entry.read)
        raise RecipeError(f"The format {found.name} cannot be read.", remedy=f"These can: {readable}.")
    dataset = found.read(folder, options or found.read_options(), effort)
    return Source(folder, found, reason, dataset)


def format_named(name: str) -> Format:
    """The format of that name; RecipeError with the nearest one otherwise."""
    try:
        return format_called(name)
    except KeyError:
        raise RecipeError(f"There is no format {name!r}.", remedy=did_you_mean(name, format_names())) from None


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A hint at the nearest name, or all of them."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(known)}."


def sniff(folder: Folder) -> tuple[Format, str]:
    """The format that is surest of a folder, and why; FormatError where none is or two are equally sure."""
    sniffs = [(entry.sniff(folder), entry) for entry in formats().values() if entry.sniff]
    ranked = sorted(sniffs, key=lambda pair: -pair[0].confidence)
    (best, found), (second, other) = ranked[:2]
    if best.confidence == 0:
        raise FormatError(
            f"There is no annotation and no image among the {len(folder.files):,} files.",
            where=Where(str(folder.root)),
            remedy=f"Known formats: {', '.join(formats())}.",
        )
    if best.confidence == second.confidence:
        raise FormatError(
            f"This could be {found.name} ({best.reason}) or {other.name} ({second.reason}).",
            where=Where(str(folder.root)),
            remedy="Say which, or send one of them.",
        )
    return found, best.reason
