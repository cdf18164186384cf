"""What is done with a trained model of MMDetection 3.x: launch plans of evaluations, predictions and exports."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from runner.dataset_layouts import DATA
from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, Prepared, Ranks
from runner.frameworks.mmdet_launch import OWN_CHECKPOINT, launch
from runner.host_program import packed
from runner.specs import ModelSpec, ResultFile

CONFIG, WORK_DIR, RESULTS = "config.py", "work_dir", "results"
MAKE_RESULTS = f"mkdir -p {RESULTS} || exit 1"
IN_TRAINED_ORDER, ORDER = "in_trained_order.py", "in_trained_order.json"
PREDICT, PREDICT_REQUEST = "predict_mmdet", "predict.json"
PUBLISH, PUBLISH_REQUEST = "publish_mmdet.py", "publish.json"
_HOST = Path(__file__).parent.parent / "host"


def evaluation(spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    """``tools/test.py`` on the frozen config and the verified checkpoint."""
    arguments = [CONFIG, _checkpoint(prepared), "--work-dir", WORK_DIR]
    if ResultFile.PICKLE in spec.results:
        arguments += ["--out", f"{RESULTS}/predictions.pkl"]
    files, setup = {CONFIG: prepared.config.encode()}, [MAKE_RESULTS]
    if prepared.values.get("reordered"):
        files |= {IN_TRAINED_ORDER: _program(IN_TRAINED_ORDER), ORDER: _json(_values(prepared, "classes", "listing"))}
        setup.append(f"{shlex.quote(environment.python)} {IN_TRAINED_ORDER} {ORDER} || exit 1")
    plan = launch(environment, "tools/test.py", arguments, prepared=prepared, ranks=ranks, files=files, own_checkpoint=True)
    return replace(plan, setup=(*plan.setup, *setup))


def prediction(spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    """Our own program around mmdet's inference, since the framework's draws no videos and ends at the first unreadable picture."""
    if ranks.distributed:
        raise BadSpecError("To predict takes one GPU; leave --gpus out.")
    request = {
        "config": CONFIG,
        "checkpoint": _checkpoint(prepared),
        "files": [{"name": file.name, "path": f"{DATA}/inputs/{file.name}"} for file in spec.files],
        "batch": prepared.batch,
        "score": spec.score,
        "results": list(spec.results),
        **_values(prepared, "classes", "listing", "images", "cityscapes"),
    }
    return _own_program(environment, PREDICT, PREDICT_REQUEST, request, prepared)


def export(spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
    """``tools/model_converters/publish_model.py``, with config and classes laid beside the weights."""
    request = {
        "tool": f"{environment.code.rstrip('/')}/tools/model_converters/publish_model.py",
        "checkpoint": _checkpoint(prepared),
        "config": CONFIG,
        "folder": f"{RESULTS}/model",
        "name": spec.publish_as or spec.preset.name,
        "epoch": prepared.checkpoint_epoch,
        "revision": prepared.revision,
        **_values(prepared, "classes"),
    }
    return _own_program(environment, PUBLISH, PUBLISH_REQUEST, request, prepared)


def _own_program(environment: Environment, program: str, name: str, request: Mapping[str, object], prepared: Prepared) -> LaunchPlan:
    return LaunchPlan(
        argv=(environment.python, program, name),
        variables={**environment.variables, **OWN_CHECKPOINT},
        files={CONFIG: prepared.config.encode(), program: _program(program), name: _json(request)},
        setup=(*environment.setup, MAKE_RESULTS),
    )


@lru_cache
def _program(name: str) -> bytes:
    return packed(_HOST / name)


def _json(request: Mapping[str, object]) -> bytes:
    return json.dumps(request, indent=1).encode()


def _values(prepared: Prepared, *keys: str) -> dict[str, object]:
    return {key: prepared.values.get(key) for key in keys}


def _checkpoint(prepared: Prepared) -> str:
    if prepared.checkpoint is None:
        raise BadSpecError("The run has no whole checkpoint to use.")
    return prepared.checkpoint
