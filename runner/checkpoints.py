"""Which checkpoints of a run may be started from or used, the most wanted first; whether they are whole, preparing finds out."""

from __future__ import annotations

from collections.abc import Sequence

from runner.entities import Checkpoint
from runner.errors import RequestError
from runner.frameworks.base import Framework
from runner.service.house import House
from runner.specs import Start, StartMode
from runner.store import progress, runs


def candidates(house: House, framework: Framework, start: Start, *, best_first: bool = False) -> tuple[str, ...]:
    """Absolute paths on the host of the checkpoints of ``start.run_id``: newest first, or the best one before these.

    RequestError where ``start.checkpoint`` names one that the run did not write.
    """
    if start.mode is StartMode.FRESH or start.run_id is None:
        return ()
    db = house.store.reading()
    directories = {attempt.number: attempt.directory for attempt in runs.attempts(db, start.run_id)}
    written = progress.checkpoints(db, start.run_id)
    if start.checkpoint is not None:
        written = _chosen(written, start.run_id, start.checkpoint)
    ordered = sorted(written, key=lambda pair: (best_first and pair[1].best, pair[1].epoch, pair[0], not pair[1].best), reverse=True)
    return tuple(f"{directories[number]}/{framework.checkpoint_folder}/{item.name}" for number, item in ordered)


def _chosen(written: Sequence[tuple[int, Checkpoint]], run_id: str, wanted: str) -> list[tuple[int, Checkpoint]]:
    chosen = [(number, item) for number, item in written if _short(item.name) == _short(wanted) or (wanted == "best" and item.best)]
    if not chosen:
        names = ", ".join(_short(item.name) for _, item in written) or "none"
        raise RequestError(f"{run_id} has no checkpoint {wanted}; it wrote: {names}.")
    return chosen


def _short(name: str) -> str:
    return name.removesuffix(".pth")
