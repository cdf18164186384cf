"""What is done with a trained model of the TensorFlow 2 Object Detection API: launch plans of evaluations, predictions and exports."""

from __future__ import annotations

import json
import posixpath
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, Prepared
from runner.host_program import packed
from runner.specs import ModelSpec, ResultFile

CONFIG, LABEL_MAP, START, RESULTS = "pipeline.config", "label_map.pbtxt", "start", "results"
EVALUATE = "evaluate_tfod.py"
PREDICT, MODEL, UNPACK, UNPACKED = "predict_mmdet", "predict_tfod_model.py", "unpack_tfod.py", "unpacked"
# The library would take all memory of a GPU at once.
VARIABLES = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}
MAKE_RESULTS = f"mkdir -p {RESULTS} || exit 1"
_HOST = Path(__file__).parent.parent / "host"
_OTHERS_OWN = {ResultFile.PICKLE: "predictions.pkl", ResultFile.CITYSCAPES: "Cityscapes files"}


@dataclass(frozen=True, slots=True)
class Placed:
    """A checkpoint in a folder of the attempt's directory, where the library finds it as the newest."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    setup: tuple[str, ...] = ()


NOTHING = Placed()


def placed(prefix: str, folder: str) -> Placed:
    """Links to all files of a checkpoint, and the text file that names it."""
    name = json.dumps(posixpath.basename(prefix), ensure_ascii=False)
    text = f"model_checkpoint_path: {name}\nall_model_checkpoint_paths: {name}\n"
    path = shlex.quote(prefix)
    line = f'for file in {path}.index {path}.data-*; do ln -sf -- "$file" {folder}/ || exit 1; done'
    return Placed({f"{folder}/checkpoint": text.encode()}, (line,))


def evaluation(spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
    """``model_main_tf2.py`` in its evaluation mode, which a program of ours has end after the one checkpoint."""
    _refuse_others(spec)
    argv = [EVALUATE, program(environment, "model_main_tf2.py"), f"{START}/{posixpath.basename(_checkpoint(prepared))}"]
    return _with_model(prepared, environment, argv, {EVALUATE: (_HOST / EVALUATE).read_bytes()})


def export(prepared: Prepared, environment: Environment) -> LaunchPlan:
    """``exporter_main_v2.py``; the label map is laid beside what it writes."""
    folder = f"{RESULTS}/model"
    arguments = [
        "--input_type=image_tensor", f"--pipeline_config_path={CONFIG}", f"--trained_checkpoint_dir={START}",
        f"--output_directory={folder}",
    ]  # fmt: skip
    files = {f"{folder}/{LABEL_MAP}": _label_map(prepared)}
    return _with_model(prepared, environment, [program(environment, "exporter_main_v2.py"), *arguments], files)


def prediction(spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
    """Our own program around the API's models, since the API has none; the records of a dataset are unpacked for it first."""
    _refuse_others(spec)
    records = prepared.values["records"]
    labels = prepared.values["labels"]
    assert isinstance(labels, Mapping)
    listing = f"{UNPACKED}/listing.json" if records else None
    request = {
        "config": CONFIG, "checkpoint": f"{START}/{posixpath.basename(_checkpoint(prepared))}", "classes": list(labels), "listing": listing,
        "images": UNPACKED, "files": [{"name": file.name, "path": f"data/inputs/{file.name}"} for file in spec.files],
        "batch": prepared.batch, "score": spec.score, "results": list(spec.results), "cityscapes": None,
    }  # fmt: skip
    files = {
        PREDICT: packed(_HOST / PREDICT, instead={"model.py": _HOST / MODEL}), "predict.json": json.dumps(request, indent=1).encode(),
        UNPACK: (_HOST / UNPACK).read_bytes(),
    }  # fmt: skip
    unpack = f"{shlex.quote(environment.python)} {UNPACK} {shlex.quote(str(records))} {UNPACKED} {LABEL_MAP} || exit 1"
    return _with_model(prepared, environment, [PREDICT, "predict.json"], files, [unpack] if records else [])


def program(environment: Environment, name: str) -> str:
    """The path of one of the API's programs."""
    return f"{environment.code.rstrip('/')}/{name}"


def plan(environment: Environment, argv: Sequence[str], files: Mapping[str, bytes]) -> LaunchPlan:
    """A program of the API or of ours, in the environment, which finds the API of a checkout, and the slim beside it."""
    above = posixpath.dirname(environment.code.rstrip("/"))
    path = ":".join(filter(None, [environment.variables.get("PYTHONPATH"), above, f"{above}/slim"]))
    variables = {**VARIABLES, **environment.variables, "PYTHONPATH": path}
    return LaunchPlan(argv=tuple(argv), variables=variables, files=files, setup=environment.setup)


def _with_model(
    prepared: Prepared, environment: Environment, argv: Sequence[str], files: Mapping[str, bytes] = {}, setup: Sequence[str] = ()
) -> LaunchPlan:
    """A program that finds the checkpoint at ``start/``, its config and its label map."""
    start = placed(_checkpoint(prepared), START)
    all_files = {CONFIG: prepared.config.encode(), LABEL_MAP: _label_map(prepared), **start.files, **files}
    made = plan(environment, [environment.python, *argv], all_files)
    return LaunchPlan(made.argv, made.variables, made.files, (*made.setup, MAKE_RESULTS, *start.setup, *setup))


def _label_map(prepared: Prepared) -> bytes:
    return str(prepared.values["label_map_text"]).encode()


def _checkpoint(prepared: Prepared) -> str:
    if prepared.checkpoint is None:
        raise BadSpecError("The run has no whole checkpoint to use.")
    return prepared.checkpoint


def _refuse_others(spec: ModelSpec) -> None:
    wanted = [name for result, name in _OTHERS_OWN.items() if result in spec.results]
    if wanted:
        raise BadSpecError(f"TensorFlow writes no {' and no '.join(wanted)}; ask for coco.")
