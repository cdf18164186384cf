"""The GPUs of a host as nvidia-smi and the kernel show them."""

from __future__ import annotations

import ast
import getpass
import importlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts import eventually
from tests.support.nvidia_standin import BUSES, NvidiaStandin, app, gpu

gpus: Any = importlib.import_module("runner.host.watch_host.gpus")


@pytest.fixture
def nvidia(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NvidiaStandin:
    standin = NvidiaStandin(tmp_path)
    for name, value in standin.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(gpus, "KERNEL_LOG", str(tmp_path / "kmsg"))
    monkeypatch.setattr(gpus, "KERNEL_GPUS", str(tmp_path / "gpus"))
    return standin


@pytest.fixture
def ours() -> Iterator[int]:
    """The id of a process that belongs to an attempt."""
    process = subprocess.Popen(["sleep", "60"], env={**os.environ, "SIGNALBOX_ATTEMPT": "r-1-abc/1"})
    marker = b"SIGNALBOX_ATTEMPT=r-1-abc/1"
    eventually(lambda: marker in Path(f"/proc/{process.pid}/environ").read_bytes())
    yield process.pid
    process.kill()
    process.wait()


def look(seen: Any = None) -> tuple[Any, str, list[str]]:
    notes: list[str] = []
    devices, driver = (seen or gpus.Gpus()).look(notes)
    return devices, driver, notes


def test_it_is_python_36() -> None:
    for path in Path(gpus.__file__).parent.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_programs_are_told_by_user_and_ours_by_their_attempt(nvidia: NvidiaStandin, ours: int) -> None:
    me = getpass.getuser()
    strangers = [app(0, os.getpid(), 2000), app(0, os.getpid(), 500), app(0, 99_999_999, 70), app(1, ours, 30_000)]
    nvidia.shows(gpu(0, memory__used=2600, utilization__gpu=97), gpu(1, memory__used=30_004), apps=strangers)
    (one, two), driver, notes = look()
    assert (driver, notes) == ("550.54.15", [])
    assert one["processes"] == [
        {"user": me, "attempt": "", "used_mib": 2500}, {"user": "somebody", "attempt": "", "used_mib": 70},
    ]  # fmt: skip
    assert two["processes"] == [{"user": me, "attempt": "r-1-abc/1", "used_mib": 30_000}]
    assert (one["used_mib"], one["utilization_percent"], one["temperature_c"], one["broken"]) == (2600, 97, 31, "")


def test_memory_that_nobody_is_named_for_is_not_taken_as_free(nvidia: NvidiaStandin) -> None:
    nvidia.shows(gpu(0, memory__used=9000), gpu(1, memory__used=9000), gpu(2, memory__used=400), apps=[app(1, os.getpid(), "[N/A]")])
    (unnamed, unsized, idle), _, _ = look()
    assert unnamed["processes"] is None
    assert [each["used_mib"] for each in unsized["processes"]] == [9000]
    assert idle["processes"] == []
    nvidia.shows(gpu(0), unknown=["used_memory"])
    devices, _, notes = look()
    assert devices[0]["processes"] is None
    assert "not known" in notes[0]


def test_fields_that_a_driver_or_a_device_lacks(nvidia: NvidiaStandin) -> None:
    nvidia.shows(gpu(0), {"uuid": "GPU-1", "index": 1, "name": "Old", "pci.bus_id": BUSES[1]}, unknown=["mig.mode.current"])
    (new, old), driver, notes = look()
    assert (driver, notes, new["broken"], new["memory_mib"]) == ("", [], "", 81920)
    assert (old["memory_mib"], old["used_mib"], old["utilization_percent"], old["temperature_c"]) == (0, 0, None, None)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"ecc.errors.uncorrected.volatile.total": 3}, "3 uncorrectable memory errors"),
        ({"memory.used": "[GPU is lost]", "utilization.gpu": "[GPU is lost]"}, "lost"),
        ({"temperature.gpu": "[GPU requires reset]"}, "reset"),
        ({"memory.used": "[Unknown Error]"}, "cannot read its memory"),
        ({"utilization.gpu": "[Unknown Error]"}, ""),
        ({"mig.mode.current": "Enabled"}, "MIG"),
    ],
)
def test_what_is_broken_says_why(nvidia: NvidiaStandin, fields: dict[str, object], why: str) -> None:
    nvidia.shows(gpu(0) | fields)
    (device,), _, _ = look()
    assert why in device["broken"] and bool(device["broken"]) == bool(why)


