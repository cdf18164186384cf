"""The TensorFlow 2 Object Detection API: its own ``model_main_tf2.py`` and ``exporter_main_v2.py``, unmodified.

Only flags that these programs define are passed: they ignore all others without a word. What the library does with checkpoints (it
keeps seven, and says nothing) and with evaluations (they wait for minutes) a companion makes good, which runs the training as its child.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks import tfod_using
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.tfod_log import Epochs, tfod_log_parser
from runner.host_program import packed
from runner.specs import Kind, ModelSpec, StartMode, TrainSpec

CONFIG, MODEL_DIR, KEPT, START = "pipeline.config", "model", "kept", "start"
PREPARE, COMPANION = "prepare_tfod", "companion.py"
_HOST = Path(__file__).parent.parent / "host"
_NO_GPU = {"CUDA_VISIBLE_DEVICES": "-1"}
_METRIC = r"\+ DetectionBoxes_Precision/mAP: (?P<value>\S+)"
_CHECKPOINT = r"(?P<name>ckpt-(?P<number>\d+))\.index"


class TensorFlowObjectDetection:
    """``environment.code`` is the folder ``object_detection``: of the installed package, or ``models/research/object_detection``."""

    name = "tfod"
    formats = ("tfrecord",)
    kinds = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT, Kind.EXPORT})
    spans_hosts = False
    checkpoint_folder = KEPT
    log_folder = MODEL_DIR
    usually_kept = None
    prepare_program = _HOST / PREPARE

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``model_main_tf2.py`` in one process on each host, which drives all its GPUs; the records are checked before.

        BadSpecError without a checkpoint to resume, or where the hosts of a training do not know each other's addresses.
        """
        values = prepared.values
        program = [
            environment.python, tfod_using.program(environment, "model_main_tf2.py"), f"--pipeline_config_path={CONFIG}",
            f"--model_dir={MODEL_DIR}", f"--num_train_steps={values['steps']}", f"--checkpoint_every_n={values['between_saves']}",
            "--record_summaries=true",
        ]  # fmt: skip
        if ranks.nodes > 1:
            program.append(f"--num_workers={ranks.nodes}")
        setup = [*environment.setup, *_check(environment), *_hosts(ranks)]
        files = {
            CONFIG: prepared.config.encode(), PREPARE: packed(self.prepare_program), "check.json": _check_request(prepared, ranks),
            COMPANION: (_HOST / COMPANION).read_bytes(), tfod_using.EVALUATE: (_HOST / tfod_using.EVALUATE).read_bytes(),
            "companion.json": _company(program, spec, prepared, environment, ranks),
        }  # fmt: skip
        if spec.start.mode is StartMode.RESUME:
            if prepared.checkpoint is None:
                raise BadSpecError("There is no checkpoint to resume from; start a new run instead.")
            placed = tfod_using.placed(prepared.checkpoint, MODEL_DIR)
        else:
            placed = tfod_using.placed(prepared.checkpoint, START) if prepared.checkpoint else tfod_using.NOTHING
        plan = tfod_using.plan(environment, [environment.python, COMPANION, "companion.json"], {**files, **placed.files})
        return replace(plan, setup=(*setup, *placed.setup))

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``model_main_tf2.py`` with a checkpoint of its own folder, at whose step it ends."""
        return tfod_using.evaluation(spec, prepared, environment)

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """Drawings, a video and result files of pictures, a dataset or a video."""
        return tfod_using.prediction(spec, prepared, environment)

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        """``exporter_main_v2.py``: a saved model with its checkpoint, config and label map."""
        return tfod_using.export(prepared, environment)

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """An incremental reader of what its programs print; steps become epochs where the run's own are known."""
        return tfod_log_parser(Epochs.of(prepared) if prepared else None)


def _check(environment: Environment) -> tuple[str, ...]:
    """The records, looked at where they lie, before anything is trained: a wrong box ends TensorFlow after minutes, without a name."""
    return (f"{shlex.quote(environment.python)} {PREPARE} check <check.json >/dev/null || exit 1",)


def _check_request(prepared: Prepared, ranks: Ranks) -> bytes:
    content = {key: prepared.values[key] for key in ("labels", "label_map", "splits")}
    return json.dumps({**content, "pipelines": ranks.nodes}).encode()


def _hosts(ranks: Ranks) -> list[str]:
    """Lines that tell TensorFlow of the other hosts. Under Slurm one process of each host trains: it drives all GPUs."""
    if ranks.slurm:
        line = (
            'TF_CONFIG=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | awk -v port=%d -v node="${SLURM_NODEID:-0}" '
            "'{ hosts = hosts sep \"\\\"\" $1 \":\" port \"\\\"\"; sep = \", \" } END { printf "
            '"{\\"cluster\\": {\\"worker\\": [%%s]}, \\"task\\": {\\"type\\": \\"worker\\", \\"index\\": %%s}}", hosts, node }\')'
        )
        several = [line % ranks.port, "export TF_CONFIG"] if ranks.nodes > 1 else []
        return ['[ "${SLURM_LOCALID:-0}" = 0 ] || exit 0', *several]
    if ranks.nodes == 1:
        return []
    addresses = ranks.address.split(",")
    if len(addresses) != ranks.nodes:
        known = f"needs the addresses of all, and {len(addresses)} is known"
        raise BadSpecError(f"A TensorFlow training on {ranks.nodes} hosts {known}; use one host.")
    workers = [f"{address}:{ranks.port}" for address in addresses]
    config = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": ranks.node}}
    return [f"export TF_CONFIG={shlex.quote(json.dumps(config))}"]


def _company(
    program: list[str], spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks
) -> bytes:
    """companion.json: only the first host of several saves, and evaluates, on its CPU, what it saved."""
    values = prepared.values
    evaluate = None
    if values["evaluates"] and ranks.node == 0:
        main = tfod_using.program(environment, "model_main_tf2.py")
        evaluate = {"program": [environment.python, tfod_using.EVALUATE, main, "{checkpoint}"], "variables": _NO_GPU, "metric": _METRIC}
    epochs = Epochs.of(prepared)
    return json.dumps({
        "program": program, "folder": MODEL_DIR, "pattern": _CHECKPOINT, "first_number": values["first_number"],
        "first_epoch": epochs.first_epoch, "epochs_per_number": float(str(values["between_saves"])) / epochs.steps_per_epoch,
        "keep_folder": KEPT, "keep": spec.overrides.keep, "evaluate": evaluate,
    }, indent=1).encode()  # fmt: skip


framework = TensorFlowObjectDetection()
