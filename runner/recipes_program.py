# ruff: noqa: ARG002 - a kind of run answers its protocol, whatever of it matters here
"""The recipes' own program as the work of a run on this machine: how it is started, what it made, why it refused."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from sqlite_utils import Database

from runner.diagnosis import UNKNOWN, Circumstances, diagnose
from runner.entities import Attempt, Diagnosis, Environment, Host, Run
from runner.frameworks.base import LaunchPlan, LogParser
from runner.kinds.base import Needs, Work
from runner.service.house import House
from runner.specs import Kind
from runner.states import Reason
from runner.store import runs
from runner.work_log import WorkStepParser

REFUSED = 1


def program(house: House, *arguments: str) -> tuple[str, ...]:
    """``python -m recipes <arguments>`` against this installation's catalog, its progress and result as JSON lines."""
    return (sys.executable, "-m", "recipes", *arguments, "--catalog", str(house.settings.catalog), "--progress", "json", "--json")


def keep_version(db: Database, run: Run) -> str:
    """Keep which version the program made; returns its reference (``fish@2``)."""
    reference = str(runs.result(db, run.id).get("reference", ""))
    runs.keep_result(db, run.id, {"reference": reference})
    return reference


def keep_report(db: Database, run: Run) -> str:
    """Keep what the program found as it is; returns its one sentence, where it has one."""
    return str(runs.result(db, run.id).get("sentence", ""))


def _nothing_more(_house: House, _run: Run) -> None:
    """What a kind does afterwards that leaves nothing behind."""


@dataclass(frozen=True, slots=True)
class DatasetWork:
    """A kind of run that works on datasets. ``plan`` starts the program, ``keep`` keeps what it said and returns that in words."""

    name: Kind
    plan: Callable[[House, Run], LaunchPlan]
    keep: Callable[[Database, Run], str] = keep_version
    tidy: Callable[[House, Run], None] = _nothing_more
    collects: bool = False

    def needs(self, run: Run) -> Needs:
        """One slot of this machine."""
        return Needs(host="local", devices=1)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The program, and nothing that the host would have to hold."""
        return Work(self.plan(house, run))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The version it made, or what it found."""
        return self.keep(db, run)

    def cause(self, exit_code: int, tail: bytes, circumstances: Circumstances = UNKNOWN) -> Diagnosis:
        """What the program refused, in its own words (file, line, remedy); else what its last lines say."""
        for line in reversed(tail.decode("utf-8", "replace").splitlines()) if exit_code == REFUSED else ():
            try:
                error = json.loads(line)["error"]
                more = (f"and {error['more']} more",) if error["more"] else ()
                sentence = f"{error['where']}: {error['message']}" if error["where"] else str(error["message"])
                return Diagnosis(Reason.DATA_ERROR, sentence, str(error["remedy"]), (*(str(item) for item in error["defects"]), *more))
            except (ValueError, KeyError, TypeError):
                continue
        return diagnose(exit_code=exit_code, tail=tail, circumstances=circumstances)

    def afterwards(self, house: House, run: Run) -> None:
        """Remove what only the run needed."""
        self.tidy(house, run)
