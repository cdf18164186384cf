"""The launch plan of MMDetection 3.x."""

from __future__ import annotations

import dataclasses

import pytest

from runner.entities import Checkpoint, Environment
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared, Ranks
from runner.frameworks.mmdet import framework
from runner.presets import find_preset
from runner.specs import DatasetRef, Start, StartMode, TrainSpec

ENVIRONMENT = Environment("gpu-1", "up", "mmdet", "/env/bin/python", "/env/mmdet/.mim/", "f", setup=("ulimit -n 4096",))
PREPARED = Prepared(config="a = 1\n", epochs=2, batch=8, lr=0.004, revision="mmdet 3.3.0")
LIFTED = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"


TRAIN = "/env/mmdet/.mim/tools/train.py"
TORCHRUN = ("/env/bin/python", "-m", "torch.distributed.run")


def spec(mode: StartMode, run_id: str | None = "fish-1") -> TrainSpec:
    reference = DatasetRef(name="fish", version=1, fingerprint="f", format="coco")
    return TrainSpec(preset=find_preset("rtmdet-nano"), dataset=reference, start=Start(mode=mode, run_id=run_id))


def test_a_fresh_training_runs_the_frameworks_own_program_on_the_resolved_config() -> None:
    plan = framework.train(spec(StartMode.FRESH), PREPARED, ENVIRONMENT, Ranks())
    assert plan.argv == ("/env/bin/python", TRAIN, "config.py", "--work-dir", "work_dir")
    assert dict(plan.files) == {"config.py": b"a = 1\n"}
    assert plan.setup == ENVIRONMENT.setup
    assert LIFTED not in plan.variables


def test_a_resume_names_its_checkpoint_and_may_load_it() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/runs/r/1/work_dir/epoch_3.pth")
    plan = framework.train(spec(StartMode.RESUME), prepared, ENVIRONMENT, Ranks())
    assert plan.argv[-2:] == ("--resume", "/runs/r/1/work_dir/epoch_3.pth")
    assert plan.variables[LIFTED] == "1"


def test_a_fine_tune_loads_by_its_config_alone() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/runs/r/1/work_dir/epoch_3.pth")
    plan = framework.train(spec(StartMode.FINETUNE), prepared, ENVIRONMENT, Ranks())
    assert "--resume" not in plan.argv
    assert plan.variables[LIFTED] == "1"


def test_a_presets_own_start_checkpoint_is_never_unpickled_freely() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/models/start.pth")
    plan = framework.train(spec(StartMode.FINETUNE, run_id=None), prepared, ENVIRONMENT, Ranks())
    assert LIFTED not in plan.variables


def test_a_resume_without_a_checkpoint_never_trains_from_scratch() -> None:
    with pytest.raises(BadSpecError, match="no checkpoint to resume"):
        framework.train(spec(StartMode.RESUME), PREPARED, ENVIRONMENT, Ranks())


def test_the_learning_rate_is_scaled_by_the_framework_where_it_was_prepared_so_but_never_in_a_resume() -> None:
    prepared = dataclasses.replace(PREPARED, checkpoint="/c.pth", values={"auto_scale_lr": True})
    assert framework.train(spec(StartMode.FRESH), prepared, ENVIRONMENT, Ranks()).argv[-1] == "--auto-scale-lr"
    assert "--auto-scale-lr" not in framework.train(spec(StartMode.RESUME), prepared, ENVIRONMENT, Ranks()).argv


def test_several_gpus_of_a_host_train_under_torchrun() -> None:
    plan = framework.train(spec(StartMode.FRESH), PREPARED, ENVIRONMENT, Ranks(processes=2))
    assert plan.argv == (
        *TORCHRUN, "--standalone", "--nproc_per_node=2", TRAIN, "config.py", "--work-dir", "work_dir", "--launcher", "pytorch",
    )
    assert set(plan.files) == {"config.py"}


def test_several_hosts_meet_at_one_address() -> None:
    plan = framework.train(spec(StartMode.FRESH), PREPARED, ENVIRONMENT, Ranks(4, nodes=2, node=1, address="10.0.0.1", port=23456))
    meeting = ("--nnodes=2", "--node_rank=1", "--master_addr=10.0.0.1", "--master_port=23456", "--nproc_per_node=4")
    assert plan.argv[:9] == (*TORCHRUN, *meeting, TRAIN)


def test_slurm_starts_the_processes_itself() -> None:
    plan = framework.train(spec(StartMode.FRESH), PREPARED, ENVIRONMENT, Ranks(processes=2, port=23456, slurm=True))
    assert plan.argv == ("/env/bin/python", TRAIN, "config.py", "--work-dir", "work_dir", "--launcher", "slurm")
    assert plan.variables["MASTER_PORT"] == "23456"


def test_without_a_cuda_device_several_processes_go_through_the_gloo_launcher() -> None:
    prepared = dataclasses.replace(PREPARED, values={"backend": "gloo"})
    plan = framework.train(spec(StartMode.FRESH), prepared, ENVIRONMENT, Ranks(processes=2))
    assert plan.argv[4:7] == ("--nproc_per_node=2", "gloo_launcher.py", TRAIN)
    assert b"set_device" in plan.files["gloo_launcher.py"]
    assert framework.train(spec(StartMode.FRESH), prepared, ENVIRONMENT, Ranks()).argv[1] == TRAIN


def test_what_a_new_checkpoint_pushes_out_is_told_to_be_gone() -> None:
    lines = [f"2026/01/01 10:00:00 - mmengine - INFO - Saving checkpoint at {epoch} epochs\n" for epoch in range(1, 6)]
    parser = framework.log_parser(dataclasses.replace(PREPARED, values={"keep": 3}))
    records = [record for line in lines for record in parser.feed(line.encode())]
    assert [(record.name, record.removed) for record in records if isinstance(record, Checkpoint)] == [
        ("epoch_1.pth", False), ("epoch_2.pth", False), ("epoch_3.pth", False), ("epoch_4.pth", False), ("epoch_1.pth", True),
        ("epoch_5.pth", False), ("epoch_2.pth", True),
    ]
    assert parser.pending_bytes == 0
    kept = framework.log_parser(None)
    assert not any(record.removed for line in lines for record in kept.feed(line.encode()) if isinstance(record, Checkpoint))
