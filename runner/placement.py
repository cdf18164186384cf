"""Which run starts where: a pure function from what waits, what is there and who holds what, to decisions with reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.entities import Gpu, Lease, Run
from runner.states import Reason


@dataclass(frozen=True, slots=True)
class Candidate:
    """A run that could start now, on any of ``hosts`` (names, best first), with ``devices`` devices of one host: any, or those
    ``chosen`` by their UUIDs."""

    run: Run
    hosts: Sequence[str]
    devices: int
    chosen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Start the run there."""

    run: Run
    host: str
    devices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """The run goes on waiting, for one reason in one sentence."""

    run: Run
    reason: Reason
    detail: str


def place(
    queue: Sequence[Candidate], devices: Mapping[str, Sequence[Gpu]], leases: Sequence[Lease]
) -> list[Placed | Waiting]:
    """Decide for every candidate, first come first served on every host; a run that a host could never hold delays nobody there.

    ``devices`` maps a host to what it has. A run that needs no device is placed at once. Whoever waits for devices that it chose
    keeps others from these alone.
    """
    held = {(lease.host, lease.device): lease.run_id for lease in leases}
    decisions: list[Placed | Waiting] = []
    reserved: dict[str, str] = {}
    promised: dict[tuple[str, str], str] = {}
    for candidate in queue:
        decision = _place_one(candidate, devices, {**promised, **held}, reserved)
        if isinstance(decision, Placed):
            held.update({(decision.host, device): candidate.run.id for device in decision.devices})
        elif candidate.chosen:
            for host in candidate.hosts:
                for device in candidate.chosen:
                    promised.setdefault((host, device), candidate.run.id)
        else:
            for host in candidate.hosts:
                if len(devices.get(host, ())) >= candidate.devices:
                    reserved.setdefault(host, candidate.run.id)
        decisions.append(decision)
    return decisions


def _place_one(
    candidate: Candidate, devices: Mapping[str, Sequence[Gpu]], held: Mapping[tuple[str, str], str], reserved: Mapping[str, str]
) -> Placed | Waiting:
    run = candidate.run
    if candidate.devices == 0:
        return Placed(run, candidate.hosts[0], ())
    first: list[str] = []
    for host in candidate.hosts:
        free = [gpu.uuid for gpu in devices.get(host, ()) if (host, gpu.uuid) not in held]
        if candidate.chosen:
            free = [device for device in candidate.chosen if device in free]
        if len(free) >= candidate.devices:
            if host not in reserved:
                return Placed(run, host, tuple(free[: candidate.devices]))
            first.append(reserved[host])
    return Waiting(run, Reason.WAITING_FOR_GPU, _why(candidate, devices, held, first))


def _why(
    candidate: Candidate, devices: Mapping[str, Sequence[Gpu]], held: Mapping[tuple[str, str], str], first: Sequence[str]
) -> str:
    if first:
        return f"Its turn comes after {' and '.join(dict.fromkeys(first))}, which waits for more devices there."
    if candidate.chosen:
        return _why_not_these(candidate, devices, held)
    most = max((len(devices.get(host, ())) for host in candidate.hosts), default=0)
    if not most:
        return f"{' and '.join(candidate.hosts)} has not said which devices it has, or its nvidia-smi does not answer."
    if most < candidate.devices:
        return f"Needs {candidate.devices} devices on one host; the largest of {', '.join(candidate.hosts)} has {most}."
    holders = sorted({holder for (host, _), holder in held.items() if host in candidate.hosts})
    where = candidate.hosts[0] if len(candidate.hosts) == 1 else "every host that fits"
    return f"{where} is taken by {', '.join(holders)}."


def _why_not_these(candidate: Candidate, devices: Mapping[str, Sequence[Gpu]], held: Mapping[tuple[str, str], str]) -> str:
    """Which of the chosen devices are not free: who holds each, or that it is gone."""
    host = candidate.hosts[0]
    there = {gpu.uuid: gpu for gpu in devices.get(host, ())}
    if not there:
        return f"{host} has not said which devices it has, or its nvidia-smi does not answer."
    gone = [device for device in candidate.chosen if device not in there]
    if gone:
        return f"{host} has no device {' and '.join(gone)} any more; submit it again with devices that are there."
    taken = [(there[device], held[host, device]) for device in candidate.chosen if (host, device) in held]
    return f"Waits for {' and '.join(f'{_called(gpu)} ({run_id} has it or comes first)' for gpu, run_id in taken)} of {host}."


def _called(gpu: Gpu) -> str:
    return gpu.uuid if gpu.uuid.startswith("cpu:") else f"GPU {gpu.index}"
