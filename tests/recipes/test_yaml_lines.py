from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from recipes.errors import DocumentError
from recipes.yaml_lines import parse_yaml, read_yaml


class Inner(BaseModel, extra="forbid"):
    size: int


class Outer(BaseModel, extra="forbid"):
    name: str
    parts: list[Inner] = []


def test_gives_plain_data_and_the_line_of_every_key() -> None:
    document = parse_yaml("name: x\nparts:\n  - size: 3\n  - {size: 0x10}\nwhen: 2026-01-02\non: yes\n", file="a.yaml")
    assert document.data == {"name": "x", "parts": [{"size": 3}, {"size": 16}], "when": "2026-01-02", "on": True}
    assert document.where("parts", 1, "size").line == 4
    assert str(document.where("parts", 0, "gone")) == "a.yaml, line 3, parts.0.gone"
    assert parse_yaml("", file="a").data is None


def test_a_model_names_every_refused_value() -> None:
    document = parse_yaml("name: [1]\nparts:\n  - size: big\n  - sise: 3\n", file="a.yaml")
    with pytest.raises(DocumentError) as caught:
        document.parse(Outer)
    assert [str(defect.where) for defect in caught.value.defects] == [
        "a.yaml, line 1, name",
        "a.yaml, line 3, parts.0.size",
        "a.yaml, line 4, parts.1.size",
        "a.yaml, line 4, parts.1.sise",
    ]
    assert parse_yaml("name: a\nparts: [{size: 1}]", file="").parse(Outer) == Outer(name="a", parts=[Inner(size=1)])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\na: 2", "line 2: The key 'a' stands here twice."),
        ("a: &x [1]\nb: *x", "line 2: Aliases"),
        ("? [1]\n: 2", "line 1: A key must be plain text."),
        ("<<: {a: 1}", "line 1: A key must be plain text."),
        ("a: !!python/name:os.system x", "This is not YAML"),
        ("a: [1", "This is not YAML"),
        ("a: 1\n--- \nb: 2", "This is not YAML"),
        ("a: \x00", "This is not YAML"),
        ("[" * 60 + "]" * 60, "nested deeper than 40"),
        ("[" * 100_000, "nested deeper than 40"),
    ],
)
def test_malformed_and_hostile_text_is_refused(text: str, says: str) -> None:
    with pytest.raises(DocumentError) as caught:
        parse_yaml(text, file="a.yaml")
    assert says in str(caught.value)
    assert "a.yaml" in str(caught.value)


def test_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe4")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    for name, says in (("gone", "cannot be read"), ("latin", "not UTF-8"), ("large", "larger than")):
        with pytest.raises(DocumentError, match=says) as caught:
            read_yaml(tmp_path / f"{name}.yaml")
        assert f"{name}.yaml" in str(caught.value)
