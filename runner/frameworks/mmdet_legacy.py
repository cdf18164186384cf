"""MMDetection 1.x and 2.x: launch lines of their own, unmodified programs, on what ``host/prepare_mmdet_legacy`` resolved.

The generations and releases differ in their flags; ``prepared.values["flags"]`` are those that the checkout's program knows, and
``values["version"]`` its release, where flags alone do not tell what happens.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

from runner.dataset_layouts import DATA
from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, Prepared, Ranks
from runner.frameworks.mmdet_launch import OWN_CHECKPOINT
from runner.host_program import packed
from runner.specs import ModelSpec, ResultFile, StartMode, TrainSpec

# mmcv 0.x imports a config by its name, which must be nobody else's.
CONFIG, WORK_DIR, RESULTS = "run_config.py", "work_dir", "results"
COMPANION, COMPANY = "companion.py", "companion.json"
REGISTERING, OWN_DATASET = "registering_launcher.py", "signalbox_dataset"
IN_TRAINED_ORDER, ORDER = "in_trained_order.py", "in_trained_order.json"
PREDICT, PREDICT_REQUEST = "prepare_mmdet_legacy", "predict.json"
PUBLISH, PUBLISH_REQUEST = "publish_mmdet.py", "publish.json"
DRAWN, PICKLE, FOUND = "drawn", "predictions.pkl", "found"
HOST = Path(__file__).parent.parent / "host"
PREPARE_PROGRAM = HOST / "prepare_mmdet_legacy"
CHECKPOINTS = r"epoch_(?P<number>\d{1,9})\.pth"
_VALIDATES_ALONE = (1, 1)
"""The first release that evaluates during a training of a single process."""

_MAKE_RESULTS = f"mkdir -p {RESULTS} || exit 1"
# A line of the person's shell must not lead the paths of a config elsewhere (2.23 and later read it).
_OWN_DATA = "unset MMDET_DATASETS"


def training(spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    """``tools/train.py``, with the companion that tells which checkpoints are whole. BadSpecError without a checkpoint to resume."""
    alone = ranks.processes > 1 and not spec.overrides.distributed
    arguments = [CONFIG, _flag(prepared, "--work-dir", "--work_dir"), WORK_DIR, "--seed", str(prepared.values.get("seed", 0))]
    if spec.start.mode is StartMode.RESUME:
        if prepared.checkpoint is None:
            raise BadSpecError("There is no checkpoint to resume from; start a new run instead.")
        arguments += [_flag(prepared, "--resume-from", "--resume_from"), prepared.checkpoint]
    if alone:
        arguments += [_flag(prepared, "--gpus"), str(ranks.processes)]
    # 1.0 evaluates during distributed trainings only, so a single process is one of those too.
    single_evaluates = _version(prepared) >= _VALIDATES_ALONE
    if "--validate" in _flags(prepared) and (single_evaluates or spec.overrides.distributed):
        arguments.append("--validate")
    if scaling := prepared.values.get("scaling"):
        arguments.append(str(scaling))
    launched = (ranks.distributed or not single_evaluates) and spec.overrides.distributed
    program, files, variables = _program(environment, "tools/train.py", arguments, prepared=prepared, ranks=ranks, launched=launched)
    if prepared.checkpoint is not None and (spec.start.mode is StartMode.RESUME or spec.start.run_id is not None):
        variables |= OWN_CHECKPOINT
    if ranks.nodes > 1 and not ranks.slurm:
        files[CONFIG] += _results_by_message(prepared)
    company = {"program": program, "folder": WORK_DIR, "pattern": CHECKPOINTS}
    files |= {COMPANION: _host_program(COMPANION), COMPANY: _json(company)}
    setup = (*environment.setup, _OWN_DATA)
    return LaunchPlan(argv=(environment.python, COMPANION, COMPANY), variables=variables, files=files, setup=setup)


def evaluation(spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    """``tools/test.py --eval`` on the frozen config and the verified checkpoint."""
    flags = _flags(prepared)
    metrics = [str(each) for each in _list(prepared, "metrics")]
    arguments = [CONFIG, _checkpoint(prepared), "--eval", *metrics]
    if "--work-dir" in flags:
        arguments += ["--work-dir", RESULTS]
    # 1.0 asserts that results are kept.
    if ResultFile.PICKLE in spec.results or _version(prepared) < _VALIDATES_ALONE:
        arguments += ["--out", f"{RESULTS}/{PICKLE}"]
    options = ["classwise=True"] if prepared.values.get("classwise") else []
    prefix = f"{RESULTS}/coco" if ResultFile.COCO in spec.results else FOUND
    arguments += _coco_files(prepared, options, prefix=prefix if metrics != ["mAP"] else "")
    program, files, variables = _program(
        environment, "tools/test.py", arguments, prepared=prepared, ranks=ranks, launched=ranks.distributed
    )
    variables |= OWN_CHECKPOINT
    setup = [*environment.setup, _OWN_DATA, _MAKE_RESULTS]
    if prepared.values.get("reordered"):
        request = {key: prepared.values.get(key) for key in ("classes", "listing")}
        files |= {IN_TRAINED_ORDER: _host_program(IN_TRAINED_ORDER), ORDER: _json(request)}
        setup.append(f"{shlex.quote(environment.python)} {IN_TRAINED_ORDER} {ORDER} || exit 1")
    return LaunchPlan(argv=tuple(program), variables=variables, files=files, setup=tuple(setup))


def prediction(spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
    """``tools/test.py`` on pictures, a dataset and the frames of videos, between what our program lays out and makes of its results."""
    flags = _flags(prepared)
    arguments = [CONFIG, _checkpoint(prepared), "--out", PICKLE]
    shows = "--show-dir" in flags
    if shows:
        arguments += ["--show-dir", DRAWN]
    if "--show-score-thr" in flags:
        arguments += ["--show-score-thr", str(spec.score)]
    formats = ResultFile.COCO in spec.results or ResultFile.CITYSCAPES in spec.results
    if formats and (only := _known(prepared, "--format-only", "--format_only")):
        arguments.append(only)
    cityscapes = [f"txtfile_prefix={RESULTS}/cityscapes"] if ResultFile.CITYSCAPES in spec.results else []
    arguments += _coco_files(prepared, cityscapes, prefix=f"{RESULTS}/coco" if ResultFile.COCO in spec.results else "")
    program, files, variables = _program(environment, "tools/test.py", arguments, prepared=prepared, ranks=ranks, launched=False)
    variables |= OWN_CHECKPOINT
    request = {
        "program": program,
        "files": [{"name": file.name, "path": f"{DATA}/inputs/{file.name}"} for file in spec.files],
        "score": spec.score,
        "results": list(spec.results),
        "drawn": DRAWN if shows else None,
        **{key: prepared.values.get(key) for key in ("classes", "listing", "images")},
    }
    files |= {PREDICT: _host_program(PREDICT), PREDICT_REQUEST: _json(request)}
    setup = (*environment.setup, _OWN_DATA, _MAKE_RESULTS)
    return LaunchPlan(argv=(environment.python, PREDICT, "predict", PREDICT_REQUEST), variables=variables, files=files, setup=setup)


def export(spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
    """The checkout's own ``publish_model.py``, with config and classes laid beside the weights."""
    request = {
        "tool": f"{environment.code.rstrip('/')}/{prepared.values.get('tool')}",
        "checkpoint": _checkpoint(prepared),
        "config": CONFIG,
        "folder": f"{RESULTS}/model",
        "name": spec.publish_as or spec.preset.name,
        "epoch": prepared.checkpoint_epoch,
        "revision": prepared.revision,
        "classes": prepared.values.get("classes"),
    }
    return LaunchPlan(
        argv=(environment.python, PUBLISH, PUBLISH_REQUEST),
        variables={**_variables(environment), **OWN_CHECKPOINT},
        files={CONFIG: prepared.config.encode(), PUBLISH: _host_program(PUBLISH), PUBLISH_REQUEST: _json(request)},
        setup=(*environment.setup, _MAKE_RESULTS),
    )


