"""``data show`` in a real (local) workspace: the card at once, the pictures to whoever asked."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from recipes.catalog.versions import DatasetVersion
from recipes.checks.box_sizes import BoxSizes
from recipes.ingest import ingest
from tests.support.scripted_house import write_coco
from tests.support.slack_house import SlackHouse, slack_house, until
from tests.support.words_house import add_dataset


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlackHouse]:
    with pytest.MonkeyPatch.context() as patch, slack_house(tmp_path_factory.mktemp("house")) as house:
        for name, value in house.environment.items():
            patch.setenv(name, value)
        with house.bot():
            yield house


@pytest.fixture(scope="module")
def fish(served: SlackHouse, tmp_path_factory: pytest.TempPathFactory) -> DatasetVersion:
    folder = write_coco(tmp_path_factory.mktemp("coco") / "coco")
    return ingest(served.house.catalog, folder, name="fish", created_at=datetime.now(UTC))


def shown(served: SlackHouse, dataset: str) -> list[dict[str, Any]]:
    return served.rows("SELECT kind, state, json_extract(body, '$.part') AS part FROM deliveries"
                       " WHERE json_extract(body, '$.reference') = ? ORDER BY seq", dataset)


def test_the_pictures_come_to_whoever_asked(served: SlackHouse, fish: DatasetVersion) -> None:
    ada = served.person()
    answered = ada.slash(served.training, "/train", "data show fish")
    assert "4 images, 4 boxes, 1 class (coco)" in str(answered)
    until(lambda: [row["state"] for row in shown(served, "fish@1")] == ["sent"] * 3)
    assert [row["part"] for row in shown(served, "fish@1")] == ["samples", "classes", "sizes"]
    assert isinstance(fish.summary.box_sizes, BoxSizes)
    seen = [message for message in ada.ephemeral_messages(served.training) if "of fish@1" in message["text"]]
    assert [message["text"] for message in seen] == ["Samples of fish@1", "Boxes by class of fish@1", "Box sizes of fish@1"]
    assert all(message["blocks"][-1]["type"] == "image" for message in seen)
    assert not [message for message in served.person("ben").ephemeral_messages(served.training) if "of fish@1" in message["text"]]


def test_a_version_from_before_shows_what_there_is(served: SlackHouse, tmp_path: Path) -> None:
    add_dataset(served.house, "old")
    served.person().slash(served.training, "/train", "data show old")
    until(lambda: [row["state"] for row in shown(served, "old@1")] == ["sent"])
    assert [row["part"] for row in shown(served, "old@1")] == ["classes"]
