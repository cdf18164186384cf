"""MMDetection's logs, beyond what all parsers promise (test_log_parsers.py): endless lines, hostile fields, speed."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.entities import Progress
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.log_lines import LONGEST

LINE = b"11/20 10:14:05 - mmengine - INFO - Epoch(train) [1][%d/9999]  lr: 1e-3  eta: 0:00:03  time: 0.5  data_time: 0.1  loss: 1.5\n"


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