def _program(
    environment: Environment, tool: str, arguments: Sequence[str], *, prepared: Prepared, ranks: Ranks, launched: bool
) -> tuple[list[str], dict[str, bytes], dict[str, str]]:
    """(argv, files, variables) of a program of the checkout; ``launched``: as several processes, or as one of a kind that could be."""
    files, variables = {CONFIG: prepared.config.encode()}, dict(_variables(environment))
    program = [f"{environment.code.rstrip('/')}/{tool}", *arguments]
    modules = [str(each) for each in _list(prepared, "imports")]
    if own := prepared.values.get("dataset_class"):
        modules.append(OWN_DATASET)
        files[f"{OWN_DATASET}.py"] = str(own).encode()
    if modules:
        program = [REGISTERING, ",".join(modules), *program]
        files[REGISTERING] = _host_program(REGISTERING)
    if launched:
        program += ["--launcher", "slurm" if ranks.slurm else "pytorch"]
        if ranks.slurm:
            variables["MASTER_PORT"] = str(ranks.port)
        else:
            program = [*_distributed(ranks), *program]
    if prepared.values.get("cuda") is False:
        variables["CUDA_VISIBLE_DEVICES"] = "-1"
    return [environment.python, *program], files, variables


def _results_by_message(prepared: Prepared) -> bytes:
    """More of a config: ranks hand each other what they measured in a folder, which hosts do not share. BadSpecError for releases that know
    no other way (mmdet/core/evaluation/eval_hooks.py)."""
    if _version(prepared) < _VALIDATES_ALONE:
        raise BadSpecError(
            f"MMDetection {prepared.values.get('version')} measures a model through a folder that all its processes share, and servers "
            "share none: it trains on one server at a time. Leave --hosts out; releases from 1.1 on train on several."
        )
    return b"\nevaluation['gpu_collect'] = True\n"


