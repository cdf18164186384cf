"""Large JSON objects read a window at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recipes.errors import FormatError
from recipes.streams import json_sections
from recipes.streams.json_sections import members, sections

TEXT = st.one_of(st.sampled_from(['a},{"b', "}],", '"\\', "é]", ""]), st.text(max_size=5).filter(lambda text: text.isprintable()))
VALUE = st.recursive(
    st.one_of(TEXT, st.integers(-9, 9), st.booleans(), st.none()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)
DOCUMENT = st.dictionaries(TEXT, st.one_of(VALUE, st.lists(st.dictionaries(TEXT, VALUE, max_size=3), max_size=12)), max_size=4)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in sections(path, path.name):
        if isinstance(value, list):
            found.setdefault(key, []).extend(value)
        else:
            found[key] = value
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(document=DOCUMENT, indent=st.sampled_from([None, 1]), window=st.sampled_from([8, 64, 1 << 18]), cut=st.integers(1, 400))
def test_whatever_the_window_the_document_comes_out_whole_or_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], indent: int | None, window: int, cut: int
) -> None:
    monkeypatch.setattr(json_sections, "WINDOW", window)
    path = tmp_path / "a.json"
    text = json.dumps(document, indent=indent).encode()
    path.write_bytes(text)
    assert read(path) == document
    if cut < len(text):
        path.write_bytes(text[:-cut])
        with pytest.raises(FormatError):
            read(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "a.json, line 1: The file holds no JSON object."),
        ("[]", "a.json, line 1: The file holds no JSON object."),
        ('{"a": [{"b": 1},\n{"b": 2,}]}', "a.json, line 2: This is not JSON"),
        ('{"a": [{"b": 1}\n\n{"b": 2}]}', "a.json, line 3: This is not JSON"),
        ('{"a": 1 "b": 2}', "a.json, line 1: This is not JSON: a comma"),
        ('{"a": 1,\n 3}', "a.json, line 2: This is not JSON: a key is missing"),
        ('{"a": [1, 2]} x', "a.json, line 1: This is not JSON: something follows"),
        ('{"a": [{"b": NaN}]}', "a.json, line 1: This is not JSON"),
    ],
)
def test_what_is_no_json_is_named_by_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(FormatError) as caught:
        read(tmp_path / "a.json")
    assert str(caught.value).startswith(says)


def test_an_entry_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_sections, "WINDOW", 64)
    monkeypatch.setattr(json_sections, "LARGEST_ENTRY", 1000)
    (tmp_path / "a.json").write_text('{"a": [' + "[" * 5000)
    with pytest.raises(FormatError, match="An entry is longer than 1,000 bytes"):
        read(tmp_path / "a.json")


ENTRY = st.dictionaries(st.sampled_from(["size", "x"]), VALUE, max_size=3).map(lambda rest: {"name": "n"} | rest)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entries=st.dictionaries(TEXT, ENTRY, max_size=12),
    indent=st.sampled_from([None, 1]),
    window=st.sampled_from([8, 64, 1 << 18]),
    key=st.sampled_from(["name", "other"]),
    cut=st.integers(1, 400),
)
def test_whatever_the_window_the_members_of_an_object_come_out_whole_or_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: dict[str, Any], indent: int | None, window: int, key: str, cut: int
) -> None:
    monkeypatch.setattr(json_sections, "WINDOW", window)
    path = tmp_path / "a.json"
    text = json.dumps(entries, indent=indent).encode()
    path.write_bytes(text)
    assert [pair for batch in members(path, "a.json", [key]) for pair in batch.items()] == list(entries.items())
    if cut < len(text):
        path.write_bytes(text[:-cut])
        with pytest.raises(FormatError):
            list(members(path, "a.json", [key]))
    path.write_bytes(json.dumps({"a": 1, "in": entries, "b": [{}]}, indent=indent).encode())
    found: dict[str, Any] = {}
    for section, value in sections(path, "a.json", objects={"in": [key]}):
        found[section] = found.get(section, {}) | value if isinstance(value, dict) else value
    assert found == {"a": 1, "in": entries, "b": [{}]}


def test_members_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_sections, "WINDOW", 1000)
    path = tmp_path / "a.json"
    path.write_text(json.dumps({str(number): {"name": {"a": {}}, "b": {"c": {}}} for number in range(1000)}))
    assert max(map(len, members(path, "a.json", ["name"]))) < 60
