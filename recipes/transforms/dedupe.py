"""Leaves out images that show what another one shows: the same bytes, or nearly the same picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field

from recipes.checks.contents import number_of, twins
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.pictures.likeness import alike
from recipes.transforms import Transform, edit_images

STEP = "dedupe"
SAME, ALIKE = "same content as another image", "nearly the same picture as another image"
NAMED = 5


class Dedupe(Parameters):
    """near: bits (of 64, as a difference hash has) in which two pictures may differ to count as one; 0 finds what was only saved again.

    Without it, only files of equal content are found. Pictures without any contrast are never alike.
    """

    near: Annotated[int, Field(ge=0, le=10)] | None = None

    def describe(self) -> str:
        near = "" if self.near is None else f" or a picture that differs in {self.near} of 64 bits at most"
        return f"leave out images with the same content{near} as an earlier one"


def apply(dataset: Dataset, parameters: Dedupe, effort: Effort) -> Dataset:
    """The dataset with the first of all images that are the same; the notes say of which the first that went are copies.

    Near duplicates are looked for among the images that are kept, so that a slow pan does not vanish link by link. Images that are made
    in this recipe (shifted, mirrored …) are compared by their content and what is done to it, never by likeness.
    """
    gone = _same(dataset, effort)
    if parameters.near is not None:
        gone = {name: (leader, ALIKE) for name, leader in alike(dataset, parameters.near, effort).items() if name != leader} | gone
    notes = _notes(dataset, gone, effort)

    def edit(record: ImageRecord, ledger: Ledger) -> Iterator[ImageRecord]:
        kept = gone.get(number_of(record.name)) if gone else None
        if kept is None:
            yield record
            return
        for note in notes:
            ledger.note(note)
        ledger.drop_image(STEP, kept[1], record)

    return edit_images(dataset, edit)


def _same(dataset: Dataset, effort: Effort) -> dict[int, tuple[int, str]]:
    """Every image that goes for an earlier one of the same content: its number -> that one's, and why."""
    firsts: dict[int, int] = {}
    gone: dict[int, tuple[int, str]] = {}
    for name, content in twins(dataset, effort, copies=True).items():
        first = firsts.setdefault(content, name)
        if first != name:
            gone[name] = first, SAME
    return gone


def _notes(dataset: Dataset, gone: Mapping[int, tuple[int, str]], effort: Effort) -> tuple[str, ...]:
    """Which images the first ones that go are copies of; only then the names are learned."""
    if not gone:
        return ()
    named = dict(list(gone.items())[:NAMED])
    wanted = named.keys() | {kept for kept, _ in named.values()}

    def look(records: Iterator[ImageRecord], _: Ledger) -> dict[int, str]:
        return {key: record.name for record in records if (key := number_of(record.name)) in wanted}

    names: dict[int, str] = {}
    for part in Audience(Ledger()).results(dataset, look, effort, phase="naming duplicates"):
        names |= part
    pairs = ", ".join(f"{names[key]} is {names[kept]}" for key, (kept, _) in named.items())
    more = f" and {len(gone) - NAMED:,} more" if len(gone) > NAMED else ""
    return (f"Duplicates: {pairs}{more}.",)


TRANSFORM = Transform(STEP, Dedupe, apply)
