"""Images on disk in chunks, and rows brought together by image."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recipes.dataset import Annotation, Flag, ImageRecord, Polygons, RunLengths
from recipes.effort import Effort
from recipes.errors import FormatError, Where
from recipes.ledger import Ledger
from recipes.streams import grouping
from recipes.streams.file_names import FileNames
from recipes.streams.grouping import Grouping
from recipes.streams.spool import Reading, chunk_size, read_each

NAME = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=3)
FLAGS = frozenset({Flag.LOST, Flag.CROWD})
AWKWARD = ImageRecord(
    "ü/é 1.v2.JPG",
    Path("/x/ü/é 1.v2.JPG"),
    3,
    2,
    (
        Annotation("a", 0.1, -0.0, 1e-9, 2.5, FLAGS, 0, Polygons(((1.0, 2, 3, 4, 5, 6),)), 0.0, {"k": [1, "v"]}, 7),
        Annotation("b", 1, 2, 3, 4, mask=RunLengths(2, 3, (0, 6)), mask_area=6.0),
        Annotation("c", 1, 2, 3, 4, mask=RunLengths(2, 3, "06")),
    ),
    "train",
    "v",
    0,
    "a.xml",
    False,
    (5, 10),
    "x.jpg",
)


@pytest.mark.parametrize("processes", [1, 2])
def test_images_come_back_as_they_were_and_any_number_of_times(processes: int) -> None:
    records = [AWKWARD] + [ImageRecord(f"{number}.jpg", None, 1, 1) for number in range(40)]
    read = read_each(records, lambda record, _: record, Effort(processes))
    dataset = read.dataset(("a", "b", "c"))
    assert list(dataset.stream(Ledger())) == list(dataset.stream(Ledger())) == records
    assert (read.labels, read.splits, dataset.total, dataset.chunks) == (("a", "b", "c"), ("train",), 41, 6)


@pytest.mark.parametrize("processes", [1, 2])
def test_reading_tells_all_defects_and_what_it_left_out_each_time(processes: int) -> None:
    def parse(number: int, reading: Reading) -> ImageRecord | None:
        record = ImageRecord(str(number), None, 1, 1)
        reading.counts["seen"] += 1
        if number % 10 == 0:
            reading.ledger.drop_image("read", "tenth", record)
            return None
        return record

    read = read_each(range(50), parse, Effort(processes))
    for _ in range(2):
        ledger = Ledger()
        assert len(list(read.dataset(()).stream(ledger))) == 45
        assert [(entry.reason, entry.count, entry.cases) for entry in ledger.left_out] == [("tenth", 5, ("0", "10", "20", "30", "40"))]
    assert read.counts["seen"] == 50

    def fail(number: int, reading: Reading) -> None:
        reading.defects.add("One.", Where("a", number))
        raise FormatError("Two.", where=Where("b", number))

    with pytest.raises(FormatError, match="has 100 defects"):
        read_each(range(50), fail, Effort(processes))


def test_chunks_depend_on_nothing_but_the_total() -> None:
    assert [chunk_size(total) for total in (0, 5, 200, 4_096, 10**6)] == [8, 8, 12, 256, 256]


def test_rows_of_an_image_come_together_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouping, "HELD_ROWS", 7)
    rows = Grouping(4)
    for number in range(100):
        rows.add(number * 7 % 10, (number, "x"))
    rows.settle()
    assert {image: [row[0] for row in found] for image, found in sorted(rows.chunk(1).items())} == {
        image: [number for number in range(100) if number * 7 % 10 == image] for image in (4, 5, 6, 7)
    }
    assert rows.chunk(9) == {}


@settings(max_examples=100)
@given(st.sets(NAME, max_size=200), st.text(max_size=3))
def test_file_names_are_a_sorted_tuple_in_less_memory(names: set[str], other: str) -> None:
    expected = sorted(names)
    packed = FileNames(expected)
    assert list(packed) == expected == packed[:]
    assert [packed.find(name) for name in expected] == list(range(len(expected)))
    assert (other in packed) == (other in names)
    assert [packed[place] for place in packed.below(other)] == [name for name in expected if name.startswith(other)]


def test_file_names_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="'a' comes after 'b'"):
        FileNames(["b", "a"])
