"""The expressions that match the usual annotation file say what the XML parser says; whatever comes, a file is read or refused."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.effort import ALONE
from recipes.errors import DatasetError, Defects
from recipes.folder import scan
from recipes.formats.voc import VocOptions, read
from recipes.ledger import Ledger
from recipes.voc import canonical, tree
from recipes.voc.document import Document, parse

SAMPLES = Path(__file__).parents[4] / "shared/samples"
DEVKIT = """<annotation>
\t<folder>VOC2007</folder>
\t<filename>a.jpg</filename>
\t<source>
\t\t<database>The VOC2007 Database</database>
\t\t<annotation>PASCAL VOC2007</annotation>
\t\t<image>flickr</image>
\t</source>
\t<owner>
\t\t<flickrid>?</flickrid>
\t\t<name>Ä. Nobody</name>
\t</owner>
\t<size>
\t\t<width>353</width>
\t\t<height>500</height>
\t\t<depth>3</depth>
\t</size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>dog</name>
\t\t<pose>Left</pose>
\t\t<truncated>1</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>48</xmin>
\t\t\t<ymin>240.5</ymin>
\t\t\t<xmax>195</xmax>
\t\t\t<ymax>371</ymax>
\t\t</bndbox>
\t</object>
\t<object>
\t\t<name>person</name>
\t\t<bndbox><xmax>9</xmax><xmin>-3</xmin><ymax>8</ymax><ymin>7</ymin></bndbox>
\t\t<difficult>1</difficult>
\t\t<occluded>1</occluded>
\t</object>
</annotation>
"""
PIECES = [
    "<object>", "</object>", "<name>", "</name>", "<name> </name>", "<size>", "</size>", "<size></size>", "<width>7</width>", "<!-- -->",
    "<filename>b</filename>", "<difficult>1</difficult>", "<difficult>2</difficult>", "<pose>Ü</pose>", "<pose/>", "&amp;", "&", "<", "]]>",
    "\r", "\r\n", "\x0b", "\x85", "\u00a0", "\ufffe", "\ufeff", " ", "1e3", "-", ".", "<part><name>x</name></part>", "<xmin>1</xmin>",
    "<bndbox>", "<source><database>vatic</database></source>", "<annotation>", "</annotation>", '<?xml version="1.0"?>', "<![CDATA[x]]>",
]  # fmt: skip


def by_tree(data: bytes) -> Document | None:
    return tree.parse(data, "a.xml", Defects())


def comparable(document: Document | None) -> str:
    """NaN equals itself in text."""
    return repr(document)


@pytest.mark.parametrize("text", [DEVKIT, DEVKIT.replace("\n", "\r\n"), DEVKIT.replace("\n", "").replace("\t", "")])
def test_the_usual_forms_are_matched_and_mean_the_same(text: str) -> None:
    found = canonical.match(text.encode())
    assert found is not None
    assert Document(*found) == by_tree(text.encode())
    assert found[1] == (353, 500)
    assert [(thing[0], thing[1], thing[2]) for thing in found[3]] == [("dog", 48, 240.5), ("person", -3, 7)]


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample files are not at hand")
def test_the_samples_mean_the_same_either_way_and_most_are_matched() -> None:
    matched = 0
    paths = sorted((SAMPLES / "voc").rglob("*.xml")) + sorted((SAMPLES / "vatic/VOCsherlock").rglob("*.xml"))
    for path in paths:
        data = path.read_bytes()
        found = canonical.match(data)
        if found is not None:
            assert Document(*found) == by_tree(data), path
            matched += 1
    assert matched >= len(paths) - 2  # a comment in one, a part in another


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(DEVKIT)), st.integers(0, 12), st.sampled_from(PIECES)), min_size=1, max_size=3))
def test_whatever_is_matched_means_the_same_to_the_parser(changes: list[tuple[int, int, str]]) -> None:
    text = DEVKIT
    for place, cut, piece in changes:
        text = text[:place] + piece + text[place + cut :]
    data = text.encode()
    found = canonical.match(data)
    if found is not None:
        assert comparable(Document(*found)) == comparable(by_tree(data))


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(set(DEVKIT.replace("<", "\0<").split("\0")[1:]))), st.integers(0, 40), st.integers(0, 40))
def test_moved_and_doubled_elements_mean_the_same(piece: str, source: int, target: int) -> None:
    pieces = DEVKIT.replace("<", "\0<").split("\0")[1:]
    pieces.insert(target % len(pieces), piece)
    del pieces[source % len(pieces)]
    data = "".join(pieces).encode()
    found = canonical.match(data)
    if found is not None:
        assert comparable(Document(*found)) == comparable(by_tree(data))


def test_what_cvat_says_of_an_object_becomes_attributes() -> None:
    attribute = "<attribute><name>{}</name><value>{}</value></attribute>"
    told = "".join(attribute.format(name, value) for name, value in (("colour", "dark red"), ("age", "3"), ("wild", "true")))
    more = f"<attributes>{told}</attributes>"
    document = parse(DEVKIT.replace("</object>", f"{more}</object>", 1).encode(), "a.xml", Defects())
    assert document is not None
    assert document.objects[0][6] == {"pose": "Left", "colour": "dark red", "age": 3, "wild": True}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-8-sig"])
def test_encodings_are_read_as_declared(encoding: str) -> None:
    declared = "" if encoding.startswith("utf-8") else f'<?xml version="1.0" encoding="{encoding}"?>'
    document = parse((declared + DEVKIT.replace("dog", "Größe")).encode(encoding), "a.xml", Defects())
    assert document is not None
    assert document.objects[0][0] == "Größe"


def test_a_document_type_is_refused_in_any_encoding() -> None:
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "bbbb">]><annotation>&b;</annotation>'
    defects = Defects()
    assert parse(text.encode("utf-16"), "a.xml", defects) is None
    assert "document type" in str(defects.found[0])


@pytest.mark.slow
def test_ever_more_elements_are_refused() -> None:
    defects = Defects()
    assert parse(b"<annotation>" + b"<a/>" * 200_001 + b"</annotation>", "a.xml", defects) is None
    assert "has more than 200,000" in str(defects.found[0])


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from(["cut", "flip", "double", "insert"]), st.integers(0, 2000), st.integers(0, 255)), max_size=5),
    st.binary(max_size=30),
)
def test_any_file_is_read_or_refused(tmp_path: Path, changes: list[tuple[str, int, int]], listed: bytes) -> None:
    root = tmp_path / "source"
    for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    data = DEVKIT.encode()
    for what, place, value in changes:
        at = place % (len(data) + 1)
        match what:
            case "cut":
                data = data[:at]
            case "flip":
                data = data[:at] + bytes((value,)) + data[at + 1 :]
            case "double":
                data = data[:at] + data[max(0, at - value) :]
            case _:
                data = data[:at] + bytes((value,)) * 3 + data[at:]
    (root / "Annotations/a.xml").write_bytes(data)
    (root / "ImageSets/Main/train.txt").write_bytes(listed)
    (root / "labelmap.txt").write_bytes(listed)
    try:
        dataset = read(scan(root), VocOptions(images="absent"), ALONE)
    except DatasetError as error:
        assert str(error)
        return
    for image in dataset.stream(Ledger()):
        assert all(isinstance(box.label, str) and not math.isinf(box.origin or 0) for box in image.annotations)
