"""Label maps: as people write them, as we write them, and what is wrong with some."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.errors import FormatError
from recipes.tfrecord.label_map import parse, text
from recipes.tfrecord.layout import LARGEST_PBTXT

SAMPLES = Path(__file__).parents[4] / "shared" / "samples"


def parsed(content: str | bytes, folder: Path) -> dict[int, str]:
    path = folder / "map.pbtxt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(path, "map.pbtxt").classes


@pytest.mark.parametrize(
    ("content", "classes"),
    [
        ("item { id: 1 name: 'car' }", {1: "car"}),
        ("item: <\nname: \"it's\"; id: 7\n>,item{id:2 # second\nname:'a' 'b'}", {2: "ab", 7: "it's"}),
        ("item { id: 1 name: '/m/01g' display_name: 'Person' keypoints { id: 1 label: 'nose' } }", {1: "/m/01g"}),
        ("item { id: 1 display_name: 'only' }", {1: "only"}),
        ("item { id: 0 name: 'background' }\nitem { id: 1 name: 'a' }", {1: "a"}),
        (b"\xef\xbb\xbfitem { id: 3 name: '\\303\\266' }", {3: "ö"}),
    ],
)
def test_every_way_to_write_one_is_read(content: str | bytes, classes: dict[int, str], tmp_path: Path) -> None:
    assert parsed(content, tmp_path) == classes


def test_names_are_written_so_that_they_come_back(tmp_path: Path) -> None:
    names = ["fish", 'traffic "light"', "it's", "a\\b", "Größe 6", "line\nbreak", "{ }", "魚"]
    assert list(parsed(text(names), tmp_path).items()) == list(enumerate(names, start=1))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("item { id: 1 name: 'x'", 'map.pbtxt, line 1: This is no label map: Expected "}".'),
        ("item {\n name: 'it's'\n id: 1\n}", "map.pbtxt, line 2"),
        ("\n\nitem { id: one }", "map.pbtxt, line 3: This is no label map"),
        ("x { " * 5000, "nested too deeply"),
        (b"item { name: '\xff' id: 1 }", "The label map is not UTF-8"),
        ("item { id: 1 name: 'a\\<b' }", "a wrong escape sequence"),
        ("# nothing", "The label map has no item"),
        ("item { id: 0 name: 'a' }", "item 1: The id of 'a' is 0; ids count from 1."),
        ("item { id: 1 }", "item 1: The item has no name."),
        ("item { id: 1 name: 'a' }" * 2, "item 2: 'a' and 'a' have the same id, 1."),
        ("item { id: 1 name: 'a' } item { id: 2 name: 'a' }", "item 2: The name 'a' is there twice."),
        (b"#" * (LARGEST_PBTXT + 1), "of more than 1,048,576 bytes is refused"),
    ],
)
def test_a_defect_is_named_by_line_or_item(content: str | bytes, says: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        parsed(content, tmp_path)
    assert says in str(caught.value)


def test_all_defects_are_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="3 defects"):
        parsed("item { id: -1 name: 'a' } item { id: 2 } item { id: 3 name: 'c' } item { id: 3 name: 'd' }", tmp_path)


def test_real_label_maps_are_read() -> None:
    maps = sorted(SAMPLES.glob("**/*label_map.pbtxt"))
    if not maps:
        pytest.skip("the samples are not here")
    assert all(parse(path, path.name).classes for path in maps)
