"""Log parsers in tests: what they yield as text, and which case is whose."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.frameworks.base import LogParser
from runner.frameworks.known_logs import LOG_PARSERS

CASES = sorted((Path(__file__).parents[1] / "cases" / "logs").glob("*.log"))
SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
_FAMILIES = {"mmdet1": "mmdet", "mmdet2": "mmdet", "mmdet3": "mmdet", "mmdetjson": "mmdet-json"}

MakeParser = Callable[[], LogParser]


def family(case: Path) -> str:
    """The name of the parser that a case belongs to, from the case's name."""
    prefix = case.stem.split("_", 1)[0]
    return _FAMILIES.get(prefix, prefix)


def make_parser(case: Path) -> MakeParser:
    return LOG_PARSERS[family(case)]


def described(record: Record) -> str:
    if isinstance(record, Progress):
        values = "".join(f" {key}={value}" for key, value in record.values.items())
        head = f"progress epoch={record.epoch} iteration={record.iteration}/{record.iterations} loss={record.loss} lr={record.lr}"
        return f"{head} eta_s={record.eta_s} step_s={record.step_s} memory_mib={record.memory_mib}{values}"
    if isinstance(record, Evaluation):
        classes = "".join(f" {name!r}={ap}" for name, ap in record.per_class.items())
        head = f"evaluation epoch={record.epoch} {record.task} ap={record.ap} ap50={record.ap50} ap75={record.ap75}"
        return f"{head} small={record.ap_small} medium={record.ap_medium} large={record.ap_large}{classes}"
    assert isinstance(record, Checkpoint)
    return f"checkpoint {record.name} epoch={record.epoch}{' best' if record.best else ''}{' removed' if record.removed else ''}"


def parsed(make: MakeParser, data: bytes, cuts: Sequence[int] = ()) -> list[str]:
    """What a fresh parser yields for the data, cut at these places."""
    parser = make()
    return [described(record) for start, end in itertools.pairwise([0, *cuts, len(data)]) for record in parser.feed(data[start:end])]
