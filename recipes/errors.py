"""What can go wrong with a dataset, said in sentences that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN_DEFECTS = 20
KEPT_DEFECTS = 200
LONGEST_MESSAGE = 1_000


@dataclass(frozen=True, slots=True)
class Where:
    """The place of a defect: a file, a line of it (from 1), a key or member inside it; each may be missing."""

    file: str = ""
    line: int | None = None
    key: str = ""

    def __str__(self) -> str:
        parts = [self.file] if self.file else []
        if self.line is not None:
            parts.append(f"line {self.line}")
        if self.key:
            parts.append(self.key)
        return ", ".join(parts)


NOWHERE = Where()


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong, and where."""

    message: str
    where: Where = NOWHERE

    def __str__(self) -> str:
        place = str(self.where)
        return f"{place}: {self.message}" if place else self.message


class DatasetError(Exception):
    """Anything a person or a dataset did wrong, with its place, its remedy, and every defect found in one pass."""

    def __init__(self, message: str, *, where: Where = NOWHERE, remedy: str = "", defects: tuple[Defect, ...] = (), more: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.remedy = remedy
        self.defects = defects
        self.more = more

    def __str__(self) -> str:
        """The headline, then the remedy, then one line for each of the first defects."""
        head = str(Defect(self.message, self.where))
        lines = [f"{head} {self.remedy}".rstrip()]
        lines += [f"  {defect}" for defect in self.defects[:SHOWN_DEFECTS]]
        hidden = max(0, len(self.defects) - SHOWN_DEFECTS) + self.more
        if hidden:
            lines.append(f"  and {hidden} more")
        return "\n".join(lines)


class FormatError(DatasetError):
    """The dataset is not what its format says."""


class RecipeError(DatasetError):
    """The recipe, a parameter of it, or a name that was asked for is wrong."""


class DocumentError(DatasetError):
    """A YAML document is malformed or holds a value that its model refuses."""


class ArchiveError(DatasetError):
    """An archive is refused; nothing of it is left on the disk."""


class CatalogError(DatasetError):
    """The catalog has no such dataset or version, or what it keeps is damaged."""


class RegistryError(DatasetError):
    """A format, transform or recipe of Signalbox itself does not load: our fault, said at start-up."""


def _shortened(text: str) -> str:
    """A text as it is, or its beginning where it quotes what is too long for people."""
    return text if len(text) <= LONGEST_MESSAGE else f"{text[:LONGEST_MESSAGE]}…"


@dataclass(slots=True)
class Defects:
    """Collects the defects of one pass: all are counted, the first are kept."""

    found: list[Defect] = field(default_factory=list)
    count: int = 0

    def add(self, message: str, where: Where = NOWHERE) -> None:
        """Count one more defect."""
        self.count += 1
        if len(self.found) < KEPT_DEFECTS:
            self.found.append(Defect(_shortened(message), Where(_shortened(where.file), where.line, _shortened(where.key))))

    def add_error(self, error: FormatError) -> None:
        """Count what an error says: its defects where it has some, else itself."""
        for defect in error.defects or (Defect(error.message, error.where),):
            self.add(defect.message, defect.where)
        self.count += error.more

    def merge(self, other: Defects) -> None:
        """Count the defects of a later part of the same pass."""
        self.count += other.count
        self.found += other.found[: max(0, KEPT_DEFECTS - len(self.found))]

    def raise_if_any(self, subject: str, *, remedy: str = "") -> None:
        """Raise one FormatError that names every defect; return silently where there are none."""
        if not self.count:
            return
        if self.count == 1:
            only = self.found[0]
            raise FormatError(only.message, where=only.where, remedy=remedy)
        raise FormatError(
            f"{subject} has {self.count:,} defects.",
            remedy=remedy,
            defects=tuple(self.found),
            more=self.count - len(self.found),
        )
