"""What trainings and all that is done with a trained model have in common; and the kinds that evaluate, predict and export."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sqlite_utils import Database

from runner.allotting import nodes_of
from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import Framework, LaunchPlan, LogParser, Prepared, Ranks
from runner.kinds.base import Needs, Work
from runner.own_lines import OwnLines
from runner.prepare_requests import code_of, framework_of
from runner.preparing import prepared_from
from runner.service.datasets import frozen
from runner.service.house import House
from runner.specs import DatasetRef, GivenFile, Kind, ModelSpec, Preset, TrainSpec

CODE = "code"
INPUTS = "inputs"
_FIRST_PORT, _PORTS = 20_000, 20_000

Launch = Callable[[Framework, ModelSpec, Prepared, Environment, Ranks], LaunchPlan]


@dataclass(frozen=True, slots=True)
class ModelWork:
    """A kind of run that does something with a checkpoint of a trained run, on the host where that lies.

    Given files lie at ``data/inputs/`` beside the dataset's; what is made below ``results/`` is brought here at the end.
    """

    name: Kind
    launch: Launch
    keep: Callable[[House, Database, Run], str]
    collects: bool = True

    def needs(self, run: Run) -> Needs:
        """Devices of the host where the checkpoint lies."""
        spec = _spec(run)
        return Needs(
            spec.host, spec.gpus, framework=spec.preset.framework, environment=spec.preset.environment, prepares=True, chosen=spec.devices
        )

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The framework's launch line and what it reads."""
        assert environment is not None
        spec = _spec(run)
        ranks = ranks_of(house, run, host, spec.gpus)
        plan = self.launch(framework_of(house, spec), spec, prepared_from(run.prepared or {}), environment, ranks)
        manifest, objects = data_of(house, spec.dataset, spec.files)
        return Work(with_code(house, plan, spec.preset), manifest, objects)

    def log_parser(self, house: House, run: Run) -> LogParser:
        """The framework's."""
        return parser_of(house, run)

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """What was made, in words."""
        return self.keep(house, db, run)

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


def ranks_of(house: House, run: Run, host: Host, devices: int) -> Ranks:
    """The processes of a run, a device each, on one host or on the fewest nodes of a cluster; the port differs from attempt to attempt."""
    digest = hashlib.sha256(f"{run.nonce}/{run.attempt}".encode()).digest()
    nodes = nodes_of(house.store.reading(), host, devices)
    port = _FIRST_PORT + int.from_bytes(digest[:4], "big") % _PORTS
    return Ranks(processes=max(1, devices) // nodes, nodes=nodes, port=port, slurm=nodes > 1)


def with_code(house: House, plan: LaunchPlan, preset: Preset) -> LaunchPlan:
    """The plan with the preset's own modules at ``code/``, found by every import."""
    code = code_of(house, preset)
    if not code:
        return plan
    files = {**plan.files, **{f"{CODE}/{path}": text.encode() for path, text in code.items()}}
    earlier = plan.variables.get("PYTHONPATH", "")
    return replace(plan, files=files, variables={**plan.variables, "PYTHONPATH": f"{CODE}:{earlier}".rstrip(":")})


def data_of(
    house: House, dataset: DatasetRef | None, files: tuple[GivenFile, ...] = ()
) -> tuple[Mapping[str, str], Mapping[str, Path]]:
    """(tree ``data/``: path to digest; digest to the file here) of a dataset version and of given files."""
    version = frozen(house, dataset) if dataset else None
    manifest = {path: entry.digest for path, entry in version.files.items()} if version else {}
    manifest |= {f"{INPUTS}/{file.name}": file.digest for file in files}
    return manifest, {digest: house.catalog.objects.path(digest) for digest in manifest.values()}


def parser_of(house: House, run: Run) -> LogParser:
    """The reader of a run's log that its framework offers, and of the lines that programs of ours print there."""
    assert isinstance(run.spec, TrainSpec | ModelSpec)
    return OwnLines(framework_of(house, run.spec).log_parser(prepared_from(run.prepared) if run.prepared else None))


def _spec(run: Run) -> ModelSpec:
    assert isinstance(run.spec, ModelSpec)
    return run.spec
