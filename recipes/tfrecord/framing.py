"""How records lie in a TFRecord file: length, its checksum, the bytes, their checksum; one after the other, no header, no index.

Source: tensorflow/core/lib/io/record_writer.h: uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C
of the bytes, all little-endian. A file may also be compressed as a whole (tf.io.TFRecordOptions, "GZIP").
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Sequence
from functools import reduce
from struct import Struct

import google_crc32c

from recipes.errors import Defects, FormatError, Where

HEAD = Struct("<QI")
CHECKSUM = Struct("<I")
CUT_OFF = "The file ends within this record."
LARGEST_RECORD = 64 * 1024**2
"""Bytes. No image that is trained on takes more; what parsing a record takes is bounded by it."""


def masked(checksum: int) -> int:
    """A checksum as it is stored: so that the checksum of bytes that hold checksums stays a good one."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed(pieces: Sequence[bytes]) -> tuple[bytes, ...]:
    """A record that comes in pieces, with what stands before and behind it in its file."""
    length = sum(map(len, pieces)).to_bytes(8, "little")
    checksum = reduce(google_crc32c.extend, pieces, 0)
    return length + CHECKSUM.pack(masked(google_crc32c.value(length))), *pieces, CHECKSUM.pack(masked(checksum))


def is_head(head: bytes) -> bool:
    """Whether bytes begin as a TFRecord file does: with a length that its checksum confirms."""
    return len(head) >= HEAD.size and masked(google_crc32c.value(head[:8])) == CHECKSUM.unpack_from(head, 8)[0]


class RecordIndex:
    """Where the records of some files lie, and the checksums they must have: 24 bytes a record."""

    def __init__(self) -> None:
        self.files = array("I")
        self.starts = array("Q")
        self.lengths = array("Q")
        self._checksums = array("I")
        self._firsts = array("Q")

    def __len__(self) -> int:
        return len(self.starts)

    def add_file(self, path: str, name: str, defects: Defects, region: tuple[int, int] | None = None) -> None:
        """Take in the records of the next file, or of a region (start, end) of one; a defect where it does not end with a record."""
        file = len(self._firsts)
        self._firsts.append(len(self))
        handle = os.open(path, os.O_RDONLY)
        try:
            for start, length, checksum in _records(handle, *(region or (0, os.fstat(handle).st_size))):
                self.files.append(file)
                self.starts.append(start)
                self.lengths.append(length)
                self._checksums.append(checksum)
        except FormatError as error:
            defects.add(error.message, Where(name, key=f"record {len(self) - self._firsts[file] + 1}"))
        finally:
            os.close(handle)

    def number(self, record: int) -> int:
        """The number of a record in its file, from 1."""
        return record - self._firsts[self.files[record]] + 1

    def read(self, record: int, handle: int) -> bytes:
        """The bytes of a record; handle is its file. FormatError where they do not have their checksum."""
        data = os.pread(handle, self.lengths[record], self.starts[record])
        if masked(google_crc32c.value(data)) != self._checksums[record]:
            raise FormatError("The record is damaged: its checksum is another one.")
        return data


def _records(handle: int, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Start, length and checksum of every record; FormatError where there is none where one should be."""
    start = begin + HEAD.size
    between = os.pread(handle, min(HEAD.size, end - begin), begin)
    while between:
        if len(between) < HEAD.size:
            raise FormatError(CUT_OFF)
        length, stored = HEAD.unpack(between)
        if masked(google_crc32c.value(between[:8])) != stored:
            raise FormatError("There is no record here: what should be its length does not have its checksum.")
        if length > end - start - CHECKSUM.size:
            raise FormatError(CUT_OFF)
        if length > LARGEST_RECORD:
            raise FormatError(f"The record takes {length:,} bytes; more than {LARGEST_RECORD:,} are refused.")
        behind = os.pread(handle, min(CHECKSUM.size + HEAD.size, end - start - length), start + length)  # with the head of the next record
        if len(behind) < CHECKSUM.size:  # somebody is cutting it off just now
            raise FormatError(CUT_OFF)
        yield start, length, CHECKSUM.unpack_from(behind)[0]
        start += length + len(behind)
        between = behind[CHECKSUM.size :]
