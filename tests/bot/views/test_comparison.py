"""Trainings side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bot.views.comparison import comparison
from runner.errors import RequestError
from runner.service import comparing
from runner.service.house import House
from runner.specs import Overrides
from runner.store import runs
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import add_dataset, at_work, training, words_house

PREPARED = {"config": "model = dict(depth=50)\nlr = 0.01\nbatch = 8\n", "epochs": 20, "batch": 8, "lr": 0.01, "revision": "mmdet 3.3.0"}


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = words_house(tmp_path)
    add_dataset(house)
    return house


def two(house: House) -> tuple[str, str]:
    first = at_work(house, training(house))
    second = training(house, overrides=Overrides(lr=0.001))
    with house.store.writing() as db:
        runs.keep_prepared(db, first.id, PREPARED)
        runs.keep_prepared(db, second.id, PREPARED | {"config": str(PREPARED["config"]).replace("0.01", "0.001"), "lr": 0.001})
    return first.id, second.id


def test_what_differs_is_shown_and_nothing_else(house: House) -> None:
    first, second = two(house)
    found = comparing.compare(house, [first, second])

    assert found.settings == {"learning rate": ["0.01", "0.001"]}
    assert found.config is not None
    assert [line for line in found.config if line[0] in "+-" and line[:3] not in ("+++", "---")] == ["-lr = 0.01", "+lr = 0.001"]
    text, blocks = comparison(found)
    assert_sendable(text, blocks)
    assert "learning rate" in text
    assert "preset" not in text


def test_classes_cost_and_data_are_compared_and_the_winner_is_marked(house: House) -> None:
    add_dataset(house, classes={"cod": 10, "eel": 90})
    first = at_work(house, training(house), epochs=8, best_epoch=6)
    other = training(house)
    third = add_dataset(house, classes={"cod": 30, "eel": 90})
    with house.store.writing() as db:
        db.conn.execute(
            "UPDATE runs SET spec = json_set(spec, '$.dataset.version', 3, '$.dataset.fingerprint', ?) WHERE id = ?",
            (third.fingerprint, other.id),
        )
        db.conn.execute("DELETE FROM leases")
        db.conn.execute("UPDATE attempts SET claimed_at = created_at, devices = 2")
    second = at_work(house, runs.get(house.store.reading(), other.id), epochs=4, best_epoch=9)

    found = comparing.compare(house, [first.id, second.id])
    text, blocks = comparison(found)

    assert_sendable(text, blocks)
    assert found.gpu_hours[0] == pytest.approx(2 * 41 / 60)
    assert "0.700★" in text and "GPU-hours" in text and "AP by class" in text
    assert "fish@2 → fish@3" in text and "boxes: 100 → 120 (+20)" in text
    assert all(len(line) <= 40 for block in text.split("```")[1::2] for line in block.splitlines()), "a phone shows 40 characters"


def test_only_trainings_are_compared_and_at_least_two(house: House) -> None:
    first, _ = two(house)
    with pytest.raises(RequestError, match="Between 2 and 6"):
        comparing.compare(house, [first, first])


def test_hostile_settings_stay_inside_slacks_limits(house: House) -> None:
    first, second = two(house)
    found = comparing.compare(house, [first, second])
    worst = replace(found, settings={f"{HOSTILE}{n}": [HOSTILE * 9] * 2 for n in range(80)}, config=[HOSTILE * 40] * 500)

    assert_sendable(*comparison(worst))
