from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from recipes.checks.check import Finding, Inspector, Kind, Severity, errors, similar_names
from recipes.checks.check_files import FileInspector
from recipes.checks.leaks import Contents
from recipes.dataset import Annotation, Flag, ImageRecord
from recipes.folder import scan
from recipes.ingest import examine
from recipes.observing import Tally


def inspect(*records: ImageRecord, classes: tuple[str, ...] = ("fish",), splits: tuple[str, ...] = ()) -> dict[Kind, Finding]:
    inspector, tally = Inspector(classes, splits), Tally()
    for record in records:
        inspector(record)
        tally(record)
    return {finding.kind: finding for finding in inspector.findings(tally)}


def image(*boxes: tuple[float, float, float, float], name: str = "a.jpg", label: str = "fish", **more: object) -> ImageRecord:
    annotations = tuple(Annotation(label, *box, origin=line) for line, box in enumerate(boxes, start=1))
    return ImageRecord(name, None, 64, 48, annotations, source_file="a.txt", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("box", "kind"),
    [
        ((0, 0, 64, 48), None),
        ((0, 0, 2, 2), None),
        ((5, 5, -1, 9), Kind.INVERTED_BOX),
        ((5, 5, 0, 9), Kind.EMPTY_BOX),
        ((5, 5, 9, float("nan")), Kind.NOT_FINITE),
        ((5, 5, float("inf"), 1), Kind.NOT_FINITE),
        ((64, 5, 9, 9), Kind.OUTSIDE_BOX),
        ((-9, 5, 9, 9), Kind.OUTSIDE_BOX),
        ((-1, 5, 9, 9), Kind.OVER_BORDER),
        ((60, 5, 5, 9), Kind.OVER_BORDER),
        ((5, 5, 1, 9), Kind.TINY_BOX),
    ],
)
def test_judges_each_box(box: tuple[float, float, float, float], kind: Kind | None) -> None:
    found = inspect(image((10, 10, 5, 5), box))
    assert set(found) == ({kind} if kind else set())
    if kind:
        assert found[kind].cases == ("a.txt, line 2, a.jpg",)


def test_lost_boxes_are_not_judged() -> None:
    lost = Annotation("fish", -99, -99, 0, 0, frozenset({Flag.LOST}))
    assert inspect(ImageRecord("a.jpg", None, 64, 48, (lost,))) == {}


def test_counts_all_and_shows_the_first() -> None:
    found = inspect(*(image((0, 0, 0, 1), name=f"{number}.jpg") for number in range(40)))[Kind.EMPTY_BOX]
    assert (found.count, len(found.cases), found.severity) == (40, 5, Severity.ERROR)
    assert str(found).startswith("error: 40 boxes have no area (a.txt, line 1, 0.jpg; ")


def test_duplicate_boxes_names_and_unknown_classes() -> None:
    found = inspect(image((1, 1, 5, 5), (1, 1, 5, 5)), image((1, 1, 5, 5)), image((1, 1, 5, 5), name="b.jpg", label="cod"))
    assert set(found) == {Kind.DUPLICATE_BOX, Kind.DUPLICATE_NAME, Kind.UNKNOWN_CLASS}


def test_classes_absent_from_a_split_and_empty_splits() -> None:
    found = inspect(image((1, 1, 5, 5), split="train"), image(name="b.jpg", split="val"), splits=("train", "val", "test"))
    assert found[Kind.ABSENT_CLASS].cases == ("fish in val",)
    assert found[Kind.EMPTY_SPLIT].cases == ("test",)
    assert inspect(image())[Kind.NO_BOXES].severity is Severity.WARNING


def test_nearly_equal_names() -> None:
    names = ["Fish", "fish", "traffic light", "traffic_light", "traffic-lights", "cat", "dog", "f i s h"]
    assert similar_names(names) == [
        ("Fish", "fish"),
        ("Fish", "f i s h"),
        ("traffic light", "traffic_light"),
        ("traffic light", "traffic-lights"),
    ]


def test_files_that_are_cut_off_orphans_and_leaks(tmp_path: Path, draw: Callable[..., None]) -> None:
    for number, name in enumerate(["a.jpg", "b.png", "c.jpg", "d.jpg", "orphan.jpg"]):
        draw(tmp_path / name, shade=10 * number)
    (tmp_path / "same.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    for name in ("b.png", "c.jpg"):
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-20])
    inspector = FileInspector(scan(tmp_path))
    for name, split in [
        ("a.jpg", "train"),
        ("b.png", "train"),
        ("c.jpg", "train"),
        ("d.jpg", "val"),
        ("same.jpg", "val"),
        ("gone.jpg", "val"),
    ]:
        inspector(ImageRecord(name, tmp_path / name, 64, 48, split=split))
    found = {finding.kind: finding for finding in inspector.findings()}
    assert set(found) == {Kind.TRUNCATED_IMAGE, Kind.ORPHAN_IMAGE, Kind.LEAK, Kind.UNREADABLE_IMAGE}
    assert found[Kind.TRUNCATED_IMAGE].cases == ("b.png", "c.jpg")
    assert found[Kind.ORPHAN_IMAGE].cases == ("orphan.jpg",)
    assert found[Kind.LEAK].cases == ("same.jpg in val is a.jpg in train",)


def test_full_decodes_what_has_an_end_but_no_middle(tmp_path: Path, draw: Callable[..., None]) -> None:
    draw(tmp_path / "a.png", size=(200, 200))
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[60:90] = bytes(30)
    (tmp_path / "a.png").write_bytes(data)
    quick, _ = examine(tmp_path, keep_unfit=True)
    full, _ = examine(tmp_path, keep_unfit=True, full=True)
    assert errors(quick.findings) == ()
    assert [finding.kind for finding in errors(full.findings)] == [Kind.TRUNCATED_IMAGE]


def test_a_leak_is_found_among_any_number_of_splits(tmp_path: Path) -> None:
    contents = Contents(lambda record: b"same" if record.name in {"0.jpg", "299.jpg"} else record.name.encode(), lambda _: "digest")
    for number in range(300):
        contents(ImageRecord(f"{number}.jpg", tmp_path / f"{number}.jpg", 1, 1, split=f"fold{number}"))
    (found,) = contents.findings()
    assert (found.kind, found.cases) == (Kind.LEAK, ("299.jpg in fold299 is 0.jpg in fold0",))
