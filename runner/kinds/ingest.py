"""An uploaded archive becomes a raw dataset version: ``python -m recipes ingest`` on this machine."""

from __future__ import annotations

from sqlite_utils import Database

from runner import recipes_program
from runner.entities import Attempt, Diagnosis, Environment, Host, IngestSpec, Kind, Run
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
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
        return Work(recipes_program.plan(house, run, "ingest", spec.archive, "--name", spec.dataset, "--title", spec.file_name))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The version it made."""
        return recipes_program.keep_version(db, run)

    def cause(self, exit_code: int, tail: bytes) -> Diagnosis:
        """What the program refused, with file and line."""
        return recipes_program.cause(exit_code, tail)


kind = Ingest()
