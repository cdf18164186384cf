"""A host's GPUs as a stand-in for nvidia-smi tells them."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAM = Path(__file__).parents[1] / "standins/nvidia/nvidia-smi"
BUSES = ("00000000:3B:00.0", "00000000:5E:00.0", "00000000:86:00.0")


@dataclass(frozen=True)
class NvidiaStandin:
    """The scene that the stand-in plays, written into ``folder``; ``variables`` put it on a program's PATH."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": f"{PROGRAM.parent}:{os.environ['PATH']}", "NVIDIA_STANDIN": str(self.folder / "nvidia.json")}

    @property
    def asked(self) -> list[str]:
        """The command lines so far."""
        path = self.folder / "nvidia.json.asked"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def shows(self, *gpus: dict[str, Any], **scene: object) -> None:
        """Play this scene from now on."""
        new = self.folder / "nvidia.json.new"
        new.write_text(json.dumps({"gpus": gpus, **scene}), encoding="utf-8")
        new.replace(self.folder / "nvidia.json")


def gpu(number: int, **fields: object) -> dict[str, Any]:
    """An idle A100, with other values where given (``memory__used`` for memory.used)."""
    row: dict[str, Any] = {
        "uuid": f"GPU-{number}", "index": number, "name": "NVIDIA A100-SXM4-80GB", "memory.total": 81920, "memory.used": 4,
        "utilization.gpu": 0, "temperature.gpu": 31, "pci.bus_id": BUSES[number], "driver_version": "550.54.15",
        "ecc.errors.uncorrected.volatile.total": 0, "mig.mode.current": "Disabled",
    }  # fmt: skip
    return row | {name.replace("__", "."): value for name, value in fields.items()}


def app(number: int, pid: int, used_mib: object) -> dict[str, object]:
    """A program on one of these GPUs."""
    return {"gpu_uuid": f"GPU-{number}", "pid": pid, "used_memory": used_mib}
