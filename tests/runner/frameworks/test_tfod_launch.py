"""Launch plans of the TensorFlow 2 Object Detection API, and steps read as epochs; without TensorFlow."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
from pathlib import Path

import pytest

from runner.entities import Environment, Evaluation, Progress
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared, Ranks
from runner.frameworks.tfod import framework
from runner.frameworks.tfod_log import Epochs
from runner.frameworks.tfod_using import placed
from runner.presets import load_presets
from runner.specs import Kind, StartMode
from tests.support.tfod_place import DATASET, NANO, training, using

ENVIRONMENT = Environment(
    "gpu-1", "tf", "tfod", "/env/bin/python", "/code/object_detection/", "f", setup=("ulimit -n 4096",), variables={"A": "b"}
)
VALUES = {
    "labels": {"square": 1, "disc": 3}, "label_map": "data/label_map.pbtxt", "splits": {"train": "data/train.record*"}, "evaluates": True,
    "steps": 400, "between_saves": 100, "first_number": 1, "first_step": 0, "first_epoch": 0.0, "steps_per_epoch": 18.5, "asked_epochs": 20,
    "label_map_text": "item { }", "records": "", "step": 200,
}  # fmt: skip
PREPARED = Prepared(config="model { }\n", epochs=22, batch=8, lr=0.08, revision="r", values=VALUES)
CHECKPOINT = "/runs/it's $one/kept/ckpt-3"
# Defined by model_main_tf2.py and exporter_main_v2.py; whatever else they are given they ignore without a word.
FLAGS = {
    "pipeline_config_path", "model_dir", "num_train_steps", "checkpoint_dir", "eval_timeout", "num_workers", "checkpoint_every_n",
    "record_summaries", "input_type", "trained_checkpoint_dir", "output_directory",
}  # fmt: skip


def company(prepared: Prepared = PREPARED, ranks: Ranks = Ranks(), mode: StartMode = StartMode.FRESH) -> dict[str, object]:
    plan = framework.train(training(mode, keep=4), prepared, ENVIRONMENT, ranks)
    assert plan.argv == ("/env/bin/python", "companion.py", "companion.json")
    found: dict[str, object] = json.loads(plan.files["companion.json"])
    return found


def flags(argv: object) -> dict[str, str]:
    assert isinstance(argv, list)
    found = dict(re.fullmatch(r"--(\w+)=(.+)", flag).groups() for flag in argv if flag.startswith("-"))  # type: ignore[union-attr]
    assert found.keys() <= FLAGS
    return found


def test_a_training_has_company_that_keeps_and_evaluates_its_checkpoints() -> None:
    found = company()
    assert flags(found["program"]) == {
        "pipeline_config_path": "pipeline.config", "model_dir": "model", "num_train_steps": "400", "checkpoint_every_n": "100",
        "record_summaries": "true",
    }  # fmt: skip
    assert (found["folder"], found["keep_folder"], found["keep"]) == ("model", framework.checkpoint_folder, 4)
    assert found["epochs_per_number"] == pytest.approx(100 / 18.5)
    evaluate = found["evaluate"]
    assert isinstance(evaluate, dict)
    assert evaluate["program"] == ["/env/bin/python", "evaluate_tfod.py", "/code/object_detection/model_main_tf2.py", "{checkpoint}"]
    assert evaluate["variables"] == {"CUDA_VISIBLE_DEVICES": "-1"}
    line = "I1009 05:49:54.6 1 model_lib_v2.py:1018] \t+ DetectionBoxes_Precision/mAP: 0.127604"
    assert re.search(evaluate["metric"], line)["value"] == "0.127604"  # type: ignore[index]
    assert re.search(evaluate["metric"], line.replace("mAP:", "mAP@.50IOU:")) is None


def test_every_file_of_a_plan_is_there_and_its_records_are_checked_first() -> None:
    plan = framework.train(training(), PREPARED, ENVIRONMENT, Ranks())
    assert set(plan.files) == {
        "pipeline.config", "prepare_tfod", "check.json", "companion.py", "companion.json", "evaluate_tfod.py",
    }  # fmt: skip
    assert plan.setup == ("ulimit -n 4096", "/env/bin/python prepare_tfod check <check.json >/dev/null || exit 1")
    assert json.loads(plan.files["check.json"]) == {
        "labels": {"square": 1, "disc": 3}, "label_map": "data/label_map.pbtxt", "splits": {"train": "data/train.record*"}, "pipelines": 1,
    }  # fmt: skip
    assert plan.variables["A"] == "b"
    assert plan.variables["PYTHONPATH"] == "/code:/code/slim"
    assert plan.variables["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"


@pytest.mark.parametrize(("mode", "folder"), [(StartMode.RESUME, "model"), (StartMode.FINETUNE, "start")])
def test_a_checkpoint_is_the_newest_of_its_folder(tmp_path: Path, mode: StartMode, folder: str) -> None:
    prefix = tmp_path / "it's $one" / "ckpt-3"
    prefix.parent.mkdir()
    names = {f"ckpt-3.{end}" for end in ("index", "data-00000-of-00002", "data-00001-of-00002")}
    for name in names:
        prefix.with_name(name).touch()
    prepared = dataclasses.replace(PREPARED, checkpoint=str(prefix))
    plan = framework.train(training(mode), prepared, ENVIRONMENT, Ranks())
    assert plan.files[f"{folder}/checkpoint"] == b'model_checkpoint_path: "ckpt-3"\nall_model_checkpoint_paths: "ckpt-3"\n'
    (tmp_path / folder).mkdir()
    subprocess.run(["/bin/sh", "-c", plan.setup[-1]], cwd=tmp_path, check=True)
    assert {path.name for path in (tmp_path / folder).iterdir()} == names
    assert all(path.is_symlink() and path.exists() for path in (tmp_path / folder).iterdir())


def test_a_resume_without_a_checkpoint_never_trains_from_scratch() -> None:
    with pytest.raises(BadSpecError, match="no checkpoint to resume"):
        company(mode=StartMode.RESUME)


def test_hosts_know_each_other_and_only_the_first_evaluates() -> None:
    ranks = Ranks(processes=4, nodes=2, node=1, address="10.0.0.1,10.0.0.2", port=2222)
    plan = framework.train(training(), PREPARED, ENVIRONMENT, ranks)
    found = json.loads(plan.files["companion.json"])
    assert flags(found["program"])["num_workers"] == "2"
    assert found["evaluate"] is None
    [line] = [line for line in plan.setup if "TF_CONFIG" in line]
    said = subprocess.run(["/bin/sh", "-c", f'{line}\nprintf %s "$TF_CONFIG"'], capture_output=True, check=True).stdout
    workers = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}
    assert json.loads(said) == {"cluster": workers, "task": {"type": "worker", "index": 1}}
    assert json.loads(plan.files["check.json"])["pipelines"] == 2
    with pytest.raises(BadSpecError, match="needs the addresses of all"):
        framework.train(training(), PREPARED, ENVIRONMENT, Ranks(nodes=2, address="10.0.0.1"))


def test_slurm_tells_the_hosts_and_one_process_of_each_trains(tmp_path: Path) -> None:
    plan = framework.train(training(), PREPARED, ENVIRONMENT, Ranks(processes=2, nodes=2, port=2222, slurm=True))
    (tmp_path / "scontrol").write_text("#!/bin/sh\nprintf 'gpu-1\\ngpu-2\\n'\n")
    (tmp_path / "scontrol").chmod(0o755)
    script = "\n".join((*plan.setup[2:], 'printf %s "$TF_CONFIG"'))
    given = {"PATH": f"{tmp_path}:/usr/bin:/bin", "SLURM_JOB_NODELIST": "gpu-[1-2]", "SLURM_NODEID": "1"}
    said = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env={**given, "SLURM_LOCALID": "0"}).stdout
    workers = {"worker": ["gpu-1:2222", "gpu-2:2222"]}
    assert json.loads(said) == {"cluster": workers, "task": {"type": "worker", "index": 1}}
    other = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True, env={**given, "SLURM_LOCALID": "1"})
    assert other.stdout == b""


def test_an_export_names_known_flags_alone() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint=CHECKPOINT)
    plan = framework.export(using(Kind.EXPORT), prepared, ENVIRONMENT)
    assert plan.argv[:2] == ("/env/bin/python", "/code/object_detection/exporter_main_v2.py")
    assert flags(list(plan.argv))["output_directory"] == "results/model"
    assert plan.files["results/model/label_map.pbtxt"] == b"item { }"


@pytest.mark.parametrize("kind", [Kind.EVAL, Kind.PREDICT])
def test_results_that_are_others_own_are_refused(kind: Kind) -> None:
    spec = using(kind, dataset=DATASET, results=["pickle", "cityscapes"])
    run = framework.evaluate if kind is Kind.EVAL else framework.predict
    with pytest.raises(BadSpecError, match=r"writes no predictions.pkl and no Cityscapes files"):
        run(spec, dataclasses.replace(PREPARED, checkpoint=CHECKPOINT), ENVIRONMENT, Ranks())


def test_records_to_predict_on_are_unpacked_first() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint=CHECKPOINT, values={**VALUES, "records": "data/val.record*"})
    plan = framework.predict(using(Kind.PREDICT, dataset=DATASET), prepared, ENVIRONMENT, Ranks())
    assert plan.setup[-1] == "/env/bin/python unpack_tfod.py 'data/val.record*' unpacked label_map.pbtxt || exit 1"
    request = json.loads(plan.files["predict.json"])
    assert (request["listing"], request["classes"]) == ("unpacked/listing.json", ["square", "disc"])
    assert request["checkpoint"] == "start/ckpt-3"


def test_a_folder_of_any_name_is_linked() -> None:
    assert placed("/a b/ckpt-1", "start").setup == (
        "for file in '/a b/ckpt-1'.index '/a b/ckpt-1'.data-*; do ln -sf -- \"$file\" start/ || exit 1; done",
    )


@pytest.mark.parametrize(
    ("step", "place", "finished"), [(1, (1, 1), 0), (18, (1, 18), 0), (19, (2, 1), 1), (37, (2, 19), 2), (400, (22, 12), 21)]
)
def test_steps_are_told_as_epochs(step: int, place: tuple[int, int], finished: int) -> None:
    epochs = Epochs.of(PREPARED)
    point = epochs.point(Progress(epoch=1, iteration=step, iterations=0, step_s=0.5))
    assert (point.epoch, point.iteration, point.iterations) == (*place, 19)
    assert point.eta_s == (400 - step) * 0.5
    assert epochs.finished(step) == finished


def test_a_resumed_run_goes_on_counting() -> None:
    epochs = Epochs(first_step=300, first_epoch=3.0, steps_per_epoch=200.0, last_step=900)
    assert [epochs.finished(step) for step in (300, 499, 500, 900)] == [3, 3, 4, 6]
    assert epochs.point(Progress(epoch=1, iteration=400, iterations=0))[:3] == (4, 100, 200)


def test_the_log_of_a_run_of_ours_is_read_in_epochs() -> None:
    log = (
        b"INFO:tensorflow:Step 100 per-step time 0.500s\nINFO:tensorflow:{'Loss/total_loss': 2.5,\n 'learning_rate': 0.1}\n"
        b"INFO:tensorflow:Found new checkpoint at kept/ckpt-2\nINFO:tensorflow:Eval metrics at step 100\n"
        b"INFO:tensorflow:\t+ DetectionBoxes_Precision/mAP: 0.25\nINFO:tensorflow:\t+ Loss/total_loss: 1.0\n"
    )
    step, evaluated = framework.log_parser(PREPARED).feed(log)
    assert isinstance(step, Progress)
    assert (step.epoch, step.iteration, step.loss, step.eta_s) == (6, 8, 2.5, 150.0)
    assert isinstance(evaluated, Evaluation)
    assert (evaluated.epoch, evaluated.ap) == (5, 0.25)


def test_presets_name_configs_that_come_along() -> None:
    presets = [preset for preset in load_presets().values() if preset.framework == "tfod"]
    assert {NANO.name, "efficientdet-d0", "ssd-mobilenet-v2-fpnlite", "centernet-resnet50"} <= {preset.name for preset in presets}
    configs = framework.prepare_program / "configs"
    assert all((configs / preset.config).is_file() for preset in presets)
