"""Pictures that look the same: difference hashes, and the nearest of many without comparing all with all."""

from __future__ import annotations

import warnings
from array import array
from collections import defaultdict
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

from recipes.checks.contents import contents, number_of
from recipes.dataset import Dataset, ImageRecord
from recipes.effort import Effort
from recipes.errors import Defects, FormatError, Where
from recipes.ledger import Ledger
from recipes.observing import Audience

BITS = 64
WIDTH, HEIGHT = 9, 8
CONTRAST = 8  # of 256 shades
ROOM = 4  # a JPEG is decoded at no less than this many times the size that is compared


def difference_hash(record: ImageRecord) -> int | None:
    """64 bits of a picture: whether it grows brighter to the right, at eight places of eight rows (Krawetz 2013, "dHash").

    None for a picture without contrast, whose bits would say nothing. FormatError where it cannot be decoded.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(BytesIO(contents(record))) as image:
                image.draft("L", (WIDTH * ROOM, HEIGHT * ROOM))
                pixels = image.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX).tobytes()
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise FormatError(f"The image cannot be decoded: {error}.", where=Where(record.name)) from error
    if max(pixels) - min(pixels) < CONTRAST:
        return None
    bits = 0
    for row in range(0, WIDTH * HEIGHT, WIDTH):
        for column in range(row, row + WIDTH - 1):
            bits = bits << 1 | (pixels[column] < pixels[column + 1])
    return bits


def alike(dataset: Dataset, near: int, effort: Effort) -> dict[int, int]:
    """The images that look like an earlier one, and those earlier ones: number of the name -> number of the earlier one's name.

    The earlier one is the first that differs in ``near`` bits at most among those that are like none before them, so that a slow pan
    does not become one picture link by link. Images with edits to be done are not looked at. FormatError names all that are damaged.
    """

    def look(records: Iterator[ImageRecord], _: Ledger) -> tuple[array[int], Defects]:
        hashes, defects = array("Q"), Defects()
        for record in records:
            if record.path is None or record.edits:
                continue
            try:
                bits = difference_hash(record)
            except FormatError as error:
                defects.add_error(error)
                continue
            if bits is not None:
                hashes.extend((number_of(record.name), bits))
        return hashes, defects

    leaders, all_defects = Leaders(near), Defects()
    found: dict[int, int] = {}
    for hashes, defects in Audience(Ledger()).results(dataset, look, effort, phase="comparing pictures"):
        all_defects.merge(defects)
        for place in range(0, len(hashes), 2):
            leader = leaders.leader_of(hashes[place], hashes[place + 1])
            if leader != hashes[place]:
                found[leader] = leader
                found[hashes[place]] = leader
    all_defects.raise_if_any("The set of images", remedy="Mend them or leave them out.")
    return found


class Leaders:
    """Hashes, each of them further than ``distance`` bits from all before it.

    Of distance + 1 parts of a hash, two hashes that are that near have one in common: only hashes that share a part are compared.
    """

    def __init__(self, distance: int) -> None:
        self._distance = distance
        edges = [BITS * number // (distance + 1) for number in range(distance + 2)]
        self._parts = [(low, (1 << (high - low)) - 1) for low, high in pairwise(edges)]
        self._leaders: dict[int, tuple[int, int]] = {}  # hash -> place in the order, key
        self._sharing: defaultdict[tuple[int, int], list[int]] = defaultdict(list)

    def leader_of(self, key: int, bits: int) -> int:
        """The key of the leader that is near enough, the earliest of them; or this key, which is a leader from now on."""
        if bits in self._leaders:
            return self._leaders[bits][1]
        shares = [(low, bits >> low & mask) for low, mask in self._parts]
        near = [
            self._leaders[other]
            for share in shares
            for other in self._sharing.get(share, ())
            if (other ^ bits).bit_count() <= self._distance
        ]
        if near:
            return min(near)[1]
        self._leaders[bits] = len(self._leaders), key
        for share in shares:
            self._sharing[share].append(bits)
        return key
