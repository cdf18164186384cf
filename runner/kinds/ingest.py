"""An upload, a file from the web or a folder of a host becomes a raw dataset version: ``python -m recipes ingest`` on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from runner.entities import Run
from runner.frameworks.base import LaunchPlan
from runner.host_folder import HOST
from runner.recipes_program import DatasetWork, program
from runner.service.house import House
from runner.specs import IngestSpec, Kind, Origin
from runner.store import hosts

HOST_FILE = "host.json"


def _plan(house: House, run: Run) -> LaunchPlan:
    spec = _spec(run)
    told = ("--name", spec.dataset, "--title", spec.file_name, "--by", run.owner, *(("--format", spec.format) if spec.format else ()))
    match spec.origin:
        case Origin.INBOX:
            return LaunchPlan(program(house, "ingest", spec.archive, *told))
        case Origin.URL:
            wanted = ("--sha256", spec.sha256) if spec.sha256 else ()
            private = ("--private-addresses",) if house.settings.imports.private_addresses else ()
            return LaunchPlan(program(house, "ingest", spec.archive, *told, *_cost(house), *wanted, *private))
        case Origin.HOST:
            return _from_host(house, spec, told)


def _from_host(house: House, spec: IngestSpec, told: tuple[str, ...]) -> LaunchPlan:
    """What is this machine's own is read where it lies; another's comes as a tar on stdin."""
    host = hosts.get(house.store.reading(), spec.host or "")
    catalog = ("--catalog", str(house.settings.catalog))
    source = spec.archive if host.name == "local" else "/dev/stdin"
    argv = (sys.executable, "-m", "runner.host_folder", HOST_FILE, spec.archive, *_cost(house), *catalog, "--")
    return LaunchPlan((*argv, *program(house, "ingest", source, *told)), files={HOST_FILE: HOST.dump_json(host)})


def _cost(house: House) -> tuple[str, ...]:
    limits = house.settings.imports
    return ("--max-bytes", str(limits.size_bytes), "--timeout-s", str(limits.timeout_s))


def _remove_archive(_house: House, run: Run) -> None:
    """What was uploaded is in the catalog, or refused; what lies elsewhere is not ours."""
    if _spec(run).origin is Origin.INBOX:
        Path(_spec(run).archive).unlink(missing_ok=True)


def _spec(run: Run) -> IngestSpec:
    assert isinstance(run.spec, IngestSpec)
    return run.spec


kind = DatasetWork(Kind.INGEST, _plan, tidy=_remove_archive)
