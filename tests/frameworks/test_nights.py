"""Two nights with real small trainings: the first makes a champion, the second learns from data whose boxes of one class are wrong.

What mornings say of planted changes is tried at length with the scripted framework (tests/nights); here it comes of real losses and mAP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from bot import grammar
from bot.notifier import notify
from bot.rendering import render
from recipes.ingest import ingest
from runner.environments import find_ready
from runner.service import outbox, retraining
from runner.service.detections import is_drawable, regressions, worst_and_best
from runner.service.retraining import Retraining, Verdict
from runner.service.views import view
from runner.store import hosts, runs
from tests.support.payloads import assert_sendable
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house

pytestmark = [pytest.mark.frameworks, pytest.mark.environment, pytest.mark.timeout(600)]

SIDE = 96
SQUARE, DISC = (8, 10, 44, 46), (50, 48, 90, 88)
MIDDLE = (62, 60, 78, 76)
"""Of the disc: what a careless person may have drawn."""
LINE = "retrain rtmdet-nano on shapes --epochs {epochs} --batch 8 --eval-every {epochs}"


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[ScriptedHouse]:
    ready = find_ready("upstream")
    if ready is None:
        pytest.skip("the training environment is not built: `make environment` builds it")
    with scripted_house(tmp_path) as opened:
        with opened.house.store.writing() as db:
            hosts.put_environment(db, replace(ready, host=HOST))
        yield opened


def add_shapes(scripted: ScriptedHouse, shade: int, *, trained_disc: tuple[int, int, int, int] = DISC) -> None:
    """A version of ``shapes``: a white square and a black disc in every picture; of those to train on the disc is said to be there."""
    folder = scripted.root.parent / f"shapes-{shade}"
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split, count in (("train", 48), ("val", 4)):
        images, boxes = [], []
        for number in range(1, count + 1):
            name = f"{split}_{number}.png"
            picture = Image.new("RGB", (SIDE, SIDE), (shade, 90 + number, 100 if split == "train" else 140))
            pen = ImageDraw.Draw(picture)
            pen.rectangle(SQUARE, fill="white")
            pen.ellipse(DISC, fill="black")
            picture.save(folder / "images" / name)
            images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
            for category, (left, top, right, bottom) in ((1, SQUARE), (2, trained_disc if split == "train" else DISC)):
                boxes.append({
                    "id": len(boxes) + 1, "image_id": number, "category_id": category, "iscrowd": 0,
                    "bbox": [left, top, right - left, bottom - top], "area": (right - left) * (bottom - top),
                })
        categories = [{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}]
        document = {"images": images, "annotations": boxes, "categories": categories}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    ingest(scripted.house.catalog, folder, name="shapes", created_at=datetime.now(UTC))


def night(scripted: ScriptedHouse, epochs: int) -> Retraining:
    asked = grammar.answer(scripted.house, scripted.who(f"night of {epochs}"), LINE.format(epochs=epochs))
    assert asked.run_id, asked.text
    deadline = time.monotonic() + 280
    while True:
        retraining.advance(scripted.house)
        found = retraining.retraining_with(scripted.house, asked.run_id)
        assert found is not None
        if found.verdict:
            return found
        assert time.monotonic() < deadline, [(run.id, run.reason, run.detail) for run in runs.live(scripted.house.store.reading())]
        time.sleep(0.1)


def test_a_real_champion_and_the_night_that_unlearns_a_class(scripted: ScriptedHouse) -> None:
    house = scripted.house
    add_shapes(scripted, 60)
    with scripted.running():
        first = night(scripted, 28)
        assert first.verdict is Verdict.PROMOTED, first.why
        champion = view(house, first.eval_id or "").best
        assert champion is not None
        assert set(champion.per_class) == {"square", "disc"}
        assert (champion.per_class["disc"] or 0.0) > 0.15, champion
        add_shapes(scripted, 70, trained_disc=MIDDLE)
        second = night(scripted, 8)
    assert second.verdict is Verdict.KEPT
    assert "disc lost" in second.why, second.why
    assert (second.test, second.split, second.champion_id) == ("shapes@1", "val", first.run_id)
    assert [each.run_id for each in retraining.all_champions(house)] == [first.run_id]
    assert second.eval_id is not None
    assert second.champion_eval_id is not None
    assert is_drawable(house, first.run_id), "its last validation was brought here after its end"
    worst, _best = worst_and_best(house, second.eval_id, most=4)
    assert len(worst) == 4, "no disc is found where it is"
    worse = regressions(house, second.eval_id, second.champion_eval_id, most=4)
    assert worse
    assert {box.label for _, now in worse for box in now.truth if not box.right} == {"disc"}
    while notify(house, home_channel="C1"):
        pass
    cards = [render(house, each) for each in outbox.owed(house) if each.kind == "retraining"]
    assert len(cards) == 2
    assert_sendable(cards[1].text, cards[1].blocks)
    for png in [picture.draw() for picture in cards[1].pictures]:
        assert png is not None
        assert Image.open(BytesIO(png)).width >= 1000
    assert len(cards[1].pictures) == 2, "the curve, and what is worse"
