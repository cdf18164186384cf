"""What a host has and lacks: the look that ``host add`` and ``host check`` take before any run depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from runner.errors import HostError
from runner.transports.base import Transport
from runner.transports.scripts import settings

TIMEOUT_S = 30.0
_NEEDED = {
    "setsid": "setsid (package util-linux), which detaches trainings",
    "tar": "tar, which receives files",
    "sha256sum": "sha256sum (package coreutils), which checks what arrived",
    "base64": "base64 (package coreutils), which receives programs",
    "grep": "grep, which finds the processes of a run",
}


@dataclass(frozen=True, slots=True)
class HostProbe:
    """What was found. ``missing`` stops runs there and ``notes`` do not; both are words for people."""

    user: str
    home: str
    host_name: str
    machine_id: str
    boot_id: str
    python: str
    free_bytes: int
    screen: bool
    nvidia_smi: bool
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def probe(transport: Transport, *, root: str) -> HostProbe:
    """Look at a host; ``root`` is made there if it can be. Raises UnreachableError or HostError."""
    script = (resources.files("runner.host") / "probe.sh").read_text(encoding="utf-8")
    finished = transport.shell(settings(root=root) + script, timeout_s=TIMEOUT_S)
    found = dict(line.split("=", 1) for line in finished.stdout.decode("utf-8", "replace").splitlines() if "=" in line)
    if "host_name" not in found:
        raise HostError(f"The host does not run our commands: {finished.stderr.decode('utf-8', 'replace').strip()[-500:]}")
    kib = found.get("free_kib", "")
    return HostProbe(
        user=found.get("user", ""),
        home=found.get("home", ""),
        host_name=found["host_name"],
        machine_id=found.get("machine_id", ""),
        boot_id=found.get("boot_id", ""),
        python=found.get("python", ""),
        free_bytes=int(kib) * 1024 if kib.isdigit() else 0,
        screen=found.get("has_screen") == "yes",
        nvidia_smi=found.get("has_nvidia-smi") == "yes",
        missing=_missing(found, root),
        notes=_notes(found),
    )


def _missing(found: dict[str, str], root: str) -> tuple[str, ...]:
    missing = [words for program, words in _NEEDED.items() if found.get(f"has_{program}") != "yes"]
    if not found.get("python"):
        missing.append("python3, version 3.6 or newer, which watches the runs")
    if found.get("writable") != "yes":
        missing.append(f"a folder {root} that {found.get('user', 'the user')} may write to")
    return tuple(missing)


def _notes(found: dict[str, str]) -> tuple[str, ...]:
    notes = []
    if found.get("has_screen") != "yes":
        notes.append("screen is not installed: runs are detached with setsid, and nobody can attach to their window")
    if found.get("has_nvidia-smi") != "yes":
        notes.append("nvidia-smi is not there: the host offers its CPU slots")
    if not found.get("machine_id"):
        notes.append("/etc/machine-id is empty: only host name and boot tell this machine from another")
    return tuple(notes)
