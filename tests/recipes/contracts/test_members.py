"""What every format, transform and recipe of the library must keep, whoever adds it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import recipes.formats
import recipes.transforms
from recipes.dataset import Annotation, Dataset, Feature, Flag, ImageRecord, Polygons
from recipes.effort import ALONE, Effort
from recipes.errors import RegistryError
from recipes.folder import scan
from recipes.formats import Format, formats
from recipes.ledger import Ledger
from recipes.observing import Audience
from recipes.parameters import Parameters
from recipes.placing import published
from recipes.recipe import library, load_recipe
from recipes.registry import scan as scan_members
from recipes.transforms import Transform, transforms

READERS = [entry for entry in formats().values() if entry.read]
WRITERS = [entry for entry in formats().values() if entry.write]
PARAMETERS: dict[str, dict[str, Any]] = {
    "resize": {"longest": 32},
    "drop_flagged": {"flags": ["lost", "crowd"]},
    "classes": {"drop": ["Größe 6"]},
    "sample": {"share": 0.5},
    "split_lists": {"lists": {"train": ["a b.jpg", "é"]}},
    "merge": {"sources": ["more.zip"]},
}
"""What a transform that cannot do without parameters is tried with."""


WRITE_OPTIONS: dict[str, dict[str, Any]] = {"voc": {"coordinates": "exact"}}
"""What a format is told where its custom is to round."""
SORTS_CLASSES = frozenset({"voc", "vott", "vott_csv", "via"})
"""Formats that have no list of classes."""
RENAMES = frozenset({"vatic"})
"""Formats that call images by the numbers of their frames."""
EMBEDS = frozenset({"tfrecord"})
"""Formats whose files hold the images themselves, so that there is nothing to link."""


def options_of(entry: Format) -> Parameters:
    return entry.write_options(**WRITE_OPTIONS.get(entry.name, {}))


def name_of(member: Format | Transform) -> str:
    return member.name


@pytest.fixture
def awkward(tmp_path: Path, draw: Callable[..., None], dataset_of: Callable[..., Dataset]) -> Dataset:
    """Non-square images, no boxes, one-pixel, float and border boxes, masks, and names as people give them."""
    names = ["a b.jpg", "B%20.v1.JPG", "ü/é.png", "deep/er/0001.jpg", "no boxes.jpg"]
    labels = ["fish", 'traffic "light"', "Größe 6"]
    boxes = [(0, 0, 64, 48), (63, 47, 1, 1), (0.125, 1e-3, 10.3333333, 7.1), (60.5, 40.25, 3.5, 7.75)]
    records = []
    for number, name in enumerate(names):
        draw(tmp_path / "pictures" / name, shade=number * 20)
        annotations = tuple(
            Annotation(
                labels[(number + place) % 3],
                *box,
                flags=frozenset({Flag.DIFFICULT} if place == 1 else ()),
                track=number * 10 + place,
                mask=Polygons(((1.5, 1, 9, 1, 9, 8.25),)) if place == 2 else None,
                mask_area=30.0 if place == 2 else None,
            )
            for place, box in enumerate(boxes)
            if name != "no boxes.jpg"
        )
        path = tmp_path / "pictures" / name
        records.append(ImageRecord(name, path, 64, 48, annotations, split=("train", "val")[number % 2], video="v", frame=number * 20))
    return dataset_of(records, classes=labels)


def essence(dataset: Dataset, entry: Format) -> list[tuple[Any, ...]]:
    """What a round trip must keep: names, sizes, and every box in its order to 1e-6 pixels; what else the format holds."""

    holds = entry.holds

    def kept(feature: Feature, value: object) -> object:
        return value if feature in holds else None

    def mask(annotation: Annotation) -> object:
        parts = annotation.mask.parts if isinstance(annotation.mask, Polygons) and Feature.POLYGONS in holds else ()
        return [[pytest.approx(value, abs=1e-6) for value in part] for part in parts]

    return sorted(
        (
            (
                image.frame if entry.name in RENAMES else image.name,
                image.width,
                image.height,
                kept(Feature.SPLIT, image.split),
                [
                    (
                        a.label,
                        [pytest.approx(value, abs=1e-6) for value in (a.x, a.y, a.w, a.h)],
                        sorted(flag for flag in a.flags if Feature(flag.value) in holds),
                        kept(Feature.TRACK, a.track),
                        mask(a),
                    )
                    for a in image.annotations
                ],
            )
            for image in dataset.stream(Ledger())
            if image.annotations or Feature.BOXLESS in holds
        ),
        key=lambda image: (str(type(image[0])), image[0]),
    )


@pytest.mark.parametrize("member", [*formats().values(), *transforms().values()], ids=name_of)
def test_every_member_is_named_for_its_file_and_has_defaults_or_says_what_is_missing(member: Format | Transform) -> None:
    package = recipes.formats if isinstance(member, Format) else recipes.transforms
    assert (Path(package.__path__[0]) / f"{member.name}.py").is_file()
    if isinstance(member, Format):
        assert member.read or member.write
        assert (member.sniff is None) == (member.read is None)
        assert issubclass(member.read_options, Parameters)
        assert member.read_options() and member.write_options()
        assert member.title


@pytest.mark.parametrize("transform", transforms().values(), ids=name_of)
def test_every_transform_describes_itself_and_refuses_unknown_keys(transform: Transform) -> None:
    parameters = transform.parameters(**PARAMETERS.get(transform.name, {}))
    assert parameters.describe()
    assert transform.parameters.__doc__
    with pytest.raises(ValueError, match="Extra inputs"):
        transform.parameters(**PARAMETERS.get(transform.name, {}), no_such_key=1)


@pytest.mark.parametrize("transform", [one for one in transforms().values() if one.name != "merge"], ids=name_of)  # it brings images
def test_every_transform_accounts_for_all_it_leaves_out_and_repeats_itself(transform: Transform, awkward: Dataset) -> None:
    result = transform.apply(awkward, transform.parameters(**PARAMETERS.get(transform.name, {})), ALONE)
    ledger = Ledger()
    before, after = list(awkward.stream(Ledger())), list(result.stream(ledger))
    left_out = {unit: sum(entry.count for entry in ledger.left_out if entry.unit == unit) for unit in ("images", "boxes")}
    assert len(before) - len({image.copy_of or image.name for image in after}) == left_out["images"]
    if not any(image.copy_of for image in after):
        assert sum(len(image.annotations) for image in before) - sum(len(image.annotations) for image in after) == left_out["boxes"]
    assert all(entry.step == transform.name and entry.reason and entry.cases for entry in ledger.left_out)
    assert list(result.stream(Ledger())) == after
    assert {box.label for image in after for box in image.annotations} <= set(result.classes)


@pytest.mark.parametrize("entry", WRITERS, ids=name_of)
def test_every_writer_is_deterministic_links_images_and_leaves_the_source(entry: Format, awkward: Dataset, tmp_path: Path) -> None:
    assert entry.write is not None
    for name in ("one", "two"):
        with published(tmp_path / name) as fresh:
            entry.write(awkward, fresh, options_of(entry), Audience(Ledger()), Effort(processes=1 + (name == "two")))
    one = {path.relative_to(tmp_path / "one"): path.read_bytes() for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert one == {path.relative_to(tmp_path / "two"): path.read_bytes() for path in (tmp_path / "two").rglob("*") if path.is_file()}
    sources = {record.path.stat().st_ino for record in awkward.stream(Ledger()) if record.path}
    assert entry.name in EMBEDS or sources <= {path.stat().st_ino for path in (tmp_path / "one").rglob("*")}


@pytest.mark.parametrize("entry", [entry for entry in WRITERS if entry.read], ids=name_of)
def test_every_format_reads_back_what_it_wrote(entry: Format, awkward: Dataset, tmp_path: Path) -> None:
    assert entry.write is not None
    assert entry.read is not None
    assert entry.sniff is not None
    with published(tmp_path / "out") as fresh:
        entry.write(awkward, fresh, options_of(entry), Audience(Ledger()), ALONE)
    folder = scan(tmp_path / "out")
    best = max(formats().values(), key=lambda other: other.sniff(folder).confidence if other.sniff else 0)
    assert best is entry
    again = entry.read(folder, entry.read_options(), ALONE)
    assert essence(again, entry) == essence(awkward, entry)
    assert again.classes == awkward.classes or (set(again.classes) <= set(awkward.classes) and entry.name in SORTS_CLASSES)


@pytest.mark.parametrize("entry", READERS, ids=name_of)
def test_no_reader_takes_an_empty_or_foreign_folder(entry: Format, tmp_path: Path) -> None:
    assert entry.sniff is not None
    assert entry.sniff(scan(tmp_path)).confidence == 0
    (tmp_path / "readme.txt").write_text("words\n")
    (tmp_path / "data.json").write_text("[]")
    (tmp_path / "empty.txt").touch()
    assert entry.sniff(scan(tmp_path)).confidence == 0


@pytest.mark.parametrize("name", library())
def test_every_library_recipe_loads_and_explains_itself(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.reader is not None, "a library recipe says what it reads"
    assert len(recipe.describe().splitlines()) == len(recipe.steps) + 3
    assert recipe.parameters()["write"]["format"] == recipe.writer.name


def test_a_broken_or_doubled_member_stops_loudly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("kind_under_test")
    package.__path__ = [str(tmp_path)]
    monkeypatch.setitem(sys.modules, package.__name__, package)
    good = "from recipes.formats import Format\nFORMAT = Format('same', 'x')\n"
    (tmp_path / "one.py").write_text(good)
    assert set(scan_members(package, attribute="FORMAT", kind=Format)) == {"same"}
    for text, says in (
        (good, "both called 'same'"),
        ("import gone_away", "does not import"),
        ("FORMAT = 3", "defines no FORMAT"),
        ("", "defines no FORMAT"),
    ):
        (tmp_path / "two.py").write_text(text)
        sys.modules.pop("kind_under_test.two", None)
        with pytest.raises(RegistryError, match=says):
            scan_members(package, attribute="FORMAT", kind=Format)


def test_modules_and_functions_stay_small() -> None:
    for path in Path(recipes.__file__).parent.rglob("*.py"):
        source = path.read_text()
        assert source.count("\n") < 400, path
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 55, f"{path}: {node.name}"
