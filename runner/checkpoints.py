"""Which checkpoints of a run are there, the most wanted first; whether they are whole, preparing finds out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlite_utils import Database

from runner.entities import Attempt, Checkpoint, Evaluation
from runner.errors import RequestError
from runner.frameworks.base import Framework
from runner.service.house import House
from runner.specs import Start, StartMode
from runner.store import attempts, progress

BEST, LATEST = "best", "latest"


@dataclass(frozen=True, slots=True)
class Left:
    """A checkpoint, and the attempt that left it."""

    attempt: Attempt
    checkpoint: Checkpoint


def candidates(house: House, framework: Framework, start: Start, *, best_first: bool = False) -> tuple[str, ...]:
    """Absolute paths on the host of the checkpoints of ``start.run_id``: newest first, or the best one before these.

    RequestError where ``start.checkpoint`` names one that the run did not leave.
    """
    if start.mode is StartMode.FRESH or start.run_id is None:
        return ()
    ordered = wanted(house.store.reading(), start.run_id, start.checkpoint, best_first=best_first)
    return tuple(f"{left.attempt.directory}/{framework.checkpoint_folder}/{left.checkpoint.name}" for left in ordered)


def wanted(db: Database, run_id: str, checkpoint: str | None = None, *, best_first: bool = False) -> list[Left]:
    """The checkpoints of a run that are there, newest first, or the best one before these; of those only ``checkpoint`` where it is
    named: as its file is (``epoch_12``), by its epoch where no file is called so, or as ``best`` or ``latest``."""
    there = sorted(_left(db, run_id), key=lambda left: (*_age(left), not left.checkpoint.best), reverse=True)
    best = _best(there, measured(progress.evaluations(db, run_id)))
    if best_first:
        there = [*best, *(left for left in there if left not in best)]
    return there if checkpoint is None else _named(there, best, run_id, checkpoint)


def best(db: Database, run_id: str) -> Left | None:
    """The best checkpoint that is there, if it is known which that is."""
    return next(iter(_best(wanted(db, run_id), measured(progress.evaluations(db, run_id)))), None)


def measured(evaluations: Sequence[Evaluation]) -> Mapping[int, float]:
    """mAP by epoch: of boxes where there are several."""
    by_importance = sorted(evaluations, key=lambda item: item.task == "bbox")
    return {item.epoch: item.ap for item in by_importance if item.ap is not None}


def short_name(name: str) -> str:
    """As people name it: without what says that it is torch's."""
    return name.removesuffix(".pth")


def _age(left: Left) -> tuple[int, int]:
    return left.checkpoint.epoch, left.attempt.number


def _left(db: Database, run_id: str) -> list[Left]:
    by_number = {attempt.number: attempt for attempt in attempts.of(db, run_id)}
    return [Left(by_number[number], item) for number, item in progress.checkpoints(db, run_id) if not item.removed]


def _best(there: Sequence[Left], measures: Mapping[int, float]) -> list[Left]:
    """Those that the framework calls so, newest first; where it calls none so, the one whose epoch measured most."""
    called = [left for left in there if left.checkpoint.best]
    known = [left for left in there if left.checkpoint.epoch in measures]
    return called or sorted(known, key=lambda left: measures[left.checkpoint.epoch], reverse=True)[:1]


def _named(there: Sequence[Left], best: Sequence[Left], run_id: str, name: str) -> list[Left]:
    if name == LATEST:
        chosen = sorted(there, key=_age, reverse=True)[:1]
    elif name == BEST:
        chosen = [*best]
    else:
        called = [left for left in there if short_name(left.checkpoint.name) == short_name(name)]
        chosen = called or [left for left in there if f"epoch_{left.checkpoint.epoch}" == name]
    if not chosen:
        names = ", ".join(short_name(left.checkpoint.name) for left in there) or "none"
        raise RequestError(f"{run_id} has no checkpoint {name}; it left: {names}.")
    return chosen
