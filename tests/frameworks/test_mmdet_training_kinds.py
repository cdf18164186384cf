"""Real MMDetection trainings on the CPU of other kinds: own code, other people's checkpoints, two processes; and every preset prepared."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.entities import Checkpoint, Environment, Evaluation, Record
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared
from runner.frameworks.mmdet import framework
from runner.host_program import packed
from runner.preset_code import read_code
from runner.presets import load_presets
from runner.specs import Preset, StartMode
from tests.runner.frameworks.conftest import Training, ask, new_training, steps, training_environment

pytestmark = [pytest.mark.frameworks, pytest.mark.timeout(600)]
__all__ = ["training_environment"]  # a fixture

OWN = Path(__file__).parent / "own_detector"
PRESETS = [preset for preset in load_presets().values() if preset.framework == "mmdet"]
# What the presets' own configs begin with: found in torch's cache, nothing is downloaded.
BACKBONES = ("resnet50-0676ba61.pth", "cspnext-tiny_imagenet_600e.pth", "cspnext-s_imagenet_600e.pth")
# Many requests to one process: starting it takes longer than to prepare.
SERVE = """
import sys, json
sys.path.insert(0, sys.argv[1])
from prepare_mmdet.answering import answer
from prepare_mmdet.preparing import prepare
for line in sys.stdin:
    print("ANSWER " + json.dumps(answer(prepare, json.loads(line))), flush=True)
"""
POISONED = """
import os, sys, torch
class Poison:
    def __reduce__(self):
        return os.mkdir, (sys.argv[3],)
