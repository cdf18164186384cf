"""Runs, hosts and attempts as values and as rows, for tests that need no server."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from runner.entities import Attempt, Environment, Gpu, Host, Place, Run, TransportName
from runner.service.house import House, open_house
from runner.settings import Limits, Settings
from runner.specs import ConvertSpec, DatasetRef, Preset, TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, runs

SCRIPTED = Path(__file__).parent.parent / "scripted"
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PRESET = Preset(name="quick", framework="scripted", config="none", description="for tests", epochs=3, batch=1, lr=0.01)
DATASET = DatasetRef(name="fish", version=1, fingerprint="f" * 64, format="coco")
SPEC = TrainSpec(preset=PRESET, dataset=DATASET)
CONVERT = ConvertSpec(source=DATASET, recipe="vatic-to-coco", text="", dataset="fish")


def run_value(number: int = 1, reason: Reason = Reason.SUBMITTED, **changes: object) -> Run:
    run = Run(
        id=f"r-{number}", nonce=f"nonce{number}", spec=SPEC, state=reason.state, reason=reason, detail="", owner="U1", place=Place(),
        parent_id=None, host=None, attempt=0, created_at=NOW, updated_at=NOW,
    )
    return replace(run, **changes)  # type: ignore[arg-type]


def attempt_value(**changes: object) -> Attempt:
    attempt = Attempt(run_id="r-1", number=1, host="gpu-1", directory="/r/runs/r-1-nonce1/1", session="sb-r-1-1", created_at=NOW)
    return replace(attempt, **changes)  # type: ignore[arg-type]


def host_value(name: str = "gpu-1", **changes: object) -> Host:
    return replace(Host(name, TransportName.LOCAL, f"/{name}"), **changes)  # type: ignore[arg-type]


def environment_value(host: str = "gpu-1", fingerprint: str = "e1", name: str = "scripted") -> Environment:
    return Environment(host, name, "scripted", "/usr/bin/python3", "/code", fingerprint)


def gpus(host: str, count: int) -> list[Gpu]:
    return [Gpu(host, f"{host}-GPU-{index}", index, "a GPU", 8000) for index in range(count)]


def house_in(folder: Path, **limits: float) -> House:
    """A house with a host and nothing else; nothing is connected."""
    settings = Settings(state_folder=folder / "state", extensions=(SCRIPTED,), limits=Limits(**limits))  # type: ignore[arg-type]
    house = open_house(settings)
    with house.store.writing() as db:
        hosts.put(db, host_value())
    return house


def submitted(house: House) -> Run:
    with house.store.writing() as db:
        return runs.submit(db, SPEC, owner="U1", place=Place("C1"), now=house.now())


def working(house: House) -> Run:
    """A run with a claimed attempt that holds cpu:0 of gpu-1."""
    run = submitted(house)
    with house.store.writing() as db:
        hosts.lease(db, run, "gpu-1", ("cpu:0",), now=house.now())
        attempt = attempts.begin(db, run, number=1, host="gpu-1", root="/gpu-1", now=house.now())
        run = runs.transition(db, run, Reason.STAGING, now=house.now(), attempt=1, host="gpu-1")
        attempts.note_claim(db, attempt, pid=7, process_start="8", boot_id="boot", now=house.now())
        return runs.transition(db, run, Reason.WORKING, now=house.now())
