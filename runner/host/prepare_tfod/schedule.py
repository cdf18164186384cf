"""How many steps a training takes, when it saves, and its learning rate. Arithmetic on protos; imports no framework."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .errors import BadSpecError

ITERATION = 100
"""model_main_tf2.py trains this many steps between two looks at its target (NUM_STEPS_PER_ITERATION): it ends and saves only there."""

_BASE = {
    "constant_learning_rate": "learning_rate",
    "exponential_decay_learning_rate": "initial_learning_rate",
    "manual_step_learning_rate": "initial_learning_rate",
    "cosine_decay_learning_rate": "learning_rate_base",
}
_OTHER_RATES = ("warmup_learning_rate", "burnin_learning_rate", "min_learning_rate")
_STEPS = ("total_steps", "warmup_steps", "hold_base_rate_steps", "decay_steps", "burnin_steps")


class Steps(NamedTuple):
    """A training's last step, and the steps between two checkpoints."""

    last: int
    between_saves: int


def planned(done: int, wanted: int, every: float) -> Steps:
    """The stock program's steps from ``done`` to at least ``wanted``, with a save about every ``every`` steps and one at the very end.

    It saves only once the interval is full again, and never at its end; so the interval must divide the way.
    """
    iterations = max(1, math.ceil((wanted - done) / ITERATION))
    interval = max(1, round(every / ITERATION))
    fewer, more = max(1, iterations // interval), max(1, math.ceil(iterations / interval))
    saves = min((more, fewer), key=lambda count: count * math.ceil(iterations / count))
    interval = math.ceil(iterations / saves)
    return Steps(done + saves * interval * ITERATION, interval * ITERATION)


def base_rate(train_config: Any) -> float:
    """The learning rate of a train_config, as people write it."""
    schedule, field = _schedule(train_config)
    return float("%.7g" % getattr(schedule, field))


def set_schedule(train_config: Any, steps: int, lr: float | None) -> None:
    """A training of so many steps: what was written for another length and learning rate keeps its proportions."""
    schedule, field = _schedule(train_config)
    written_for = getattr(schedule, "total_steps", 0) or train_config.num_steps or steps
    stretch = steps / written_for
    for name in _STEPS:
        if name in schedule.DESCRIPTOR.fields_by_name and getattr(schedule, name):
            setattr(schedule, name, max(1, round(getattr(schedule, name) * stretch)))
    for part in getattr(schedule, "schedule", ()):
        part.step = max(1, round(part.step * stretch))
    if "total_steps" in schedule.DESCRIPTOR.fields_by_name:
        schedule.total_steps = steps
    train_config.num_steps = steps
    if lr is not None and getattr(schedule, field):
        _scale(schedule, field, lr)


def _scale(schedule: Any, field: str, lr: float) -> None:
    factor = lr / getattr(schedule, field)
    setattr(schedule, field, lr)
    for name in _OTHER_RATES:
        if name in schedule.DESCRIPTOR.fields_by_name and getattr(schedule, name):
            setattr(schedule, name, float("%.7g" % (getattr(schedule, name) * factor)))
    for part in getattr(schedule, "schedule", ()):
        part.learning_rate = float("%.7g" % (part.learning_rate * factor))


def _schedule(train_config: Any) -> tuple[Any, str]:
    """(the schedule's message, its field that is the learning rate)."""
    optimizer = train_config.optimizer.WhichOneof("optimizer")
    rate = getattr(train_config.optimizer, optimizer).learning_rate if optimizer else None
    kind = rate.WhichOneof("learning_rate") if rate else None
    if kind is None:
        raise BadSpecError("The pipeline config sets no learning rate.", "train_config.optimizer")
    return getattr(rate, kind), _BASE[kind]
