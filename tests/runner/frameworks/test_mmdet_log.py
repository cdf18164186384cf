"""MMDetection 3.x logs: a case file per line form, real logs where they are at hand, any chunking, hostile bytes."""

from __future__ import annotations

import itertools
import math
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.entities import Checkpoint, Evaluation, Progress, Record
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.log_lines import LONGEST

CASES = sorted((Path(__file__).parents[2] / "cases" / "logs").glob("mmdet3_*.log"))
SAMPLES = Path(__file__).parents[3].parent / "shared" / "samples" / "mmdet3_logs"
LINE = b"11/20 10:14:05 - mmengine - INFO - Epoch(train) [1][%d/9999]  lr: 1e-3  eta: 0:00:03  time: 0.5  data_time: 0.1  loss: 1.5\n"


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
    return f"checkpoint {record.name} epoch={record.epoch}{' best' if record.best else ''}"


def parsed(data: bytes, cuts: list[int] | None = None) -> list[str]:
    parser = MmdetLogParser()
    edges = [0, *(cuts or []), len(data)]
    return [described(record) for start, end in itertools.pairwise(edges) for record in parser.feed(data[start:end])]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    data = case.read_bytes()
    expected = case.with_suffix(".expected.txt").read_text().splitlines()
    assert parsed(data) == expected
    assert parsed(data, list(range(1, len(data)))) == expected


def test_there_are_cases() -> None:
    assert len(CASES) >= 12


@pytest.fixture(params=["cpu_rtmdet/console.log", "notebook_mmdet3.1_balloon.txt", "rtmdet_balloon/20230609_172212/20230609_172212.log"])
def real_log(request: pytest.FixtureRequest) -> bytes:
    path = SAMPLES / str(request.param)
    if not path.is_file():
        pytest.skip(f"the real log {request.param} is not at hand (it is not part of the project)")
    return path.read_bytes() + b"\n"


def test_real_logs_are_the_same_in_any_chunking(real_log: bytes) -> None:
    whole = parsed(real_log)
    assert whole
    assert parsed(real_log, list(range(1, len(real_log)))) == whole
    generator = random.Random(5)
    for _ in range(20):
        assert parsed(real_log, sorted(generator.sample(range(len(real_log)), 300))) == whole


def test_real_logs_from_any_start_offset_end_the_same(real_log: bytes) -> None:
    whole = parsed(real_log)
    for start in random.Random(6).sample(range(len(real_log)), 60):
        rest = parsed(real_log[start:])
        assert rest == (whole[-len(rest) :] if rest else [])


def test_a_restart_at_the_pending_offset_loses_and_doubles_nothing(real_log: bytes) -> None:
    whole = parsed(real_log)
    for cut in random.Random(7).sample(range(len(real_log)), 60):
        first, second = MmdetLogParser(), MmdetLogParser()
        records = [described(record) for record in first.feed(real_log[:cut])]
        records += [described(record) for record in second.feed(real_log[cut - first.pending_bytes :])]
        assert records == whole


def test_the_real_cpu_log_holds_what_its_json_log_says() -> None:
    import json

    folder = SAMPLES / "cpu_rtmdet"
    if not folder.is_dir():
        pytest.skip("the real log cpu_rtmdet is not at hand (it is not part of the project)")
    scalars = [json.loads(line) for line in (folder / "scalars.json").read_text().splitlines()]
    records = MmdetLogParser().feed((folder / "console.log").read_bytes() + b"\n")
    points = [record for record in records if isinstance(record, Progress)]
    results = [record for record in records if isinstance(record, Evaluation)]
    trained = [scalar for scalar in scalars if "loss" in scalar]
    evaluated = [scalar for scalar in scalars if "coco/bbox_mAP" in scalar]
    assert [(point.epoch, (point.epoch - 1) * 8 + point.iteration) for point in points] == [(s["epoch"], s["iter"]) for s in trained]
    assert [point.loss for point in points] == pytest.approx([s["loss"] for s in trained], abs=1e-4)
    assert [point.lr for point in points] == pytest.approx([s["lr"] for s in trained], rel=1e-3)
    assert [result.epoch for result in results] == [s["step"] for s in evaluated]
    assert [result.ap50 for result in results] == [s["coco/bbox_mAP_50"] for s in evaluated]
    assert all(result.ap_large is None for result in results)


