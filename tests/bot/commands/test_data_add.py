"""``data add`` as people type it: what is queued, and what is answered to what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.grammar import answer
from runner.entities import Place
from runner.service import people
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import IngestSpec, Origin
from runner.store import runs
from tests.support.words_house import ADA, somebody, words_house

SUM = "ab" * 32


@pytest.fixture
def house(tmp_path: Path) -> House:
    return words_house(tmp_path)


@pytest.mark.parametrize(
    ("line", "archive"),
    [
        ("data add fish https://example.org/fish.zip", "https://example.org/fish.zip"),
        ("data add Fish <https://example.org/fish.zip>", "https://example.org/fish.zip"),
        ("data add fish <https://example.org/fish.zip|https://example.org/fish.zip>", "https://example.org/fish.zip"),
        ("data add fish <https://example.org/get?id=3&amp;key=a%20b>", "https://example.org/get?id=3&key=a%20b"),
        (f"data add fish https://example.org/fish.zip —sha256 {SUM} format=coco", "https://example.org/fish.zip"),
        ("data add fish gpu1:/data/fish", "/data/fish"),
        ("data add fish “gpu1:/data/my fish”", "/data/my fish"),
    ],
)
def test_a_source_is_queued_as_it_was_meant(house: House, line: str, archive: str) -> None:
    given = answer(house, somebody(role=Role.OPERATOR), line)
    assert given.ok, given.text
    spec = runs.newest(house.store.reading(), limit=1)[0].spec
    assert isinstance(spec, IngestSpec)
    assert (spec.archive, spec.dataset) == (archive, "fish")
    assert spec.origin is (Origin.HOST if "gpu1" in line else Origin.URL)
    assert (spec.sha256, spec.format) == ((SUM, "coco") if "sha256" in line else (None, None))
    assert "key=a" not in given.text


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("data add", "needs"),
        ("data add fish", "needs to know from where"),
        ("data add fish fish.zip", "neither a URL"),
        ("data add fish ftp://example.org/fish.zip", "is not fetched"),
        ("data add fi/sh https://example.org/fish.zip", "cannot name a dataset"),
        ("data add fish https://example.org/fish.zip format=cocoa", "Did you mean coco?"),
        ("data add fish gpu-9:/data/fish", "There is no host gpu-9"),
        ("data add fish gpu1:data", "its absolute path"),
        ("data add fish https://example.org/a.zip https://example.org/b.zip", "too much"),
    ],
)
def test_what_cannot_be_added_is_answered_with_what_can(house: House, line: str, sentence: str) -> None:
    given = answer(house, somebody(role=Role.OPERATOR), line)
    assert not given.ok
    assert sentence in given.text
    assert not runs.newest(house.store.reading(), limit=1)


def test_a_servers_folder_is_for_operators(house: House) -> None:
    assert "operator" in answer(house, somebody(role=Role.MEMBER), "data add fish gpu1:/data/fish").text
    assert answer(house, somebody("2", role=Role.MEMBER), "data add fish https://example.org/fish.zip").ok


def test_in_a_thread_its_file_is_noted_once(house: House) -> None:
    who = Requester(ADA, Role.MEMBER, "mention", "Ev1", Place("C1", "1.2"))
    for _ in range(2):
        assert answer(house, who, "data add fish").ok
    (upload,) = people.wanted_uploads(house)
    assert (upload.dataset, upload.url, upload.thread, upload.owner) == ("fish", "", "1.2", ADA)
