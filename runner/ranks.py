"""What a training is on each of its hosts: its number among them, where they meet, and what it starts from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from runner.entities import Attempt, Host, Run
from runner.frameworks.base import LaunchPlan, Prepared, Ranks
from runner.links import HostLink
from runner.preparing import prepared_from
from runner.rank_decisions import Part
from runner.service.house import House
from runner.store import attempts, hosts

BROUGHT = "brought"
"""Where a host has its copy of a checkpoint that was proved on another, relative to the attempt's directory."""
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


def rank_on(house: House, run: Run, host: Host) -> Ranks:
    """Which of a run's ranks is on a host."""
    db = house.store.reading()
    parts = attempts.ranks(db, run.id, run.attempt)
    first, mine = parts[0], next(part for part in parts if part.host == host.name)
    address = hosts.get(db, first.host).meeting_address
    return Ranks(processes=max(1, mine.devices), nodes=len(parts), node=mine.rank, address=address, port=first.port or 0)


def prepared_on(house: House, run: Run, host: Host) -> Prepared:
    """What was prepared, as it is on a host of the run's attempt: a checkpoint to start from may have been brought there."""
    prepared, rank = prepared_from(run.prepared or {}), 0
    if run.spans > 1:
        rank = attempts.rank_on(house.store.reading(), run.id, run.attempt, host.name).rank
    copy = copy_of(run, attempts.on(run, number=run.attempt, host=host.name, root=host.root, now=house.now(), rank=rank))
    return prepared if copy is None else with_checkpoint(prepared, copy)


def with_checkpoint(prepared: Prepared, path: str) -> Prepared:
    """The same with its checkpoint at another path."""
    original = repr(prepared.checkpoint)[1:-1]
    return replace(prepared, checkpoint=path, config=prepared.config.replace(original, repr(path)[1:-1]))


def copy_of(run: Run, attempt: Attempt) -> str | None:
    """Where an attempt has its own copy of the checkpoint to start from; None where there is none, or it was proved on that host."""
    checkpoint = (run.prepared or {}).get("checkpoint")
    if checkpoint is None or attempt.host == lies_on(run):
        return None
    return f"{attempt.directory}/{BROUGHT}/{str(checkpoint).rpartition('/')[2]}"


def lies_on(run: Run) -> str:
    """The host on which a run was prepared, where its checkpoint was proved."""
    return str((run.prepared or {}).get("host") or run.host)


def with_interface(plan: LaunchPlan, host: Host) -> LaunchPlan:
    """The plan with the network interface by which other hosts reach this one, unless its environment says another."""
    said = dict.fromkeys(_INTERFACES, host.peer_interface) if host.peer_interface else {}
    return replace(plan, variables={**said, **plan.variables})
