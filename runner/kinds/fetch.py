"""Files that a run left on its host are brought here: a program of ours lays them below ``results/`` (``host/gather.py``)."""

from __future__ import annotations

import json
from importlib import resources

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LaunchPlan, LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import FetchSpec, Kind
from runner.states import Reason
from runner.store import runs
from runner.work_log import WorkStepParser

_PROGRAM, _PLAN = "gather.py", "gather.json"


class Fetch:
    """Files that a run left on its host are brought here."""

    name = Kind.FETCH
    collects = True

    def needs(self, run: Run) -> Needs:
        """The host, but none of its devices."""
        return Needs(host=_spec(run).host, devices=0)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The program that gathers, with the host's own Python."""
        plan = json.dumps({"directory": _spec(run).directory, "paths": _spec(run).paths}).encode()
        program = (resources.files("runner.host") / _PROGRAM).read_bytes()
        return Work(LaunchPlan((host.python or "/usr/bin/python3", _PROGRAM, _PLAN), files={_PROGRAM: program, _PLAN: plan}))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Its result as a JSON line."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """How much it was."""
        made = runs.result(db, run.id)
        files, size_bytes = made.get("files"), made.get("size_bytes")
        return f"{files:,} file{'s' if files != 1 else ''}, {size_bytes:,} bytes." if isinstance(files, int) else ""

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What the program refused, in its own words; else what its last lines say."""
        for line in reversed(tail.decode("utf-8", "replace").splitlines()):
            try:
                error = json.loads(line)["error"]
                return Diagnosis(Reason.DATA_ERROR, str(error["sentence"]), str(error["remedy"]))
            except (ValueError, KeyError, TypeError):
                continue
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


def _spec(run: Run) -> FetchSpec:
    assert isinstance(run.spec, FetchSpec)
    return run.spec


kind = Fetch()
