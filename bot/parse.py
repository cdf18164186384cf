"""`signalbox parse`: what a training log holds, for anybody who has one at hand."""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bot.views.words import count
from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.errors import RequestError
from runner.service.log_reading import FRAMEWORKS, LogFile, open_log

MOST_ROWS = 20
_DESCRIPTION = """Print what a training log holds: progress, evaluations, checkpoints, and why it ended. Knows MMDetection 0.5 to 3.x
(text and JSON), M2Det, the TF2 Object Detection API and pycocotools' tables. Nothing is changed, and no server is asked."""
_T = TypeVar("_T")


def parse(words: Sequence[str]) -> int:
    """Print one log: as a table, or as one JSON object a line. RequestError where it cannot be read or nothing in it is known."""
    options = _parser().parse_args(words)
    log = open_log(options.file, framework=options.framework)
    lines = _objects(log) if options.json else _table(log)
    for line in lines:
        sys.stdout.write(line + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="signalbox parse", description=_DESCRIPTION)
    parser.add_argument("file", type=Path, help="the log")
    parser.add_argument("--framework", choices=FRAMEWORKS, help="what wrote it; found out unless said")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; the diagnosis comes last")
    return parser


def _objects(log: LogFile) -> Iterator[str]:
    for record in log.records():
        yield _json({"kind": type(record).__name__.lower(), **_fields(record)})
    end = log.diagnosis
    told = {"reason": end.reason, "sentence": end.sentence, "remedy": end.remedy} if end else {"reason": None}
    yield _json({"kind": "diagnosis", "framework": log.framework, **told})


def _fields(record: Record) -> dict[str, object]:
    if isinstance(record, Progress):
        return record._asdict()
    return {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}


def _json(value: Mapping[str, object]) -> str:
    return json.dumps({key: _written(each) for key, each in value.items()}, ensure_ascii=False, allow_nan=False)


def _written(value: object) -> object:
    """JSON has no NaN and no infinity: they are written as words, as protobuf does."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return {key: _written(each) for key, each in value.items()} if isinstance(value, Mapping) else value


class _Thinned(list[_T]):
    """A list that keeps few of very many."""

    def keep(self, item: _T) -> None:
        self.append(item)
        if len(self) > 1000 * MOST_ROWS:
            del self[1::2]


class _Summary:
    """What of a log's records a table shows."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.counts = {Progress: 0, Evaluation: 0, Checkpoint: 0}
        self.points, self.ends = _Thinned[Progress](), _Thinned[Progress]()
        self.evaluations: _Thinned[Evaluation] = _Thinned()
        self.best: Evaluation | None = None
        self.checkpoint: Checkpoint | None = None
        self.best_checkpoint: Checkpoint | None = None
        for record in records:
            self._note(record)

    def _note(self, record: Record) -> None:
        if isinstance(record, Progress):
            self.points.keep(record)
            if self.ends and self.ends[-1].epoch == record.epoch:
                self.ends.pop()
            self.ends.keep(record)
        elif isinstance(record, Evaluation):
            self.evaluations.keep(record)
            if record.ap is not None and (self.best is None or record.ap > (self.best.ap or 0.0)):
                self.best = record
        elif isinstance(record, Checkpoint):
            if not record.removed:
                self.checkpoint, self.best_checkpoint = record, record if record.best else self.best_checkpoint
        else:
            return
        self.counts[type(record)] += 1


def _table(log: LogFile) -> Iterator[str]:
    summary = _Summary(log.records())
    points, evaluations, checkpoints = summary.counts.values()
    if not any(summary.counts.values()) and log.diagnosis is None:
        raise RequestError(
            f"Nothing in {log.path} is known: no line is one that {', '.join(FRAMEWORKS[:-1])} or {FRAMEWORKS[-1]} writes, "
            "and its end tells of no failure. Is it a training log?"
        )
    yield f"{log.framework or 'unknown'}: {count(points, 'point')}, {count(evaluations, 'evaluation')}, {count(checkpoints, 'checkpoint')}"
    if points:
        yield ""
        yield from _aligned(("epoch", "iteration", "loss", "lr", "s/iteration"), map(_point, _spread(summary)))
    if evaluations:
        yield ""
        results = [_result(each, summary) for each in summary.evaluations[-MOST_ROWS:]]
        yield from _aligned(("epoch", "task", "AP", "AP50", "AP75", "small", "medium", "large", ""), results)
    for words, checkpoint in (("last", summary.checkpoint), ("best", summary.best_checkpoint)):
        if checkpoint:
            yield f"\n{words} checkpoint: {_safe(checkpoint.name)}"
    if points and not math.isfinite(summary.points[-1].loss or 0.0):
        yield "\nThe last loss is no finite number: the training diverged."
    end = log.diagnosis
    yield "\n" + (_safe(f"{end.reason.value}: {end.sentence} {end.remedy}") if end else "Its end tells of no failure.")


def _spread(summary: _Summary) -> Sequence[Progress]:
    """The last point of each epoch, or all points of a single one; of many, some at even distances, the last among them."""
    points = summary.ends if len(summary.ends) > 1 else summary.points
    if len(points) <= MOST_ROWS:
        return points
    return [points[round(place * (len(points) - 1) / (MOST_ROWS - 1))] for place in range(MOST_ROWS)]


def _point(point: Progress) -> tuple[str, ...]:
    inside = f"{point.iteration}/{point.iterations}" if point.iterations else str(point.iteration)
    return (str(point.epoch), inside, *(_number(each, ".5g") for each in (point.loss, point.lr, point.step_s)))


def _result(found: Evaluation, summary: _Summary) -> tuple[str, ...]:
    values = (found.ap, found.ap50, found.ap75, found.ap_small, found.ap_medium, found.ap_large)
    return (str(found.epoch), found.task, *(_number(each, ".3f") for each in values), "best" if found is summary.best else "")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _aligned(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    table = [heads, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    return ("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table)


def _safe(text: str) -> str:
    """A log may hold what moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
