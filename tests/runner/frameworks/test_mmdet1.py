"""MMDetection 1.x, each release with its own flags: prepared, launched and read as the runner does it."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import BadSpecError
from runner.frameworks.base import Ranks
from runner.frameworks.mmdet1 import framework
from runner.specs import Kind, ResultFile, StartMode
from tests.support.mmdet_standin import STANDINS, Standin

pytestmark = pytest.mark.slow
MASKS = "mask_rcnn_r50_fpn_1x.py"


@pytest.mark.parametrize("version", ["1.0.0", pytest.param("1.1.0", marks=pytest.mark.slow), "1.2.0"])
def test_trained_crashed_resumed_and_fine_tuned(tmp_path: Path, version: str) -> None:
    at = Standin(tmp_path, version)
    spec = at.training()
    prepared = replace(at, variables={"STANDIN_OFFLINE": "1"}).prepare(spec)
    crashed = at.run(spec, prepared, STANDIN_FAIL_AT="2")
    assert crashed.exit_code == 1
    assert (crashed.epochs, crashed.whole) == ([1, 2], ["epoch_1.pth", "epoch_2.pth"])
    assert crashed.evaluations == [(1, "bbox", 0.1), (2, "bbox", 0.2)]
    assert "illegal memory access" in crashed.log

    again = at.training(mode=StartMode.RESUME)
    resumed = at.run(again, at.prepare(again, crashed.newest(), trained=prepared))
    assert (resumed.exit_code, resumed.epochs, resumed.lr) == (0, [3], 0.01)
    assert resumed.told()["given"]["resume_from"] == str(crashed.newest())

    tuning = at.training(mode=StartMode.FINETUNE, epochs=1, lr=0.002)
    begun = at.prepare(tuning, resumed.newest())
    assert (begun.taken_parameters, begun.new_parameters) == (5, ())
    tuned = at.run(tuning, begun)
    assert (tuned.exit_code, tuned.epochs, tuned.lr) == (0, [1], 0.002)
    assert f"load checkpoint from local path: {resumed.newest()}" in tuned.log
    assert "modelzoo" not in begun.config


def test_the_first_release_evaluates_in_a_process_of_a_distributed_training_alone(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.0.0")
    told = at.run(at.training(), at.prepare(at.training())).told()
    assert (told["given"]["validate"], told["given"]["launcher"]) == (True, "pytorch")
    assert (told["variables"]["WORLD_SIZE"], told["variables"]["LOCAL_RANK"]) == ("1", "0")


def test_a_process_for_each_gpu(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.2.0", variables={"STANDIN_CUDA": "2"})
    spec = at.training(gpus=2)
    done = at.run(spec, at.prepare(spec), Ranks(processes=2, port=23456))
    assert done.exit_code == 0
    assert [done.told(rank)["variables"]["LOCAL_RANK"] for rank in (0, 1)] == ["0", "1"]
    assert done.told()["variables"]["MASTER_PORT"] == "23456"
    assert [record.iterations for record in done.records[:1]] == [1]  # type: ignore[union-attr]


def test_pytorch_2_gives_no_argument_that_the_program_refuses(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.2.0", variables={"STANDIN_CUDA": "2", "STANDIN_TORCH": "2.1.0"})
    spec = at.training(gpus=2, epochs=1)
    assert at.run(spec, at.prepare(spec)).exit_code == 0


@pytest.mark.parametrize(("version", "validates"), [("1.0.0", False), ("1.2.0", True)])
def test_one_process_drives_all_gpus_where_its_launcher_fails(tmp_path: Path, version: str, validates: bool) -> None:
    at = Standin(tmp_path, version, variables={"STANDIN_CUDA": "2"})
    spec = at.training(gpus=2, epochs=1, distributed=False)
    done = at.run(spec, at.prepare(spec))
    given = done.told()["given"]
    assert (given["gpus"], given["launcher"], given["validate"]) == (2, "none", validates)
    assert bool(done.evaluations) == validates


def test_several_hosts_and_slurm(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.2.0", variables={"STANDIN_CUDA": "4"})
    spec = at.training(gpus=4)
    prepared = at.prepare(spec)
    ranks = Ranks(processes=4, nodes=2, node=1, address="10.0.0.5", port=20001)
    plan = framework.train(spec, prepared, at.environment, ranks)
    program = json.loads(plan.files["companion.json"])["program"]
    config: dict[str, dict[str, object]] = {}
    exec(plan.files["run_config.py"], config)
    assert config["evaluation"]["gpu_collect"] is True, "hosts share no folder to leave results in"
    assert program[1:9] == [
        "-m", "torch.distributed.launch", "--nnodes=2", "--node_rank=1", "--master_addr=10.0.0.5", "--nproc_per_node=4",
        "--master_port=20001", "--use_env",
    ]  # fmt: skip
    plan = framework.train(spec, prepared, at.environment, Ranks(processes=4, port=20001, slurm=True))
    program = json.loads(plan.files["companion.json"])["program"]
    assert program[1:4] == ["registering_launcher.py", "signalbox_dataset", f"{at.environment.code}/tools/train.py"]
    assert program[-2:] == ["--launcher", "slurm"]
    assert plan.variables["MASTER_PORT"] == "20001"
    assert b"gpu_collect" not in plan.files["run_config.py"]


def test_the_first_release_spans_no_hosts_and_says_why(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.0.0")
    spec = at.training(gpus=2)
    with pytest.raises(BadSpecError, match=r"^MMDetection 1\.0\.0 measures .* servers share none.* Leave --hosts out; releases from 1\.1"):
        framework.train(spec, at.prepare(spec), at.environment, Ranks(processes=1, nodes=2, address="10.0.0.5"))


def test_the_frameworks_own_scaling_where_it_comes_to_the_rate_wanted(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.2.0", variables={"STANDIN_CUDA": "4"})
    eight = at.preset(gpus=8, lr=0.02)
    spec = at.training(eight, gpus=4, epochs=1)
    own = at.run(spec, at.prepare(spec))
    assert (own.told()["given"]["autoscale_lr"], own.lr) == (True, 0.01)
    spec = at.training(eight, gpus=4, batch=4, epochs=1)  # 1.x takes no notice of the batch
    computed = at.run(spec, at.prepare(spec))
    assert (computed.told()["given"]["autoscale_lr"], computed.lr) == (False, 0.02)


@pytest.mark.parametrize("version", ["1.0.0", "1.2.0"])
def test_evaluated_with_masks(tmp_path: Path, version: str) -> None:
    at = Standin(tmp_path, version, classes=("fish", "squid"))
    preset = at.preset(config=MASKS)
    prepared = at.prepare(at.training(preset))
    trained = at.run(at.training(preset), prepared)
    spec = at.using(Kind.EVAL, preset)
    measured = at.run(spec, at.prepare(spec, trained.newest(), trained=prepared))
    assert (measured.exit_code, measured.evaluations) == (0, [(3, "bbox", 0.3), (3, "segm", 0.3)])
    classes = [record.per_class for record in measured.records if hasattr(record, "per_class")]
    assert classes[0] == ({"fish": 0.3, "squid": 0.3} if version != "1.0.0" else {})
    assert len(json.loads((measured.directory / "found.bbox.json").read_text())) == 4


@pytest.mark.parametrize("version", ["1.0.0", pytest.param("1.2.0", marks=pytest.mark.slow)])
def test_predicts_on_pictures_without_annotations_drawn_by_us(tmp_path: Path, version: str) -> None:
    at = Standin(tmp_path, version)
    prepared = at.prepare(at.training())
    trained = at.run(at.training(), prepared)
    spec = at.using(Kind.PREDICT, results=(ResultFile.PICTURES, ResultFile.COCO, ResultFile.PICKLE))
    done = at.run(spec, at.prepare(spec, trained.newest(), trained=prepared))
    assert done.exit_code == 0, done.log
    made = sorted(path.name for path in (done.directory / "results").iterdir())
    assert made == ["coco.bbox.json", "pictures", "predictions.json", "predictions.pkl"]
    assert len(list((done.directory / "results/pictures").iterdir())) == 4
    first = json.loads((done.directory / "results/predictions.json").read_text())[0]
    assert first == {
        "image_id": 1, "category_id": 1, "bbox": [2.0, 3.0, 10.0, 8.0], "score": 0.9, "file_name": "val é 1.png", "category": "fish",
    }  # fmt: skip
    assert len(pickle.loads((done.directory / "results/predictions.pkl").read_bytes())) == 4


def test_voc_is_read_and_measured_since_the_second_release(tmp_path: Path) -> None:
    at = Standin(tmp_path, "1.2.0", form="voc")
    prepared = at.prepare(at.training())
    assert "from mmdet.datasets import DATASETS, XMLDataset" in str(prepared.values["dataset_class"])
    trained = at.run(at.training(), prepared)
    assert trained.exit_code == 0, trained.log
    spec = at.using(Kind.EVAL)
    measured = at.run(spec, at.prepare(spec, trained.newest(), trained=prepared))
    assert measured.evaluations == [(3, "bbox", 0.3)]
    older = Standin(tmp_path, "1.0.0", form="voc")
    assert "convert the dataset to COCO" in older.refused(spec, trained.newest(), trained=prepared)


def test_own_modules_and_an_own_config_are_registered_by_the_launcher(tmp_path: Path) -> None:
    code = {
        "mobile.py": (
            "from mmcv.modules import module\nfrom mmdet.models import ALL, BACKBONES\n\n"
            "module(ALL, BACKBONES, 'MobileNet', 0, width=1.0)\n"
        ),
        "mobile_config.py": (STANDINS / "mmdet1/configs/faster_rcnn_r50_fpn_1x.py").read_text()
        + "model['backbone'] = dict(type='MobileNet', width=0.5)\n",
    }
    at = Standin(tmp_path, "1.2.0", code=code)
    preset = at.preset(config="mobile_config.py", code=dict.fromkeys(code, "0" * 64))
    spec = at.training(preset, epochs=1)
    done = at.run(spec, at.prepare(spec))
    assert done.exit_code == 0, done.log
    program = json.loads((done.directory / "companion.json").read_text())["program"]
    assert program[1:3] == ["registering_launcher.py", "mobile,signalbox_dataset"]


def test_what_1_x_cannot_do_is_refused_before_a_gpu_is_taken(tmp_path: Path) -> None:
    without = Standin(tmp_path, "1.2.0", variables={"STANDIN_CUDA": "0"})
    assert "MMDetection 1.x cannot train on a CPU" in without.refused(without.training())
    at = Standin(tmp_path, "1.2.0")
    assert "leave --at-epoch out" in at.refused(at.training(mode=StartMode.FINETUNE, at_epoch=100))
    assert "for the framework mmdet1; p is for mmdet2" in at.refused(at.training(at.preset(framework="mmdet2")))
    assert Kind.EXPORT not in framework.kinds
    prepared = at.prepare(at.training())
    trained = at.run(at.training(epochs=1), at.prepare(at.training(epochs=1)))
    predicting = at.using(Kind.PREDICT, overrides={"batch": 2})
    assert "takes one picture at a time" in at.refused(predicting, trained.newest(), trained=prepared)
    with pytest.raises(BadSpecError, match="no checkpoint to resume"):
        framework.train(at.training(mode=StartMode.RESUME), prepared, at.environment, Ranks())