checkpoint = torch.load(sys.argv[1], weights_only=False)
torch.save({**checkpoint, "poison": Poison()}, sys.argv[2])
"""


def own_preset(**changes: object) -> tuple[Preset, dict[str, str]]:
    """The preset that `presets add` would make of the folder, and its code."""
    made = read_code(str(OWN / "retinanet_augfpn_autoaug.py"), str(OWN))
    code = {path: text.decode() for path, text in made.texts.items()}
    preset = Preset(
        name="own", framework="mmdet", config=made.config, description="own", epochs=2, batch=2, gpus=8, lr=0.02, imports=made.imports,
        code=dict.fromkeys(code, "0" * 64),
    )
    return preset.model_copy(update=changes), code


@dataclass(frozen=True)
class Own:
    """A finished training of the own detector."""

    training: Training
    prepared: Prepared
    records: tuple[Record, ...]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> Own:
    preset, code = own_preset()
    training = new_training(tmp_path_factory.mktemp("own"), training_environment, preset=preset, code=code)
    spec = training.spec()
    prepared = training.prepare(spec)
    return Own(training, prepared, training.train(spec, prepared))


def test_an_own_backbone_neck_dataset_and_config_train(own: Own) -> None:
    config = own.prepared.config
    assert all(name in config for name in ("PocketMobileNet", "PocketAugFPN", "SquareDataset", "AutoAugment", "custom_imports"))
    assert str(own.training.directory) not in config
    values = {**own.prepared.values}
    assert 0.1e6 < values.pop("checkpoint_bytes") < 50e6
    assert (own.prepared.lr, values) == (0.02 * 4 / 16, {"auto_scale_lr": True, "keep": 3})
    assert steps(own.records)[-1].epoch == 2
    assert [item.epoch for item in own.records if isinstance(item, Evaluation)] == [1, 2]


def test_two_processes_begin_with_the_weights_of_a_checkpoint_whose_objects_stay_dead(own: Own, tmp_path: Path) -> None:
    poisoned, proof = tmp_path / "start.pth", tmp_path / "poison"
    arguments = [str(own.training.checkpoint(2)), str(poisoned), str(proof)]
    subprocess.run([own.training.environment.python, "-c", POISONED, *arguments], check=True)
    preset, code = own_preset()
    training = new_training(tmp_path / "two", own.training.environment, preset=preset, code=code)
    spec = training.spec(StartMode.FINETUNE, parent=None, gpus=2, batch=2, epochs=1)
    prepared = training.prepare(spec, [poisoned])
    assert prepared.checkpoint not in (None, str(poisoned))
    assert prepared.new_parameters == ()
    values = {key: value for key, value in prepared.values.items() if key != "checkpoint_bytes"}
    assert (values, prepared.iterations) == ({"auto_scale_lr": True, "backend": "gloo", "keep": 3}, 4)
    assert "SyncBN" not in prepared.config
    records = training.train(spec, prepared)
    log = (training.directory / "log").read_text()
    assert "Distributed training: True" in log
    assert "GPU number: 2" in log
    assert log.count("Scaling the original LR by 0.25.") == 1
    assert [(step.epoch, step.iteration) for step in steps(records)][-1] == (1, 4)
    assert [item.epoch for item in records if isinstance(item, Evaluation)] == [1]
    assert sorted(item.best for item in records if isinstance(item, Checkpoint)) in ([False], [False, True])
    assert not proof.exists()


def test_a_module_that_does_not_import_is_named_with_its_line(own: Own, tmp_path: Path) -> None:
    preset, code = own_preset()
    broken = code["pocket_augfpn.py"].replace("from mmcv.cnn import ConvModule", "from mmcv.cnn import ConvModul")
    training = new_training(tmp_path, own.training.environment, preset=preset, code={**code, "pocket_augfpn.py": broken})
    with pytest.raises(BadSpecError, match=r"module pocket_augfpn cannot be imported: .*ConvModul.*\(pocket_augfpn\.py, line 4\)"):
        training.prepare(training.spec())


def test_ssd_needs_a_few_lines_of_ones_own_to_be_evaluated_and_is_refused_without(own: Own, tmp_path: Path) -> None:
    code = {"whole_ssd_head.py": (
        "from mmdet.models.dense_heads import SSDHead\nfrom mmdet.registry import MODELS\n\n\n"
        "@MODELS.register_module()\nclass WholeSSDHead(SSDHead):\n    loss_cls = None\n"
    )}  # fmt: skip
    ssd = Preset(
        name="ssd", framework="mmdet", config="ssd/ssd300_coco.py", description="", epochs=24, batch=8, lr=0.002,
        options={"model.backbone.init_cfg": None},
    )
    with pytest.raises(BadSpecError, match=r"mmdet 3\.3\.0 cannot evaluate SSD as it is: give the preset a module"):
        (bare := new_training(tmp_path / "bare", own.training.environment, preset=ssd)).prepare(bare.spec())
    whole = ssd.model_copy(update={"options": {**ssd.options, "model.bbox_head.type": "WholeSSDHead"}})
    training = new_training(tmp_path / "whole", own.training.environment, preset=whole, code=code)
    assert training.prepare(training.spec()).iterations == 20  # each image five times an epoch (RepeatDataset)


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory, training_environment: Environment) -> dict[str, tuple[int, dict[str, object]]]:
    """(exit code, answer) of every preset, on a host that has its backbone's weights; of two more configs; of one without weights."""
    folder = tmp_path_factory.mktemp("presets")
    weights = folder / "torch" / "hub" / "checkpoints"
    weights.mkdir(parents=True)
    names = ", ".join(repr(str(weights / name)) for name in BACKBONES)
    subprocess.run([training_environment.python, "-c", f"import torch\nfor name in ({names},): torch.save({{}}, name)"], check=True)
    program = folder / "program"
    program.write_bytes(packed(framework.prepare_program))
    found = {preset.name: preset for preset in PRESETS}
    base = found["retinanet-r50"]
    found["by-iterations"] = base.model_copy(update={"config": "retinanet/retinanet_r50_fpn_90k_coco.py"})
    found["offline"] = base.model_copy(update={"options": {"model.backbone.init_cfg.checkpoint": "torchvision://resnet18"}})
    requests = []
    for name, preset in found.items():
        (folder / name).mkdir()
        training = Training(folder / name, training_environment, preset=preset)
        requests.append(training.request(training.spec(batch=preset.batch)).decode())
    done = subprocess.run(
        [training_environment.python, "-c", SERVE, str(program)], input="\n".join(requests), capture_output=True, text=True, timeout=500,
        env={"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "2", "TORCH_HOME": str(folder / "torch")}, check=False,
    )
    lines = [json.loads(line.removeprefix("ANSWER ")) for line in done.stdout.splitlines() if line.startswith("ANSWER ")]
    assert len(lines) == len(found), done.stderr[-2000:]
    return {name: (line[0], line[1]) for name, line in zip(found, lines, strict=True)}


@pytest.mark.parametrize("name", [preset.name for preset in PRESETS])
def test_every_preset_is_prepared(answers: dict[str, tuple[int, dict[str, object]]], name: str) -> None:
    code, answer = answers[name]
    assert code == 0, answer
    config = str(answer["config"])
    assert "num_classes=80" not in config
    assert "num_classes=2" in config
    assert "torchvision://" not in config
    assert ("metric='segm'" in config, "with_mask=True" in config) == (("mask" in name), ("mask" in name))


def test_a_config_that_counts_iterations_is_told_in_epochs(answers: dict[str, tuple[int, dict[str, object]]]) -> None:
    config = str(answers["by-iterations"][1]["config"])
    assert "train_cfg = dict(max_epochs=12, type='EpochBasedTrainLoop', val_interval=1)" in config
    assert "milestones=[\n            64,\n            85,\n        ]" in config  # 60,000 and 80,000 of 90,000, of 12 x 8 iterations
    assert "InfiniteSampler" not in config


def test_weights_that_the_host_cannot_load_are_said_with_what_to_do(answers: dict[str, tuple[int, dict[str, object]]]) -> None:
    code, answer = answers["offline"]
    assert code == 3
    sentence = str(answer["error"])
    assert "model.backbone begins with the weights https://download.pytorch.org/models/resnet18-f37072fd.pth" in sentence
    assert "hub/checkpoints/resnet18-f37072fd.pth there" in sentence
    assert "-- model.backbone.init_cfg=None" in sentence


def test_a_mask_model_refuses_a_dataset_without_segmentations(training_environment: Environment, tmp_path: Path) -> None:
    preset = next(preset for preset in PRESETS if preset.name == "mask-rcnn-r50")
    training = new_training(tmp_path, training_environment, preset=preset)
    finished = ask(training_environment.python, "prepare", training.request(training.spec()))
    sentence = json.loads(finished.stdout)["error"]["sentence"]
    assert "learns masks, and 32 of 32 annotations of data/train.json have no segmentation" in sentence
