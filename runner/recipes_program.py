"""The recipes' own program as the work of a run: how it is started, what it made, why it refused."""

from __future__ import annotations

import json
import sys

from sqlite_utils import Database

from runner.diagnosis import diagnose
from runner.entities import Diagnosis, Run
from runner.frameworks.base import LaunchPlan
from runner.service.house import House
from runner.states import Reason
from runner.store import runs

REFUSED = 1


def plan(house: House, run: Run, *arguments: str) -> LaunchPlan:
    """``python -m recipes <arguments>`` against this installation's catalog, its progress and result as JSON lines."""
    program = (sys.executable, "-m", "recipes", *arguments, "--catalog", str(house.settings.catalog))
    return LaunchPlan(argv=(*program, "--by", run.owner, "--progress", "json", "--json"))


def keep_version(db: Database, run: Run) -> str:
    """Keep which version the program made; returns its reference (``fish@2``)."""
    reference = str(runs.result(db, run.id).get("reference", ""))
    runs.keep_result(db, run.id, {"reference": reference})
    return reference


def cause(exit_code: int, tail: bytes) -> Diagnosis:
    """What the program refused, in its own words (file, line, remedy); else what its last lines say."""
    for line in reversed(tail.decode("utf-8", "replace").splitlines()) if exit_code == REFUSED else ():
        try:
            error = json.loads(line)["error"]
            more = (f"and {error['more']} more",) if error["more"] else ()
            sentence = f"{error['where']}: {error['message']}" if error["where"] else str(error["message"])
            return Diagnosis(Reason.DATA_ERROR, sentence, str(error["remedy"]), (*(str(item) for item in error["defects"]), *more))
        except (ValueError, KeyError, TypeError):
            continue
    return diagnose(exit_code=exit_code, tail=tail)