def test_a_lost_gpu_silences_no_other(nvidia: NvidiaStandin, tmp_path: Path) -> None:
    for bus in BUSES[:2]:
        (tmp_path / "gpus" / bus.lower()[4:]).mkdir(parents=True)
    seen = gpus.Gpus()
    nvidia.shows(gpu(0), gpu(1))
    look(seen)
    nvidia.shows(gpu(1), lost=["0000:3B:00.0"])
    devices, _, notes = look(seen)
    assert {each["uuid"]: each["broken"] for each in devices} == {
        "GPU-0": "GPU is lost.  Reboot the system to recover this GPU", "GPU-1": "",
    }  # fmt: skip
    assert "0000:3b:00.0 is lost" in notes[-1]
    nvidia.shows(lost=["0000:3B:00.0", "0000:5E:00.0"])
    assert look()[0] is None  # never seen otherwise: no device, and above all no CPU slots instead


def test_fatal_xid_errors_of_late_break_a_gpu(nvidia: NvidiaStandin, tmp_path: Path) -> None:
    now = time.monotonic()
    lines = [
        f"4,1,{int(max(0.0, now - 90_000) * 1e6)},-;NVRM: Xid (PCI:0000:86:00): 79, pid='<unknown>', name=<unknown>, too long ago",
        f"4,2,{int(now * 1e6)},-;NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', name=<unknown>, GPU has fallen off the bus.",
        f"4,3,{int(now * 1e6)},-;NVRM: Xid (PCI:0000:5e:00): 31, pid=77, name=python, Ch 00000008, MMU Fault of a program",
    ]
    log = gpus.KernelLog()
    for line in lines:
        log.take(line.encode())
    seen = gpus.Gpus()
    seen.kernel_log = log
    nvidia.shows(gpu(0), gpu(1))
    first, second = look(seen)[0]
    assert (first["broken"], second["broken"]) == ("Xid 79: GPU has fallen off the bus.", "")
    assert set(log.recent()) == {"0000:3b:00.0"} | ({"0000:86:00.0"} if now < 3600 else set())


def test_one_that_hangs_is_left_alone_and_not_asked_twice(nvidia: NvidiaStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "TIMEOUT_S", 0.5)
    nvidia.shows(gpu(0), hangs_s=120)
    seen = gpus.Gpus()
    with monkeypatch.context() as unkillable:
        unkillable.setattr(subprocess.Popen, "kill", lambda _: None)  # as one that sits in the kernel
        began = time.monotonic()
        assert look(seen)[0] is None
        eventually(lambda: nvidia.asked)
        devices, _, (note,) = look(seen)
        assert time.monotonic() - began < 60
    assert devices is None and "still hangs" in note
    assert len(nvidia.asked) == 1
    assert seen.hanging is not None
    seen.hanging.kill()
    seen.hanging.wait()
    nvidia.shows(gpu(0))
    monkeypatch.setattr(gpus, "TIMEOUT_S", 20.0)
    eventually(lambda: look(seen)[0])


def test_without_nvidia_smi_there_are_no_gpus_and_one_that_fails_hides_them(nvidia: NvidiaStandin, monkeypatch: pytest.MonkeyPatch) -> None:
    nvidia.shows(fails="Failed to initialize NVML: Driver/library version mismatch")
    devices, _, (note,) = look()
    assert devices is None and "version mismatch" in note
    monkeypatch.setenv("PATH", "/nowhere")
    assert look() == ([], "", [])
