"""What preparing a TensorFlow training makes of configs, options, labels and records, in its own Python: one process for many requests."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.environments import find_ready
from runner.frameworks.tfod import framework
from runner.presets import load_presets
from tests.support.tfod_place import NANO, shapes

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(300)]

ASK = """
import functools, json, sys
from prepare_tfod.__main__ import carry_out
from prepare_tfod.answering import answer
print(json.dumps([answer(functools.partial(carry_out, "prepare"), each) for each in json.load(sys.stdin)]))
"""
SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "pipeline_config"
Ask = Callable[..., list[tuple[int, dict[str, Any]]]]


@pytest.fixture(scope="module")
def ask() -> Ask:
    """Answers to many requests, each (exit code, answer)."""
    environment = find_ready("tfod")
    if environment is None:
        pytest.skip("there is no environment of the TensorFlow Object Detection API; `python -m runner.environments build tfod` makes it")

    def asked(*requests: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
        variables = {"PATH": os.environ["PATH"], "PYTHONPATH": str(framework.prepare_program.parent), "CUDA_VISIBLE_DEVICES": "-1"}
        variables["PYTHONDONTWRITEBYTECODE"] = "1"
        done = subprocess.run(
            [environment.python, "-c", ASK], input=json.dumps(requests).encode(), capture_output=True, env=variables, check=False
        )
        assert done.returncode == 0, done.stderr.decode()[-3000:]
        return [(code, answer) for code, answer in json.loads(done.stdout.splitlines()[-1])]

    return asked


def request(
    *, config: str = NANO.config, options: Mapping[str, Any] = {}, raw: tuple[str, ...] = (), code: Mapping[str, str] = {},
    folder: Path = Path("/nowhere"), classes: tuple[str, ...] = ("square", "disc"), split: str = "train", **overrides: Any,
) -> dict[str, Any]:
    preset = {"name": "p", "config": config, "epochs": 20, "batch": 8, "lr": 0.08, "options": options}
    dataset = {"classes": classes, "splits": {split: (f"data/{split}.record*", "data/label_map.pbtxt")}, "images": {split: 800}}
    spec = {"kind": "train", "preset": preset, "overrides": {"options": raw, **overrides}, "start": {"mode": "fresh"}, "gpus": 1}
    return {"spec": spec, "dataset": dataset, "checkpoints": [], "folder": str(folder), "code": code}


def test_a_config_becomes_that_of_the_dataset(ask: Ask) -> None:
    options = {
        "model.ssd.loss.classification_loss": {"weighted_sigmoid_focal": {"gamma": 1.5}},
        "train_config.data_augmentation_options": [{"random_horizontal_flip": {}}, {"random_crop_image": {"min_area": 0.5}}],
        "model.ssd.feature_extractor.min_depth": None,
    }  # fmt: skip
    raw = ("train_config.optimizer.momentum_optimizer.momentum_optimizer_value=0.8", "train_config.data_augmentation_options.1."
           "random_crop_image.min_area=0.25", "eval_config.metrics_set=[\"coco_detection_metrics\"]", "train_input_reader.name=own")
    (code, answer), (_, faster) = ask(
        request(options=options, raw=raw), request(epochs=200, lr=0.01, batch=16),
    )  # fmt: skip
    assert code == 0
    text = " ".join(answer["config"].split())
    assert "num_classes: 2" in text
    assert "batch_size: 8" in text
    assert 'input_path: "data/train.record*"' in text
    assert "gamma: 1.5" in text
    assert "min_depth" not in text
    assert "random_crop_image { min_area: 0.25 }" in text
    assert "momentum_optimizer_value: 0.8" in text
    assert 'name: "own"' in text
    # 20 epochs of 100 steps are what the config was written for; ten times as long, its warm-up is, too.
    assert "total_steps: 2000 warmup_learning_rate: 0.026666 warmup_steps: 200" in text
    assert (answer["values"]["steps"], answer["values"]["between_saves"]) == (2000, 100)
    longer = " ".join(faster["config"].split())
    assert "learning_rate_base: 0.01 total_steps: 10000 warmup_learning_rate: 0.00333325 warmup_steps: 1000" in longer
    assert (faster["lr"], faster["batch"], faster["epochs"]) == (0.01, 16, 200)


def test_what_can_never_work_is_said_with_its_place(ask: Ask) -> None:
    broken = "model { ssd { num_clases: 3 } }"
    cases = {
        "There is no option 'train_config.optimiser.adam': train_config has no 'optimiser' (did you mean 'optimizer'?)":
            request(raw=("train_config.optimiser.adam=1",)),
        "The option eval_config.batch_size cannot be 'many'": request(options={"eval_config.batch_size": "many"}),
        "The raw option 'eval_config.batch_size=many' cannot be read": request(raw=("eval_config.batch_size=many",)),
        "The raw option train_config.num_steps is Signalbox's own: ask with --epochs": request(raw=("train_config.num_steps=5",)),
        "train_config.use_bfloat16 needs a TPU": request(raw=("train_config.use_bfloat16=true",)),
        "no field named \"num_clases\"": request(config="own.config", code={"own.config": "\n" + broken}),
        "There is no pipeline config 'ssd_mobilenet_v2_fpnlit.config' (did you mean 'ssd_mobilenet_v2_fpnlite.config'?)":
            request(config="ssd_mobilenet_v2_fpnlit.config"),
        "The pipeline config cannot be built: ValueError: mine": request(options={"model.ssd.feature_extractor.type": "mine"}),
        "describes no model": request(config="own.config", code={"own.config": "train_config { }"}),
        "The dataset has no images in a split called train": request(split="val"),
    }  # fmt: skip
    answers = ask(*cases.values())
    for (words, _), (code, answer) in zip(cases.items(), answers, strict=True):
        assert (code, words in answer.get("error", {}).get("sentence", "")) == (3, True), (words, answer)
    assert answers[5][1]["error"]["where"] == "own.config, line 2"


def test_labels_and_records_that_lie_there_are_looked_at(ask: Ask, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("whole", "zero", "missing", "torn", "others")]
    for folder in folders:
        folder.mkdir()
        shapes(folder, 5)
    _, zero, missing, torn, others = folders
    (zero / "data" / "label_map.pbtxt").write_text("item { id: 0 name: 'square' }\nitem: { name: 'disc', id: 1; }\n")
    (missing / "data" / "train.record").unlink()
    content = (torn / "data" / "train.record").read_bytes()
    (torn / "data" / "train.record").write_bytes(content[: len(content) // 2])
    (others / "data" / "label_map.pbtxt").write_text("item { id: 1 name: 'square' }\nitem { id: 7 name: 'disk' }\n")
    good, *bad = ask(*(request(folder=folder) for folder in folders))
    assert good[0] == 0
    assert good[1]["values"]["labels"] == {"square": 1, "disc": 2}
    said = [answer["error"]["sentence"] for _, answer in bad]
    assert "'square' has the id 0" in said[0]
    assert said[1] == "No record file matches data/train.record*."
    assert "is torn or no TFRecord" in said[2]
    assert "The dataset's class 'disc' is not in its label map (square, disk)" in said[3]


@pytest.mark.parametrize("name", [preset.name for preset in load_presets().values() if preset.framework == "tfod"])
def test_the_presets_that_come_along_are_models_of_the_api(ask: Ask, name: str) -> None:
    preset = load_presets()[name]
    [(code, answer)] = ask(request(config=preset.config, batch=preset.batch, lr=preset.lr))
    assert code == 0, answer
    assert answer["lr"] == pytest.approx(preset.lr)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample configs are not beside this repository")
def test_a_real_config_of_the_detection_zoo_is_prepared_and_one_of_a_fork_is_refused(ask: Ask) -> None:
    texts = [path.read_text() for path in sorted(SAMPLES.glob("*.config"))]
    (code, answer), (_, fork) = ask(*(request(config="zoo.config", code={"zoo.config": text}, epochs=300) for text in texts))
    assert code == 0, answer
    text = " ".join(answer["config"].split())
    assert "use_bfloat16: false" in text
    assert "fine_tune_checkpoint" not in text
    assert "PATH_TO_BE" not in text
    assert "total_steps: 30000 warmup_learning_rate: 0.001 warmup_steps: 250 " in text
    assert 'has no field named "add_weight_as_input"' in fork["error"]["sentence"]
    assert fork["error"]["where"] == "zoo.config, line 132"
