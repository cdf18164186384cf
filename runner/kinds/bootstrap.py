"""A training environment is built on a host (``host/bootstrap.sh``) and becomes one of the host's environments."""

from __future__ import annotations

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.environments import Ready, launch_plan
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import BootstrapSpec, Kind
from runner.store import hosts, runs
from runner.work_log import WorkStepParser


class Bootstrap:
    """Builds an environment, or finds it built."""

    name = Kind.BOOTSTRAP
    collects = False

    def needs(self, run: Run) -> Needs:
        """The host, but none of its devices."""
        assert isinstance(run.spec, BootstrapSpec)
        return Needs(host=run.spec.host, devices=0)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The build script and the frozen profile."""
        assert isinstance(run.spec, BootstrapSpec)
        return Work(launch_plan(run.spec.requirements))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The environment, from then on the host's."""
        ready = Ready.model_validate(runs.result(db, run.id))
        hosts.put_environment(db, ready.environment(attempt.host))
        return f"{ready.profile} on {attempt.host}: {', '.join(f'{name} {version}' for name, version in ready.versions.items())}"

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


kind = Bootstrap()
