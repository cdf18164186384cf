"""What differs between trainings: what they were asked for, what was resolved of it on the host, and what came of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from recipes.catalog.versions import DatasetVersion
from recipes.errors import DatasetError
from runner.entities import Run
from runner.errors import RequestError
from runner.preparing import prepared_from
from runner.service import views
from runner.service.datasets import frozen
from runner.service.house import House
from runner.service.views import RunView
from runner.specs import TrainSpec
from runner.start_checkpoints import shown_start
from runner.store import attempts

MOST_RUNS = 6
_CONTEXT = 1


@dataclass(frozen=True, slots=True)
class Comparison:
    """``settings`` maps what differs to its value in each run, in the runs' order; what is the same everywhere is left out.

    ``config`` is the difference of the resolved configs of the first two as a unified diff; None where one was not resolved yet.
    ``gpu_hours`` is what each held devices for. ``data`` are the dataset versions of the first two, where these differ and are still there.
    """

    views: Sequence[RunView]
    settings: Mapping[str, Sequence[str]]
    config: Sequence[str] | None
    gpu_hours: Sequence[float] = ()
    data: tuple[DatasetVersion, DatasetVersion] | None = None


def compare(house: House, run_ids: Sequence[str]) -> Comparison:
    """Two runs or more. RequestError for what is no training, or too many."""
    if not 2 <= len(dict.fromkeys(run_ids)) <= MOST_RUNS:
        raise RequestError(f"Between 2 and {MOST_RUNS} different trainings can be compared, for example `compare r-7f3k r-9abc`.")
    shown = [views.view(house, run_id) for run_id in dict.fromkeys(run_ids)]
    for view in shown:
        if not isinstance(view.run.spec, TrainSpec):
            raise RequestError(f"{view.run.id} is {view.run.kind.value}, not a training; only trainings are compared.")
    settings = [_settings(view.run) for view in shown]
    keys = dict.fromkeys(key for each in settings for key in each)
    rows = {key: [each.get(key, "–") for each in settings] for key in keys}
    return Comparison(
        shown, {key: row for key, row in rows.items() if len(set(row)) > 1}, _config_diff(shown[0].run, shown[1].run),
        [_gpu_hours(house, view.run) for view in shown], _data(house, shown[0].run, shown[1].run),
    )


def _gpu_hours(house: House, run: Run) -> float:
    """Of every attempt, from its start to its end; of what is at work until now."""
    spent = timedelta(0)
    for attempt in attempts.of(house.store.reading(), run.id):
        if attempt.claimed_at is not None:
            ended = attempt.ended_at or run.ended_at or house.now()
            spent += max(attempt.devices, 1) * (ended - attempt.claimed_at)
    return spent.total_seconds() / 3600


def _data(house: House, old: Run, new: Run) -> tuple[DatasetVersion, DatasetVersion] | None:
    first, second = (run.spec.dataset for run in (old, new) if isinstance(run.spec, TrainSpec))
    if first == second:
        return None
    try:
        return frozen(house, first), frozen(house, second)
    except (RequestError, DatasetError):  # one was removed since
        return None


def _settings(run: Run) -> dict[str, str]:
    """What a training was asked for, and what was resolved of it."""
    spec = run.spec
    assert isinstance(spec, TrainSpec)
    prepared = prepared_from(run.prepared) if run.prepared else None
    preset, given = spec.preset, spec.overrides
    start = (spec.start.mode.value, spec.start.run_id, spec.start.checkpoint, preset.start and shown_start(preset.start))
    told = {
        "preset": preset.name, "framework": preset.framework, "config": preset.config, "dataset": str(spec.dataset),
        "start": " ".join(filter(None, start)),
        "epochs": prepared.epochs if prepared else given.epochs or preset.epochs,
        "batch a GPU": prepared.batch if prepared else given.batch or preset.batch,
        "GPUs": spec.gpus,
        "learning rate": f"{prepared.lr if prepared else given.lr or preset.lr:.4g}",
        "seed": preset.seed,
        "framework's revision": prepared.revision if prepared else "–",
        "own code": "/".join(sorted({digest[:8] for digest in preset.code.values()})) or "–",
    }
    options = {key: str(value) for key, value in preset.options.items()}
    raw = dict(option.partition("=")[::2] for option in given.options)
    return {key: str(value) for key, value in told.items()} | options | {f"-- {key}": value for key, value in raw.items()}


def _config_diff(old: Run, new: Run) -> list[str] | None:
    if not old.prepared or not new.prepared:
        return None
    texts = [prepared_from(run.prepared or {}).config.splitlines() for run in (old, new)]
    return list(difflib.unified_diff(texts[0], texts[1], old.id, new.id, lineterm="", n=_CONTEXT))
