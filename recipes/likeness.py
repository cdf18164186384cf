"""Pictures that look the same: difference hashes, and the nearest of many without comparing all with all."""

from __future__ import annotations

import warnings
from collections import defaultdict
from io import BytesIO
from itertools import pairwise

from recipes.contents import contents
from recipes.dataset import ImageRecord
from recipes.errors import FormatError, Where

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