def test_a_real_mask_log_yields_both_tasks() -> None:
    path = SAMPLES / "notebook_mmdet3.1_balloon.txt"
    if not path.is_file():
        pytest.skip("the real notebook log is not at hand (it is not part of the project)")
    last = [record for record in MmdetLogParser().feed(path.read_bytes() + b"\n") if isinstance(record, Evaluation)][-2:]
    assert [(each.task, each.epoch, each.ap, each.ap50) for each in last] == [("bbox", 12, 0.74, 0.868), ("segm", 12, 0.776, 0.845)]


@given(st.binary(max_size=400), st.integers(0, 10))
@settings(max_examples=200, deadline=None)
def test_no_bytes_raise(garbage: bytes, _: int) -> None:
    parser = MmdetLogParser()
    parser.feed(b"Epoch(train) [1][2/8]  lr: " + garbage + b"\n" + garbage)
    parser.feed(b"Epoch(val) [1][8/8]  " + garbage + b"\nSaving checkpoint at " + garbage + b"\n")
    assert parser.feed(b"\n" + LINE % 7)[-1:] != []


def test_pending_bytes_are_exact() -> None:
    parser = MmdetLogParser()
    parser.feed(b"one\ntwo\nthr")
    assert parser.pending_bytes == 3
    parser.feed(b"ee")
    assert parser.pending_bytes == 5
    parser.feed(b"\r\n")
    assert parser.pending_bytes == 0


def test_a_line_without_end_takes_no_memory_and_hides_nothing_after_it() -> None:
    parser = MmdetLogParser()
    for _ in range(100):
        assert parser.feed(b"x" * 1_000_000) == []
        assert parser.pending_bytes <= LONGEST
    [record] = parser.feed(b"\n" + LINE % 3)
    assert isinstance(record, Progress)
    assert parser.feed(b"y" * 200_000 + LINE % 4 + LINE % 5)[0].iteration == 5  # type: ignore[union-attr]


def test_time_grows_with_the_log_and_no_faster() -> None:
    blob = b"".join(LINE % number for number in range(5000))

    def seconds(data: bytes, chunk: int) -> float:
        parser = MmdetLogParser()
        started = time.process_time()
        count = sum(len(parser.feed(data[at : at + chunk])) for at in range(0, len(data), chunk))
        assert count == data.count(b"\n")
        return time.process_time() - started

    once = min(seconds(blob, 65536) for _ in range(3))
    assert min(seconds(blob * 4, 65536) for _ in range(2)) < 12 * once
    # A hundred megabytes in an hour is what the fastest training writes; a thousandth of this rate would do.
    assert len(blob) / once > 5e6


@pytest.mark.parametrize("head", [b"Epoch(train) [1][2/8]  ", b"Epoch(val) [1][8/8]  ", b"The best checkpoint with "])
@pytest.mark.parametrize("garbage", [b"x", b"1", b" ", b"x: ", b"1: 1 ", b"a: 1  ", b"11/20 "])
def test_a_hostile_line_costs_no_more_than_its_length(head: bytes, garbage: bytes) -> None:
    line = head + garbage * ((LONGEST - 100) // len(garbage)) + b"\n"
    started = time.process_time()
    MmdetLogParser().feed(line * 4)
    assert time.process_time() - started < 2


def test_nan_stays_nan() -> None:
    [record] = MmdetLogParser().feed((LINE % 1).replace(b"loss: 1.5", b"loss: nan"))
    assert isinstance(record, Progress)
    assert record.loss is not None
    assert math.isnan(record.loss)
