"""The launch plans of M2Det."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, Prepared, Ranks
from runner.frameworks.m2det import framework
from runner.presets import find_preset
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Overrides, ResultFile, Start, StartMode, TrainSpec

ENVIRONMENT = Environment("gpu-1", "m2", "m2det", "/env/bin/python", "/src/M2 Det", "f", setup=("ulimit -n 4096",), variables={"A": "b"})
SOURCE = {"kind": "VOC", "classes": ["fish"], "sets": {}, "root": "data/VOC2007", "year": "2007"}
VALUES = {"source": SOURCE, "sources": "abc", "first_epoch": 1, "classes": ["fish"]}
PREPARED = Prepared(config="a = 1\n", epochs=160, batch=16, lr=0.004, revision="M2Det (abc)", values=VALUES)
FROM_10 = replace(PREPARED, checkpoint="/runs/r/1/weights/e10.pth", checkpoint_epoch=10, values={**VALUES, "first_epoch": 11})
REFERENCE = DatasetRef(name="fish", version=1, fingerprint="f", format="voc")


def training(mode: StartMode = StartMode.FRESH, *, gpus: int = 1, keep: int | None = None) -> TrainSpec:
    start, overrides = Start(mode=mode), Overrides(keep=keep)
    return TrainSpec(preset=find_preset("m2det-320"), dataset=REFERENCE, start=start, gpus=gpus, overrides=overrides)


def using(kind: Kind, *, files: tuple[GivenFile, ...] = (), results: tuple[ResultFile, ...] = ()) -> ModelSpec:
    return ModelSpec(
        kind=kind, preset=find_preset("m2det-320"), model=Start(mode=StartMode.FINETUNE, run_id="r-1"), trained_on=REFERENCE,
        dataset=None if files else REFERENCE, host="gpu-1", files=files, results=results,
    )  # fmt: skip


def company(plan: LaunchPlan) -> dict[str, object]:
    content = json.loads(plan.files["companion.json"])
    assert isinstance(content, dict)
    return content


def test_a_fresh_training_runs_the_checkouts_own_program_in_company() -> None:
    plan = framework.train(training(), PREPARED, ENVIRONMENT, Ranks())
    assert plan.argv == ("/env/bin/python", "companion.py", "companion.json")
    assert company(plan)["program"] == [
        "/env/bin/python", "signalbox_m2det", "launch", "train.py", "-c", "run_config.py", "-d", "VOC", "--ngpu", "1",
    ]  # fmt: skip
    assert plan.files["run_config.py"] == b"a = 1\n"
    assert json.loads(plan.files["m2det.json"]) == {"code": "/src/M2 Det", "sources": "abc", "source": SOURCE, "epochs": 160}
    assert (plan.setup, dict(plan.variables)) == (ENVIRONMENT.setup, {"A": "b"})


def test_one_process_drives_all_gpus_of_one_host() -> None:
    program = company(framework.train(training(gpus=4), PREPARED, ENVIRONMENT, Ranks(processes=4)))["program"]
    assert isinstance(program, list)
    assert program[-2:] == ["--ngpu", "4"]
    with pytest.raises(BadSpecError, match="on one host only"):
        framework.train(training(gpus=4), PREPARED, ENVIRONMENT, Ranks(processes=2, nodes=2))


def test_under_slurm_the_first_process_drives_all_gpus() -> None:
    plan = framework.train(training(gpus=4), PREPARED, ENVIRONMENT, Ranks(processes=4, slurm=True))
    assert plan.setup == (*ENVIRONMENT.setup, '[ "${SLURM_PROCID:-0}" = 0 ] || exit 0')


def test_a_resume_names_its_net_and_the_epochs_that_it_holds() -> None:
    plan = company(framework.train(training(StartMode.RESUME), FROM_10, ENVIRONMENT, Ranks()))
    assert isinstance(plan["program"], list)
    assert plan["program"][-4:] == ["--resume_net", "/runs/r/1/weights/e10.pth", "--resume_epoch", "10"]
    assert plan["first_number"] == 10  # train.py writes epoch 10 again, of which nothing is new


def test_a_fine_tune_names_its_net_alone() -> None:
    prepared = replace(PREPARED, checkpoint="/prepared/finetune.pth")
    program = company(framework.train(training(StartMode.FINETUNE), prepared, ENVIRONMENT, Ranks()))["program"]
    assert isinstance(program, list)
    assert program[-2:] == ["--resume_net", "/prepared/finetune.pth"]


def test_a_resume_without_a_checkpoint_never_trains_from_scratch() -> None:
    with pytest.raises(BadSpecError, match="no checkpoint"):
        framework.train(training(StartMode.RESUME), PREPARED, ENVIRONMENT, Ranks())


@pytest.mark.parametrize(("keep", "folder"), [(None, None), (3, "weights")])
def test_old_checkpoints_go_only_where_that_was_asked_for(keep: int | None, folder: str | None) -> None:
    plan = company(framework.train(training(keep=keep), PREPARED, ENVIRONMENT, Ranks()))
    assert (plan["folder"], plan["keep_folder"], plan["keep"]) == ("weights", folder, keep)


def test_an_evaluation_is_test_py_on_one_gpu() -> None:
    plan = framework.evaluate(using(Kind.EVAL), FROM_10, ENVIRONMENT, Ranks())
    assert plan.argv[1:] == ("signalbox_m2det", "launch", "test.py", "-c", "run_config.py", "-d", "VOC", "-m", "/runs/r/1/weights/e10.pth")
    with pytest.raises(BadSpecError, match="one GPU"):
        framework.evaluate(using(Kind.EVAL), FROM_10, ENVIRONMENT, Ranks(processes=2))


def test_a_prediction_says_what_to_look_at_and_what_to_leave() -> None:
    prepared = replace(FROM_10, values={**VALUES, "source": None})
    spec = using(Kind.PREDICT, files=(GivenFile(name="a b.png", digest="0"),), results=(ResultFile.COCO, ResultFile.PICKLE))
    plan = framework.predict(spec, prepared, ENVIRONMENT, Ranks())
    assert plan.argv == ("/env/bin/python", "signalbox_m2det", "draw")
    told = json.loads(plan.files["m2det.json"])
    assert (told["inputs"], told["results"], told["score"]) == (["a b.png"], ["coco", "pickle"], 0.3)
    assert json.loads(framework.predict(using(Kind.PREDICT), FROM_10, ENVIRONMENT, Ranks()).files["m2det.json"])["results"] == ["pictures"]


def test_nothing_is_exported() -> None:
    with pytest.raises(BadSpecError, match="weights alone"):
        framework.export(using(Kind.EXPORT), FROM_10, ENVIRONMENT)
