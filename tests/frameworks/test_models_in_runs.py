"""What is done with a real model, as runs: over a real sshd, with the runner, and what was made brought here."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from recipes.ingest import ingest
from runner.entities import Run
from runner.environments import find_ready
from runner.service import models, presets
from runner.service.runs import submit_training
from runner.service.views import RunView
from runner.specs import Overrides, ResultFile
from runner.states import Reason, State
from runner.store import hosts
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house

pytestmark = [pytest.mark.frameworks, pytest.mark.environment, pytest.mark.timeout(600)]
SIDE, BOX = 96, (24, 30, 64, 70)
EPOCHS = 16
"""Of two iterations each: after fewer it finds nothing, and there is no mAP of that."""


@dataclass(frozen=True)
class Trained:
    """A house with a really trained model, and its runner at work."""

    scripted: ScriptedHouse
    run: Run
    seen: RunView

    def done(self, run: Run) -> RunView:
        return _done(self.scripted, run)

    def results(self, run: Run) -> dict[str, Path]:
        return {file.name: file.path for file in models.results_of(self.scripted.house, run.id)}


@pytest.fixture(scope="module")
def trained() -> Iterator[Trained]:
    ready = find_ready("upstream")
    if ready is None:
        pytest.skip("the training environment is not built: `make environment` builds it")
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as scripted:
        ingest(scripted.house.catalog, _squares(scripted.root.parent / "squares"), name="squares", created_at=datetime.now(UTC))
        with scripted.house.store.writing() as db:
            hosts.put_environment(db, replace(ready, host=HOST))
        overrides = Overrides(epochs=EPOCHS, batch=8, eval_every=EPOCHS)
        run = submit_training(scripted.house, scripted.who("train"), preset="rtmdet-nano", dataset="squares", overrides=overrides)
        with scripted.running():
            yield Trained(scripted, run, _done(scripted, run))


def _done(scripted: ScriptedHouse, run: Run) -> RunView:
    seen = scripted.wait_until(run, lambda view: view.run.state.final, timeout_s=240)
    assert seen.run.reason is Reason.COMPLETED, (seen.run.detail, seen.diagnosis)
    return seen


def _squares(folder: Path) -> Path:
    """Sixteen grey pictures, each with one white square."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split, count in (("train", 16), ("val", 4)):
        images, boxes = [], []
        for number in range(1, count + 1):
            name = f"{split}_{number}.jpg"
            picture = Image.new("RGB", (SIDE, SIDE), (60, 60 + number, 60))
            ImageDraw.Draw(picture).rectangle(BOX, fill="white")
            picture.save(folder / "images" / name)
            images.append({"id": number, "file_name": name, "width": SIDE, "height": SIDE})
            boxes.append({
                "id": number, "image_id": number, "category_id": 1, "bbox": [BOX[0], BOX[1], 40, 40], "area": 1600, "iscrowd": 0,
            })
        document = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": "square"}]}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return folder


def test_a_models_own_evaluation_is_measured_again(trained: Trained) -> None:
    best = trained.seen.best
    assert best is not None
    measured = models.submit_eval(trained.scripted.house, trained.scripted.who("eval"), trained.run.id)
    seen = trained.done(measured)
    assert [(item.task, item.ap, set(item.per_class)) for item in seen.evaluations] == [("bbox", best.ap, {"square"})]
    assert len(trained.scripted.view(trained.run).evaluations) == 1


def test_pictures_and_result_files_come_here(trained: Trained, tmp_path: Path) -> None:
    picture = tmp_path / "my square.png"
    Image.new("RGB", (SIDE, SIDE), "gray").save(picture)
    house, who = trained.scripted.house, trained.scripted.who("predict")
    used = models.submit_predict(house, who, trained.run.id, files=[picture], results=(ResultFile.PICTURES, ResultFile.COCO), score=0.0)
    assert trained.done(used).result["images"] == 1
    found = trained.results(used)
    assert {"pictures/my_square.jpg", "predictions.json"} <= set(found)
    assert {item["file_name"] for item in json.loads(found["predictions.json"].read_bytes())} <= {"my_square.png"}


def test_what_is_exported_starts_a_preset_and_what_is_fetched_is_the_file_itself(trained: Trained) -> None:
    scripted = trained.scripted
    made = models.submit_export(scripted.house, scripted.who("export"), trained.run.id, publish_as="squares-net")
    seen = trained.done(made)
    preset = presets.find(scripted.house, "squares-net")
    assert preset.start == f"sha256:{seen.result['sha256']}"
    again = submit_training(
        scripted.house, scripted.who("tune"), preset="squares-net", dataset="squares", overrides=Overrides(epochs=1, batch=4)
    )
    tuned = trained.done(again)
    assert (tuned.run.prepared or {})["taken_parameters"]
    assert not (tuned.run.prepared or {})["new_parameters"]
    latest = models.submit_fetch(scripted.house, scripted.who("fetch"), trained.run.id, what="latest")
    trained.done(latest)
    left = scripted.directory(trained.run) / "work_dir" / f"epoch_{EPOCHS}.pth"
    assert {name: path.read_bytes() for name, path in trained.results(latest).items()} == {f"epoch_{EPOCHS}.pth": left.read_bytes()}


def test_tensorboard_shows_the_training(trained: Trained) -> None:
    scripted = trained.scripted
    shown = models.submit_board(scripted.house, scripted.who("board"), trained.run.id, hours=0.005)
    seen = scripted.wait_until(shown, lambda view: view.result or view.run.state.final, timeout_s=60)
    assert seen.result["port"], seen.run.detail
    assert trained.done(shown).run.state is State.SUCCEEDED
