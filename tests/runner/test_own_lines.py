"""Lines of our own programs in a log: read in any chunking, beside the framework's, and hostile ones passed over."""

from __future__ import annotations

import json
import random

import pytest

from runner.entities import Checkpoint, Evaluation, Progress, Record, WorkResult, WorkStep
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.own_lines import OwnLines

TRAIN = (
    b"2023/06/09 17:22:22 - mmengine - INFO - Epoch(train)  [1][10/20]  lr: 2.0000e-02  eta: 0:39:15  "
    b"time: 0.0578  data_time: 0.0017  loss: 1.5\n"
)
CHECKPOINT = {"signalbox": "checkpoint", "name": "ckpt-3", "epoch": 2, "size_bytes": 12_000}
EVALUATION = {"signalbox": "evaluation", "epoch": 2, "task": "proposal", "ap": None, "recall": {"AR@100": 0.5}, "per_class": {"fish": -1}}
STEP = {"signalbox": "step", "phase": "predicting", "done": 3, "total": 10}
RESULT = {"signalbox": "result", "summary": {"pictures": 3}}
LOG = TRAIN + b"".join(json.dumps(each).encode() + b"\n" for each in (CHECKPOINT, EVALUATION, STEP, RESULT)) + TRAIN.replace(b"10/", b"20/")


def read(chunks: list[bytes]) -> list[Record]:
    parser = OwnLines(MmdetLogParser())
    return [record for chunk in chunks for record in parser.feed(chunk)]


def test_every_line_of_ours_is_a_record_beside_the_frameworks() -> None:
    records = read([LOG])

    assert [type(record) for record in records].count(Progress) == 2
    assert Checkpoint("ckpt-3", 2, size_bytes=12_000) in records
    assert Evaluation(2, "proposal", None, per_class={"fish": None}, recall={"AR@100": 0.5}) in records
    assert WorkStep("predicting", 3, 10) in records
    assert WorkResult({"pictures": 3}) in records


@pytest.mark.parametrize("seed", range(5))
def test_chunks_change_nothing(seed: int) -> None:
    cuts = sorted(random.Random(seed).sample(range(len(LOG)), 40))
    chunks = [LOG[a:b] for a, b in zip([0, *cuts], [*cuts, len(LOG)], strict=True)]

    by_kind = sorted(map(repr, read([LOG])))
    assert sorted(map(repr, read(chunks))) == by_kind
    assert sorted(map(repr, read([LOG[i : i + 1] for i in range(len(LOG))]))) == by_kind


def test_what_is_pending_is_read_again_from_there() -> None:
    line = json.dumps(STEP).encode() + b"\n"
    parser = OwnLines(MmdetLogParser())
    assert parser.feed(TRAIN + line[:20])
    fed = len(TRAIN) + 20 - parser.pending_bytes
    assert WorkStep("predicting", 3, 10) in read([(TRAIN + line)[fed:]])


@pytest.mark.parametrize("line", [
    b'{"signalbox": "checkpoint"}', b'{"signalbox": "checkpoint", "name": 3, "epoch": 1}', b'{"signalbox": "result", "summary": []}',
    b'{"signalbox": "checkpoint", "name": "a", "epoch": -1}', b'{"signalbox": "evaluation", "epoch": 1}',
    rb'{"signalbox": "checkpoint", "name": "\ud800", "epoch": 1}', b'{"signalbox": ["x"]}', b'{"signalbox":',
    b'{"signalbox": ' + b"[" * 5000, b'{"signalbox": "step", "phase": "", "done": 1}', b'{"signalbox": "unheard of"}',
])
def test_what_is_none_of_ours_is_passed_over(line: bytes) -> None:
    assert read([line + b"\n"]) == []


def test_a_share_that_is_no_number_of_ours_is_undefined() -> None:
    line = b'{"signalbox": "evaluation", "epoch": 1, "task": "bbox", "ap": ' + b"9" * 400 + b', "ap50": NaN}\n'
    assert read([line]) == [Evaluation(epoch=1, task="bbox", ap=None)]
