"""A training: the framework's own program on a host, over a tree of links to the dataset."""

from __future__ import annotations

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.model_work import data_of, parser_of, ranks_of, with_code
from runner.prepare_requests import framework_of, starting_spec
from runner.ranks import prepared_on, rank_on, with_interface
from runner.service.house import House
from runner.specs import Kind, TrainSpec
from runner.store import progress


class Train:
    """Trains a preset on a dataset."""

    name = Kind.TRAIN
    collects = False

    def needs(self, run: Run) -> Needs:
        """Devices on a host that has the framework's environment; for a later attempt the one where its checkpoints lie. Of several
        hosts that is the first: it alone writes checkpoints."""
        spec = _spec(run)
        return Needs(
            spec.host or (run.host if run.attempt else None), spec.gpus // spec.hosts, framework=spec.preset.framework,
            environment=spec.preset.environment, prepares=True, chosen=spec.devices, hosts=spec.hosts, among=spec.among,
        )

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The framework's launch line, the preset's own modules, and the dataset's files under ``data/``."""
        assert environment is not None
        spec, prepared = starting_spec(house, run), prepared_on(house, run, host)
        assert isinstance(spec, TrainSpec)
        ranks = rank_on(house, run, host) if run.spans > 1 else ranks_of(house, run, host, spec.gpus)
        plan = with_interface(framework_of(house, spec).train(spec, prepared, environment, ranks), host)
        manifest, objects = data_of(house, spec.dataset)
        return Work(with_code(house, plan, spec.preset), manifest, objects)

    def log_parser(self, house: House, run: Run) -> LogParser:
        """The framework's."""
        return parser_of(house, run)

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The best mAP, in words."""
        known = [item for item in progress.evaluations(db, run.id) if item.ap is not None]
        best = max(known, key=lambda item: item.ap or 0.0, default=None)
        return "" if best is None else f"best mAP {best.ap:.3f} at epoch {best.epoch}"

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


def _spec(run: Run) -> TrainSpec:
    assert isinstance(run.spec, TrainSpec)
    return run.spec


kind = Train()
