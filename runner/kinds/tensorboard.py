"""TensorBoard on the host where a run lies (``host/board.py``); it ends by itself. Its result is the port where it listens there."""

from __future__ import annotations

import json
from importlib import resources

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LaunchPlan, LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import BoardSpec, Kind
from runner.work_log import WorkStepParser

_PROGRAM, _PLAN = "board.py", "board.json"


class Board:
    """TensorBoard on the host where a run lies."""

    name = Kind.TENSORBOARD
    collects = False

    def needs(self, run: Run) -> Needs:
        """The host and the framework's environment there, but none of its devices."""
        spec = _spec(run)
        return Needs(host=spec.host, devices=0, framework=spec.framework, environment=spec.environment)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The program that shows it, in the environment that has TensorBoard."""
        assert environment is not None
        plan = json.dumps({"folder": _spec(run).folder, "hours": _spec(run).hours}).encode()
        program = (resources.files("runner.host") / _PROGRAM).read_bytes()
        return Work(LaunchPlan(
            (environment.python, _PROGRAM, _PLAN), variables=environment.variables, setup=environment.setup,
            files={_PROGRAM: program, _PLAN: plan},
        ))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """The port as a JSON line."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """That its time is over."""
        return f"Its {_spec(run).hours:g} hours are over."

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: it leaves nothing."""


def _spec(run: Run) -> BoardSpec:
    assert isinstance(run.spec, BoardSpec)
    return run.spec


kind = Board()
