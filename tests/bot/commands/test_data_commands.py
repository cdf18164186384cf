"""Datasets from the chat: shown, compared, verified, removed with a question first."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from runner.service.house import House, Requester
from runner.settings import Role
from runner.specs import ConvertSpec, Kind, VersionsSpec
from runner.store import runs
from tests.support.words_house import BEN, add_dataset, somebody, training, words_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = words_house(tmp_path)
    add_dataset(made, "fish", format_name="vatic")
    add_dataset(made, "fish", classes={"cod": 130})
    return made


def ask(house: House, line: str, who: Requester | None = None) -> Answer:
    return answer(house, who or somebody(), line)


def queued(house: House) -> list[tuple[Kind, list[str]]]:
    specs = [run.spec for run in runs.newest(house.store.reading(), limit=9)]
    return [(spec.kind, [str(version) for version in spec.versions]) for spec in specs if isinstance(spec, VersionsSpec)]


def test_a_comparison_is_told_at_once_and_looked_at_closely_on_demand(house: House) -> None:
    given = ask(house, "data diff fish@1 fish@2")
    assert given.ok
    assert "boxes: 200 → 130 (-70)" in given.text
    assert queued(house) == []
    assert ask(house, "data diff fish@1 fish --boxes").run_id
    assert queued(house) == [(Kind.DIFF, ["fish@1", "fish@2"])]
    assert "name two" in ask(house, "data diff fish fish@2").text


def test_everything_or_one_version_is_verified(house: House) -> None:
    assert ask(house, "data verify").run_id
    assert queued(house) == [(Kind.VERIFY, [])]
    assert ask(house, "data verify fish@1").run_id
    assert "Did you mean fish" in ask(house, "data verify fsh").text


def test_removing_asks_first_and_does_nothing_until_told(house: House) -> None:
    given = ask(house, "data remove fish@1")
    assert (given.ok, queued(house)) == (True, [])
    assert "This deletes 1 file that no other version has, for ever; 34 B get free." in given.text
    yes, no = given.blocks[-1]["elements"]  # type: ignore[misc]
    assert yes["value"].startswith("confirm q-") and no["value"] == "data show fish@1"
    assert ask(house, yes["value"]).run_id
    assert queued(house) == [(Kind.REMOVE, ["fish@1"])]
    assert house.catalog.numbers("fish") == (1, 2)  # the runner's own process does it


def test_a_name_alone_means_every_version(house: House) -> None:
    assert "fish@1, fish@2 (2 versions" in ask(house, "data remove fish").text
    ask(house, "data remove fish --yes")
    assert queued(house) == [(Kind.REMOVE, ["fish@1", "fish@2"])]


def test_what_a_run_depends_on_is_named_and_kept(house: House) -> None:
    run = training(house, dataset="fish")
    for line in ("data remove fish@2", "data remove fish --yes"):
        given = ask(house, line)
        assert not given.ok
        assert f"needed by {run.id} (train on fish@2, submitted)" in given.text
    assert ask(house, "data remove fish@1 --yes").ok


def test_somebody_else_s_dataset_takes_an_operator(house: House) -> None:
    assert not ask(house, "data remove fish@1", somebody(BEN)).ok
    assert ask(house, "data remove fish@1", somebody(BEN, role=Role.OPERATOR)).ok


def test_a_dry_run_is_a_run_that_makes_nothing(house: House) -> None:
    given = ask(house, "convert fish vatic-to-coco gap=20 --dry-run")
    assert "(dry run)" in given.text
    spec = runs.newest(house.store.reading(), limit=1)[0].spec
    assert isinstance(spec, ConvertSpec)
    assert (spec.dry_run, spec.parameters) == (True, {"gap": "20"})


def test_every_recipe_has_a_line_and_is_told_in_words(house: House) -> None:
    from recipes.recipe import library

    listed = ask(house, "recipes").text
    assert all(f"`{name}`  " in listed for name in library())
    for name in library():
        page = ask(house, f"recipes show {name}")
        assert page.ok
        assert "1. Read " in page.text
