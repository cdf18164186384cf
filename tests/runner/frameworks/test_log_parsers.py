"""What every log parser promises: the same records in any chunks, from any offset and after any restart, and no harm from any bytes."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.frameworks import all_frameworks
from runner.frameworks.base import LogParser
from runner.frameworks.known_logs import LOG_PARSERS, recognised
from runner.log_lines import LONGEST
from tests.support.log_records import CASES, described, family, make_parser, parsed

NAMES = sorted(LOG_PARSERS)
OFFSETS = 250
GARBAGE = (b"x", b"1", b" ", b"x: ", b"1: 1 ", b"a: 1, ", b"11/20 ", b"'a': 1, ", b"+ ", b"AP for = ", b"||Epoch:1", b'{"a":', b" - ")


def _case_of(name: str) -> bytes:
    return b"".join(case.read_bytes() for case in CASES if family(case) == name)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_case_yields_what_is_expected_in_any_chunks(case: Path) -> None:
    make, data = make_parser(case), case.read_bytes()
    expected = case.with_suffix(".expected.txt").read_text().splitlines()

    assert parsed(make, data) == expected
    assert parsed(make, data, range(1, len(data))) == expected
    generator = random.Random(case.stem)
    for _ in range(10):
        assert parsed(make, data, sorted(generator.sample(range(len(data)), min(20, len(data))))) == expected


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_from_any_offset_a_case_ends_the_same(case: Path) -> None:
    make, data = make_parser(case), case.read_bytes()
    whole = parsed(make, data)
    offsets = range(len(data)) if len(data) <= OFFSETS else random.Random(case.stem).sample(range(len(data)), OFFSETS)

    for start in offsets:
        rest = parsed(make, data[start:])
        assert rest == (whole[-len(rest) :] if rest else []), start


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_restart_at_the_pending_offset_loses_and_doubles_nothing(case: Path) -> None:
    make, data = make_parser(case), case.read_bytes()
    whole = parsed(make, data)

    for cut in random.Random(case.stem).sample(range(len(data)), min(60, len(data))):
        first, second = make(), make()
        records = [described(record) for record in first.feed(data[:cut])]
        records += [described(record) for record in second.feed(data[cut - first.pending_bytes :])]
        # A message that comes twice may be read again behind the offset; it repeats the record before it.
        assert [each for at, each in enumerate(records) if at == 0 or each != records[at - 1]] == _without_repeats(whole), cut


def _without_repeats(records: list[str]) -> list[str]:
    return [each for at, each in enumerate(records) if at == 0 or each != records[at - 1]]


@pytest.mark.parametrize("case", [case for case in CASES if case.with_suffix(".expected.txt").read_text()], ids=lambda path: path.stem)
def test_the_framework_of_a_case_is_found(case: Path) -> None:
    assert recognised([case.read_bytes() + b"\n"]) == family(case)


def test_every_parser_has_cases_and_every_case_what_is_expected() -> None:
    assert {family(case) for case in CASES} == set(NAMES)
    assert {case.stem for case in CASES} == {path.name.removesuffix(".expected.txt") for path in CASES[0].parent.glob("*.expected.txt")}


def test_what_no_framework_writes_is_not_recognised() -> None:
    assert recognised([b"Epoch\n", b"loss AP checkpoint Step || VOC07\n", bytes(range(256))]) is None
    assert recognised([]) is None


def test_every_framework_reads_logs_by_a_known_parser() -> None:
    for framework in all_frameworks().values():
        assert type(framework.log_parser(None)) in {type(make()) for make in LOG_PARSERS.values()}


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_no_bytes_raise_and_chunks_make_no_difference(name: str, data: st.DataObject) -> None:
    pieces = _case_of(name).splitlines(keepends=True)
    lines = data.draw(st.lists(st.sampled_from(pieces) | st.binary(max_size=40), max_size=25))
    text = bytearray(b"".join(lines))
    for _ in range(data.draw(st.integers(0, 8)) if text else 0):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.sampled_from(b"0-9.\n\r\x1b[]{}'\":|, e\xff\x00+"))
    whole = bytes(text)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))

    assert parsed(LOG_PARSERS[name], whole, cuts) == parsed(LOG_PARSERS[name], whole)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_pending_stays_bounded(name: str) -> None:
    parser = LOG_PARSERS[name]()
    parser.feed(b"Eval metrics at step 5\nVOC07 metric? Yes\nEvaluate annotation type *bbox*\nStep 5 per-step time 0.1s\n{'a': 1,\n")
    for number in range(40):
        parser.feed(b"x" * 100_000 + (b"\n" if number % 2 else b""))
        parser.feed(b"y\n" * 20_000)
        assert parser.pending_bytes <= 2 * 1024 * 1024


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", ["first", "last"])
def test_a_hostile_line_costs_no_more_than_its_length(name: str, case: str) -> None:
    lines = [line.strip() for line in _case_of(name).splitlines() if LOG_PARSERS[name]().feed(line + b"\n")] or [b"AP for x", b"+ a: 1"]
    head = lines[0 if case == "first" else -1]
    for garbage in GARBAGE:
        line = head + garbage * ((LONGEST - len(head) - 2) // len(garbage)) + b"\n"
        started = time.process_time()
        _ready(name).feed(line * 2)
        assert time.process_time() - started < 1, garbage


def _ready(name: str) -> LogParser:
    """A parser in the middle of a record, where lines are looked at most closely."""
    parser = LOG_PARSERS[name]()
    parser.feed(b"VOC07 metric? Yes\nEval metrics at step 5\nEvaluate annotation type *bbox*\n")
    return parser


@pytest.mark.parametrize("name", NAMES)
def test_time_grows_with_the_log_and_no_faster(name: str) -> None:
    text = _case_of(name)
    once = text * (400_000 // len(text))

    def seconds(data: bytes) -> float:
        parser = LOG_PARSERS[name]()
        started = time.process_time()
        for at in range(0, len(data), 65536):
            parser.feed(data[at : at + 65536])
        return time.process_time() - started

    quickest = min(seconds(once) for _ in range(3))
    assert min(seconds(once * 4) for _ in range(2)) < 12 * quickest
    # These are all record and no log; a real one is read faster, and make bench tells how fast.
    assert len(once) / quickest > 3e6
