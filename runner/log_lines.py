"""Cuts a log that arrives in any chunks into lines, with bounded memory."""

from __future__ import annotations

import re

LONGEST = 64 * 1024
"""Bytes. A longer line is no record of any system we read (a progress bar without end, binary garbage): it is skipped."""


class LineReader:
    """Complete lines out of chunks; a line ends with a newline, a carriage return or both."""

    def __init__(self, *, longest: int = LONGEST) -> None:
        self._longest = longest
        self._open = bytearray()
        self._skipping = False

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a line not yet complete."""
        return len(self._open)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their ends; some may be empty."""
        if b"\n" not in data and b"\r" not in data:
            self._keep(data)
            return []
        lines = (data.replace(b"\r", b"\n") if b"\r" in data else data).split(b"\n")
        rest = lines.pop()
        if self._open:
            lines[0] = bytes(self._open) + lines[0]
            self._open.clear()
        if self._skipping:
            del lines[0]
            self._skipping = False
        self._keep(rest)
        return [line for line in lines if len(line) <= self._longest]

    def _keep(self, data: bytes) -> None:
        if self._skipping:
            return
        self._open += data
        if len(self._open) > self._longest:
            self._open.clear()
            self._skipping = True


_ANSI = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]")


def printed(lines: list[bytes], data: bytes) -> list[bytes]:
    """The lines that ``data`` completed, each as it was printed; only the first holds bytes that came before ``data``."""
    if b"\x1b" in data or b"#" in data or b"*" in data:
        return [as_printed(line) for line in lines]
    return [as_printed(lines[0]), *lines[1:]] if lines else lines


def as_printed(line: bytes) -> bytes:
    """The line without colours, and without what syslog (#011 for a tab) and markdown (** around bold text) made of it."""
    if b"\x1b" in line:
        line = _ANSI.sub(b"", line)
    if b"#" in line:
        line = line.replace(b"#011", b"\t")
    return line.replace(b"**", b"") if b"*" in line else line
