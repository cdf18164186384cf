"""Work's progress as JSON lines, in any chunking, among any other lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.entities import Record, WorkResult, WorkStep
from runner.work_log import WorkStepParser

LOG = (
    b'starting\n{"phase": "read", "done": 1, "total": 9}\n{"phase":"write"}\r\n  not json {"phase": \n[1, "phase"]\n'
    b'{"phase": 3}\n{"phase": "x", "done": -1, "total": true}\n{"reference": "fish@2", "version": 2, "summary": {"images": 4}}\n'
)
EXPECTED: list[Record] = [
    WorkStep("read", 1, 9),
    WorkStep("write", 0, None),
    WorkStep("x", 0, None),
    WorkResult({"reference": "fish@2", "version": 2, "summary": {"images": 4}}),
]


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_any_chunking(size: int) -> None:
    parser = WorkStepParser()
    assert [each for at in range(0, len(LOG), size) for each in parser.feed(LOG[at : at + size])] == EXPECTED
    assert parser.pending_bytes == 0


def test_a_summary_alone_is_the_result() -> None:
    parser = WorkStepParser()
    assert parser.feed(b'{"summary": {"python": "/p"}}') == []
    assert parser.pending_bytes == 29
    assert parser.feed(b"\n") == [WorkResult({"python": "/p"})]


def test_a_result_longer_than_a_log_line_is_read_whole() -> None:
    [result] = WorkStepParser().feed(b'{"summary": {"findings": "' + b"x" * 1_000_000 + b'"}}\n')
    assert isinstance(result, WorkResult)


@given(st.binary(max_size=300))
def test_no_bytes_raise(garbage: bytes) -> None:
    parser = WorkStepParser()
    parser.feed(b'{"phase": ' + garbage + b'\n{"summary": ' + garbage + b"\n" + b"[" * 100_000 + b'"phase"\n')
    assert parser.feed(b'\n{"phase": "on", "done": 1}\n')[-1:] == [WorkStep("on", 1, None)]
