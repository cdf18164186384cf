"""A training environment is built on a host (``host/bootstrap.sh``), or a declared one is looked at (``host/declared.py``)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.environments import Ready, launch_plan, look_plan
from runner.frameworks import find_framework
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import BootstrapSpec, Kind
from runner.store import hosts, runs
from runner.work_log import WorkStepParser

USUAL_PYTHON = "/usr/bin/python3"


class Bootstrap:
    """Builds an environment, or finds it built, or finds it as it was declared."""

    name = Kind.BOOTSTRAP
    collects = False

    def needs(self, run: Run) -> Needs:
        """The host, but none of its devices."""
        return Needs(host=_spec(run).host, devices=0)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The build script and the frozen profile; or what looks, and the framework's own program."""
        declared = _spec(run).declared
        if declared is None:
            return Work(launch_plan(_spec(run).requirements))
        framework = find_framework(declared.framework, house.settings.extensions)
        return Work(look_plan(declared, framework, python=host.python or USUAL_PYTHON))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The environment, from then on the host's."""
        found = runs.result(db, run.id)
        environment = _declared(_spec(run), attempt.host, found) or Ready.model_validate(found).environment(attempt.host)
        hosts.put_environment(db, environment)
        versions = found.get("versions")
        held = ", ".join(f"{name} {version}" for name, version in versions.items()) if isinstance(versions, Mapping) else ""
        return f"{environment.name} on {attempt.host}: {held}"

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


def _declared(spec: BootstrapSpec, host: str, found: Mapping[str, object]) -> Environment | None:
    """A declared environment with what was found in it; None where one was built."""
    if spec.declared is None:
        return None
    return Environment(
        host=host, name=spec.environment, framework=spec.declared.framework, python=spec.declared.python, code=str(found["code"]),
        fingerprint=str(found["fingerprint"]), setup=spec.declared.setup, variables=dict(spec.declared.variables),
    )


def _spec(run: Run) -> BootstrapSpec:
    assert isinstance(run.spec, BootstrapSpec)
    return run.spec


kind = Bootstrap()
