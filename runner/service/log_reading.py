"""What a training log at hand holds. Needs no run, no database and no settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner.diagnosis import diagnose
from runner.entities import Diagnosis, Record
from runner.errors import RequestError
from runner.frameworks.known_logs import LOG_PARSERS, recognised
from runner.states import Reason

FRAMEWORKS = tuple(LOG_PARSERS)
"""The names of all that writes logs which can be read."""

_CHUNK = 1024 * 1024
_TAIL = 128 * 1024


@dataclass(frozen=True, slots=True)
class LogFile:
    """A log, the name of what wrote it (None where no line of it is known) and why it ended (None where its end tells of no failure)."""

    path: Path
    framework: str | None
    diagnosis: Diagnosis | None

    def records(self) -> Iterator[Record]:
        """What the log holds, in its order and in bounded memory."""
        if self.framework is None:
            return
        parser = LOG_PARSERS[self.framework]()
        for chunk in _chunks(self.path):
            yield from parser.feed(chunk)


def open_log(path: Path, *, framework: str | None = None) -> LogFile:
    """The log at that path; what wrote it is found out unless said. RequestError where it cannot be read."""
    if not path.is_file():
        raise RequestError(f"{path} is {'not a file that can be read' if path.exists() else 'not there'}. Name the file of a training log.")
    try:
        return LogFile(path, framework or recognised(_chunks(path)), _end(path))
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror}. Check its rights, or copy it first.") from error


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
    yield b"\n"  # a last line without its end is one


def _end(path: Path) -> Diagnosis | None:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL))
        diagnosis = diagnose(exit_code=0, tail=file.read(_TAIL))  # how the program ended is not in the log
    return None if diagnosis.reason is Reason.NONZERO_EXIT else diagnosis
