"""How records lie in a TFRecord file: length, its checksum, the bytes, their checksum; one after the other, no header, no index.

Source: tensorflow/core/lib/io/record_writer.h: uint64 length, uint32 masked CRC-32C of the length, the bytes, uint32 masked CRC-32C
of the bytes, all little-endian. A file may also be compressed as a whole (tf.io.TFRecordOptions, "GZIP").
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from struct import Struct

import google_crc32c

from recipes.errors import Defects, FormatError, Where

HEAD = Struct("<QI")
CHECKSUM = Struct("<I")
LARGEST_RECORD = 64 * 1024**2
"""Bytes. No image that is trained on takes more; what parsing a record takes is bounded by it."""


def masked(checksum: int) -> int:
    """A checksum as it is stored: so that the checksum of bytes that hold checksums stays a good one."""
    return ((checksum >> 15 | checksum << 17) + 0xA282EAD8) & 0xFFFFFFFF


def frame(record: bytes) -> tuple[bytes, bytes]:
    """What stands before and behind a record in its file."""
    length = len(record).to_bytes(8, "little")
    return length + CHECKSUM.pack(masked(google_crc32c.value(length))), CHECKSUM.pack(masked(google_crc32c.value(record)))


def is_head(head: bytes) -> bool:
    """Whether bytes begin as a TFRecord file does: with a length that its checksum confirms."""
    return len(head) >= HEAD.size and masked(google_crc32c.value(head[:8])) == CHECKSUM.unpack_from(head, 8)[0]


class RecordIndex:
    """Where the records of some files lie: twenty bytes a record."""

    def __init__(self) -> None:
        self.files = array("I")
        self.starts = array("Q")
        self.lengths = array("Q")
        self.firsts = array("Q")

    def __len__(self) -> int:
        return len(self.starts)

    def add_file(self, path: str, name: str, defects: Defects) -> None:
        """Take in the records of the next file; a defect where it does not end with a record."""
        file = len(self.firsts)
        self.firsts.append(len(self))
        handle = os.open(path, os.O_RDONLY)
        try:
            for start, length in _records(handle, name):
                self.files.append(file)
                self.starts.append(start)
                self.lengths.append(length)
        except FormatError as error:
            defects.add_error(error)
        finally:
            os.close(handle)

    def number(self, record: int) -> int:
        """The number of a record in its file, from 1."""
        return record - self.firsts[self.files[record]] + 1

    def read(self, record: int, handle: int) -> bytes:
        """The bytes of a record; handle is its file. FormatError where its checksum is another one."""
        start, length = self.starts[record], self.lengths[record]
        data = os.pread(handle, length + CHECKSUM.size, start)
        content, stored = data[:length], data[length:]
        if len(stored) < CHECKSUM.size or masked(google_crc32c.value(content)) != CHECKSUM.unpack(stored)[0]:
            raise FormatError("The record is damaged: its checksum is another one.")
        return content


def _records(handle: int, name: str) -> Iterator[tuple[int, int]]:
    """(start, length) of every record."""
    size, position, number = os.fstat(handle).st_size, 0, 0
    pread, unpack, value = os.pread, HEAD.unpack, google_crc32c.value
    while position < size:
        number += 1
        where = Where(name, key=f"record {number}")
        head = pread(handle, HEAD.size, position)
        if len(head) < HEAD.size:
            raise FormatError("The file ends within this record.", where=where, remedy="Send the file again.")
        length, stored = unpack(head)
        if masked(value(head[:8])) != stored:
            reason = "This is no TFRecord file" if number == 1 else "The length of this record is damaged"
            raise FormatError(f"{reason}: the checksum of the length is another one.", where=where)
        if position + HEAD.size + length + CHECKSUM.size > size:
            raise FormatError("The file ends within this record.", where=where)
        if length > LARGEST_RECORD:
            raise FormatError(f"The record takes {length:,} bytes; more than {LARGEST_RECORD:,} are refused.", where=where)
        yield position + HEAD.size, length
        position += HEAD.size + length + CHECKSUM.size
