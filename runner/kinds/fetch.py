"""Files that a run left on its host are brought here."""

from __future__ import annotations

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import FetchSpec, Kind
from runner.work_log import WorkStepParser


class Fetch:
    """Files that a run left on its host are brought here."""

    name = Kind.FETCH
    collects = True

    def needs(self, run: Run) -> Needs:
        """The host, but none of its devices."""
        assert isinstance(run.spec, FetchSpec)
        return Needs(host=run.spec.host, devices=0)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        raise NotImplementedError

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        return ""

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What its last lines say."""
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Nothing: what it made stays."""


kind = Fetch()
