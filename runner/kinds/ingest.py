"""An uploaded archive becomes a raw dataset version: ``python -m recipes ingest`` on this machine."""

from __future__ import annotations

import sys

from sqlite_utils import Database

from runner.entities import Attempt, Environment, Host, IngestSpec, Kind, Run
from runner.frameworks.base import LaunchPlan, LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.store import runs
from runner.work_log import WorkStepParser


class Ingest:
    """Reads, checks and files an upload."""

    name = Kind.INGEST

    def needs(self, run: Run) -> Needs:
        """One slot of this machine."""
        return Needs(host="local", devices=1)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The recipes' own program, which tells its progress as JSON lines."""
        spec = run.spec
        assert isinstance(spec, IngestSpec)
        return Work(recipes_plan(house, run, "ingest", spec.archive, "--name", spec.dataset))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The version it made."""
        return str(runs.result(db, run.id).get("version", ""))


def recipes_plan(house: House, run: Run, *arguments: str) -> LaunchPlan:
    """``python -m recipes <arguments>`` against this installation's catalog."""
    program = (sys.executable, "-m", "recipes", *arguments, "--catalog", str(house.settings.catalog))
    return LaunchPlan(argv=(*program, "--by", run.owner, "--run", run.id, "--progress", "json", "--json"))


kind = Ingest()
