"""M2Det: the checkout's own train.py and test.py, unmodified, on a config that ``host/prepare_m2det`` resolved.

They are started by a program of ours that gives them the dataset's class names and shows them its files where they look
(``host/prepare_m2det/launching.py``). M2Det says nothing of its checkpoints, and does not evaluate while it trains.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from runner.entities import Environment
from runner.errors import BadSpecError
from runner.frameworks.base import LaunchPlan, LogParser, Prepared, Ranks
from runner.frameworks.m2det_log import m2det_log_parser
from runner.host_program import packed
from runner.specs import Kind, ModelSpec, ResultFile, StartMode, TrainSpec

CONFIG = "run_config.py"
WEIGHTS = "weights"
# Written when the next epoch begins: it holds as many epochs as its number says, and number 0 none at all.
CHECKPOINT = r"M2Det_.*_epoch(?P<number>\d{1,9})\.pth"
_HOST = Path(__file__).parent.parent / "host"
_PROGRAM, _COMPANION = "signalbox_m2det", "companion.py"
# srun starts a process for each GPU, and the first of them drives all.
_FIRST_OF_SLURM = '[ "${SLURM_PROCID:-0}" = 0 ] || exit 0'


class M2Det:
    """``environment.code`` is a checkout of M2Det with its extensions built (make.sh)."""

    name = "m2det"
    formats = ("voc", "coco")
    kinds = frozenset({Kind.TRAIN, Kind.EVAL, Kind.PREDICT})
    spans_hosts = False
    checkpoint_folder = WEIGHTS
    log_folder = "logs"
    usually_kept = None
    prepare_program = _HOST / "prepare_m2det"

    def train(self, spec: TrainSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """One process that drives all GPUs of one host, accompanied by what tells of its checkpoints."""
        if ranks.nodes > 1:
            raise BadSpecError("M2Det trains on one host only: its train.py knows no other processes.")
        first = int(str(prepared.values["first_epoch"])) - 1
        arguments = ["-d", _source(prepared)["kind"], "--ngpu", str(ranks.processes)]
        if spec.start.mode is not StartMode.FRESH:
            if prepared.checkpoint is None:
                raise BadSpecError("There is no checkpoint to start from; start a new run instead.")
            arguments += ["--resume_net", prepared.checkpoint]
        arguments += ["--resume_epoch", str(first)] if first else []
        keep = spec.overrides.keep
        company = {
            "program": self._program(environment, "launch", "train.py", "-c", CONFIG, *arguments),
            "folder": WEIGHTS, "pattern": CHECKPOINT, "epochs_per_number": None, "first_number": first,
            "keep_folder": WEIGHTS if keep else None, "keep": keep, "evaluate": None,
        }  # fmt: skip
        files = {_COMPANION: (_HOST / _COMPANION).read_bytes(), "companion.json": _json(company)}
        plan = self._plan(prepared, environment, (environment.python, _COMPANION, "companion.json"), files, {"epochs": prepared.epochs})
        return replace(plan, setup=(*plan.setup, _FIRST_OF_SLURM)) if ranks.slurm else plan

    def evaluate(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """``test.py`` on one GPU; its detections stay on the host (``VOCdevkit/results``, ``eval``)."""
        model = _one_device(prepared, ranks)
        argv = self._program(environment, "launch", "test.py", "-c", CONFIG, "-d", _source(prepared)["kind"], "-m", model)
        return self._plan(prepared, environment, argv, {}, {})

    def predict(self, spec: ModelSpec, prepared: Prepared, environment: Environment, ranks: Ranks) -> LaunchPlan:
        """A program of ours that builds the net with the checkout's own modules: its demo.py knows COCO's names only."""
        more = {
            "config": CONFIG, "checkpoint": _one_device(prepared, ranks), "classes": prepared.values["classes"], "score": spec.score,
            "inputs": [file.name for file in spec.files], "results": [str(each) for each in spec.results or (ResultFile.PICTURES,)],
        }  # fmt: skip
        return self._plan(prepared, environment, self._program(environment, "draw"), {}, more)

    def export(self, spec: ModelSpec, prepared: Prepared, environment: Environment) -> LaunchPlan:
        """M2Det has nothing to export to: its checkpoints are bare weights already."""
        raise BadSpecError("M2Det exports nothing: its checkpoints hold weights alone already; fetch one instead.")

    def log_parser(self, prepared: Prepared | None) -> LogParser:
        """An incremental reader of what train.py and test.py print; an evaluation is of the epoch that its checkpoint holds."""
        return m2det_log_parser(prepared.checkpoint_epoch or 0 if prepared else 0)

    def _program(self, environment: Environment, *arguments: str) -> tuple[str, ...]:
        return (environment.python, _PROGRAM, *arguments)

    def _plan(
        self, prepared: Prepared, environment: Environment, argv: tuple[str, ...], files: Mapping[str, bytes], more: Mapping[str, object]
    ) -> LaunchPlan:
        """The program with its config and what it needs to know beside it."""
        launch = {"code": environment.code, "sources": prepared.values["sources"], "source": prepared.values["source"], **more}
        own = {CONFIG: prepared.config.encode(), "m2det.json": _json(launch), _PROGRAM: packed(self.prepare_program)}
        return LaunchPlan(argv, dict(environment.variables), {**own, **files}, environment.setup)


def _source(prepared: Prepared) -> Mapping[str, str]:
    source = prepared.values["source"]
    if not isinstance(source, Mapping):
        raise BadSpecError("This run has no dataset.")
    return source


def _one_device(prepared: Prepared, ranks: Ranks) -> str:
    """The checkpoint to use; refuses several devices, of which M2Det would leave all but one idle."""
    if ranks.distributed:
        raise BadSpecError("M2Det evaluates and predicts on one GPU; leave out --gpus.")
    if prepared.checkpoint is None:
        raise BadSpecError("There is no checkpoint to use.")
    return prepared.checkpoint


def _json(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, indent=1, sort_keys=True).encode()


framework = M2Det()
