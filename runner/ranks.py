"""What a training on several hosts is on each of them: its number among them, where they meet, and what it starts from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.entities import Attempt, Host, Run
from runner.frameworks.base import LaunchPlan, Prepared, Ranks
from runner.links import HostLink
from runner.rank_decisions import Part
from runner.service.house import House
from runner.store import attempts, hosts

START = "start"
"""Where a further host has its copy of the checkpoint that all start from, relative to the attempt's directory."""
_INTERFACES = ("NCCL_SOCKET_IFNAME", "GLOO_SOCKET_IFNAME")


def parts_of(house: House, links: Mapping[str, HostLink], run: Run) -> list[Part]:
    """Each rank of a run's attempt, with its host as the runner sees it now."""
    db = house.store.reading()
    there = {host.name for host in hosts.all_hosts(db)}
    found = []
    for attempt in attempts.ranks(db, run.id, run.attempt):
        link = links.get(attempt.host)
        if link is not None:
            broken = run.id in link.broken
            launched_at, acting = link.launched.get(attempt.directory), link.busy(run.id)
            found.append(Part(attempt, link.connected, link.trouble, acting, launched_at, broken=broken))
        elif attempt.host in there or run.stop_requested_by is None:
            found.append(Part(attempt, connected=False, trouble="it is not looked at."))
        else:  # a host is removed only once all that was left of its runs was given up
            found.append(Part(replace(attempt, ended_at=house.now(), exit_code=None), connected=False))
    return found


def rank_on(house: House, run: Run, host: Host, prepared: Prepared) -> tuple[Ranks, Prepared]:
    """Which of a run's ranks is on a host, and what was prepared as it is there: a checkpoint to start from lies elsewhere."""
    db = house.store.reading()
    parts = attempts.ranks(db, run.id, run.attempt)
    first, mine = parts[0], next(part for part in parts if part.host == host.name)
    address = hosts.get(db, first.host).meeting_address
    ranks = Ranks(processes=max(1, mine.devices), nodes=len(parts), node=mine.rank, address=address, port=first.port or 0)
    copy, original = copy_of(prepared, mine), prepared.checkpoint
    if copy is None or original is None:
        return ranks, prepared
    return ranks, replace(prepared, checkpoint=copy, config=prepared.config.replace(repr(original)[1:-1], repr(copy)[1:-1]))


def copy_of(prepared: Prepared, attempt: Attempt) -> str | None:
    """Where a further host has its own copy of the checkpoint to start from; None where there is none, or it is the first host's."""
    if attempt.rank == 0 or prepared.checkpoint is None:
        return None
    return f"{attempt.directory}/{START}/{prepared.checkpoint.rpartition('/')[2]}"


def with_interface(plan: LaunchPlan, host: Host) -> LaunchPlan:
    """The plan with the network interface by which other hosts reach this one, unless its environment says another."""
    said = dict.fromkeys(_INTERFACES, host.peer_interface) if host.peer_interface else {}
    return replace(plan, variables={**said, **plan.variables})
