"""A recipe makes a new version of a dataset: ``python -m recipes convert`` on this machine."""

from __future__ import annotations

from dataclasses import replace

from sqlite_utils import Database

from runner import recipes_program
from runner.entities import Attempt, ConvertSpec, Diagnosis, Environment, Host, Kind, Run
from runner.frameworks.base import LogParser
from runner.kinds.base import Needs, Work
from runner.service.datasets import frozen
from runner.service.house import House
from runner.work_log import WorkStepParser

RECIPE = "recipe.yaml"


class Convert:
    """Runs a recipe over one version of a dataset."""

    name = Kind.CONVERT

    def needs(self, run: Run) -> Needs:
        """One slot of this machine."""
        return Needs(host="local", devices=1)

    def work(self, house: House, run: Run, *, host: Host, environment: Environment | None) -> Work:
        """The recipes' own program over the frozen recipe, which tells its progress as JSON lines."""
        spec = run.spec
        assert isinstance(spec, ConvertSpec)
        parameters = [f"{key}={value}" for key, value in spec.parameters.items()]
        frozen(house, spec.source)
        plan = recipes_program.plan(house, run, "convert", str(spec.source), RECIPE, *parameters, "--name", spec.dataset)
        return Work(replace(plan, files={RECIPE: spec.text.encode()}))

    def log_parser(self, house: House, run: Run) -> LogParser:
        """Progress as JSON lines."""
        return WorkStepParser()

    def completed(self, house: House, db: Database, run: Run, attempt: Attempt) -> str:
        """The version it made."""
        return recipes_program.keep_version(db, run)

    def cause(self, exit_code: int, tail: bytes) -> Diagnosis:
        """What the program refused, with file and line."""
        return recipes_program.cause(exit_code, tail)


kind = Convert()
