"""How much of the machine long work may take, and who is told how far it has come.

Work that falls into numbered pieces runs in forked processes: process k of n takes the pieces k, k + n, k + 2n, … and the
results come back in the order of the pieces. So the result does not depend on how many processes there were.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from recipes.errors import DatasetError
from recipes.progress import Progress, silent

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

Result = TypeVar("Result")
END_S = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """processes: how many may work at once. scratch: where large intermediate files go (None: where the system keeps them).

    More than one process is for programs that have no other thread when the work begins.
    """

    processes: int = 1
    progress: Progress = silent
    scratch: Path | None = None

    def ordered(self, work: Callable[[int], Result], count: int, *, phase: str, total: int) -> Iterator[Result]:
        """The results of work(0) … work(count - 1), in that order; progress goes up to total as they come.

        An exception of a piece is raised when its turn comes. DatasetError where a process was killed.
        """
        self.progress(0, total, phase)
        pieces = map(work, range(count)) if self.processes < 2 or count < 2 else _forked(work, count, min(self.processes, count))
        for done, result in enumerate(pieces, start=1):
            self.progress(total * done // count, total, phase)
            yield result


ALONE = Effort()
"""One process, and nobody to tell."""


def _forked(work: Callable[[int], Result], count: int, processes: int) -> Iterator[Result]:
    import multiprocessing  # one process does without it

    context = multiprocessing.get_context("fork")
    receivers: list[Connection] = []
    children: list[ForkProcess] = []
    try:
        for number in range(processes):
            receiver, sender = context.Pipe(duplex=False)
            receivers.append(receiver)
            child = context.Process(target=_work_off, args=(work, range(number, count, processes), sender, tuple(receivers)), daemon=True)
            child.start()
            children.append(child)
            sender.close()
        for piece in range(count):
            yield _received(receivers[piece % processes])
    finally:
        for receiver in receivers:
            receiver.close()
        for child in children:
            child.terminate()
            child.join(END_S)
            child.close()


def _work_off(work: Callable[[int], Result], pieces: range, sender: Connection, inherited: tuple[Connection, ...]) -> None:
    """The life of a forked process. It holds no end to read from, so it ends with the process that waits for it."""
    for receiver in inherited:
        receiver.close()
    try:
        for piece in pieces:
            sender.send_bytes(_outcome(work, piece))
    except BrokenPipeError:
        os._exit(1)


def _outcome(work: Callable[[int], Result], piece: int) -> bytes:
    try:
        return pickle.dumps((work(piece), None), pickle.HIGHEST_PROTOCOL)
    except Exception as error:  # noqa: BLE001 - raised again where the result is waited for
        return pickle.dumps((None, error), pickle.HIGHEST_PROTOCOL)


def _received(receiver: Connection) -> Any:
    try:
        result, error = pickle.loads(receiver.recv_bytes())  # noqa: S301 - from our own child
    except EOFError:
        raise DatasetError("A process of the conversion was killed.", remedy="Look for a lack of memory and try again.") from None
    if error is not None:
        raise error
    return result