def _distributed(ranks: Ranks) -> list[str]:
    """PyTorch's launcher. Ranks are told by variables (``--use_env``), since PyTorch 2 would pass ``--local-rank``, which the
    programs of 1.x and 2.x refuse: they know ``--local_rank``, and LOCAL_RANK goes before it."""
    meeting = [f"--nproc_per_node={ranks.processes}", f"--master_port={ranks.port}"]
    if ranks.nodes > 1:
        meeting = [f"--nnodes={ranks.nodes}", f"--node_rank={ranks.node}", f"--master_addr={ranks.address}", *meeting]
    return ["-m", "torch.distributed.launch", *meeting, "--use_env"]


def _coco_files(prepared: Prepared, options: list[str], *, prefix: str) -> list[str]:
    """Arguments for result files ``<prefix>.bbox.json`` (none where it is empty) and further options: ``--json_out`` of 1.0, else key=value
    pairs behind the flag that takes them."""
    json_out = _known(prepared, "--json_out") if prefix else None
    if prefix and json_out is None:
        options = [*options, f"jsonfile_prefix={prefix}"]
    taking = _known(prepared, "--eval-options", "--options")
    return [*([json_out, prefix] if json_out else []), *([taking, *options] if taking and options else [])]


def _variables(environment: Environment) -> Mapping[str, str]:
    """The checkout is importable, as its own scripts make it."""
    earlier = environment.variables.get("PYTHONPATH", "")
    return {**environment.variables, "PYTHONPATH": f"{environment.code.rstrip('/')}:{earlier}".rstrip(":")}


def _flag(prepared: Prepared, *names: str) -> str:
    """The one of these flags that the program knows. BadSpecError where it knows none."""
    found = _known(prepared, *names)
    if found is None:
        raise BadSpecError(f"The checkout's program (MMDetection {prepared.values.get('version')}) knows no {names[0]}.")
    return found


def _known(prepared: Prepared, *names: str) -> str | None:
    return next((name for name in names if name in _flags(prepared)), None)


def _flags(prepared: Prepared) -> Sequence[object]:
    return _list(prepared, "flags")


def _list(prepared: Prepared, key: str) -> Sequence[object]:
    value = prepared.values.get(key)
    return value if isinstance(value, (list, tuple)) else ()


def _version(prepared: Prepared) -> tuple[int, ...]:
    return tuple(int(part) for part in str(prepared.values.get("version", "0")).split("."))


def _checkpoint(prepared: Prepared) -> str:
    if prepared.checkpoint is None:
        raise BadSpecError("The run has no whole checkpoint to use.")
    return prepared.checkpoint


@lru_cache
def _host_program(name: str) -> bytes:
    return packed(HOST / name)


def _json(request: Mapping[str, object]) -> bytes:
    return json.dumps(request, indent=1).encode()
