"""Checkpoints that MMDetection 3 deletes without a word: of those of the epochs only the newest stay (mmengine 0.10, CheckpointHook)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.entities import Checkpoint, Record
from runner.frameworks.base import LogParser


class KeptCheckpoints:
    """A log parser that also tells which checkpoint goes when a new one is saved; ``keep`` stay, one is saved every epoch."""

    def __init__(self, inner: LogParser, keep: int) -> None:
        self._inner = inner
        self._keep = keep

    @property
    def pending_bytes(self) -> int:
        """How many of the bytes fed belong to a record not yet complete."""
        return self._inner.pending_bytes

    def feed(self, data: bytes) -> Sequence[Record]:
        """The records that ``data`` completes; never raises."""
        return [each for record in self._inner.feed(data) for each in self._with_removed(record)]

    def _with_removed(self, record: Record) -> Iterator[Record]:
        yield record
        if isinstance(record, Checkpoint) and record.name == _of_epoch(record.epoch) and record.epoch > self._keep:
            gone = record.epoch - self._keep
            yield Checkpoint(_of_epoch(gone), gone, removed=True)


def _of_epoch(epoch: int) -> str:
    return f"epoch_{epoch}.pth"
