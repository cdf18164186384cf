"""The servers: a list with what runs where, and one of them in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo

from bot.answer import Block
from bot.views.blocks import Button, Message, actions, fitting, section
from bot.views.device_map import device_lines
from bot.views.words import clock, code, count, duration, name, person, prose, sentence, size
from runner.entities import Host, TransportName
from runner.service.environments import DeclaredView
from runner.service.hosts import HostView
from runner.service.views import RunView
from runner.states import State

SILENT_AFTER = timedelta(seconds=30)


def host_list(hosts: Sequence[HostView], live: Mapping[str, RunView], *, now: datetime, zone: tzinfo) -> Message:
    """Every host with its devices and the runs on them. ``live`` are the runs that have not ended, by id."""
    if not hosts:
        text = "There is no server yet. `host add NAME user@address --host-key \"ssh-ed25519 …\"` adds one."
        return text, [section(text)]
    entries = ["\n".join([_head(view, now, zone), *device_lines(view, live, now=now, zone=zone)]) for view in hosts]
    heading = f"*{count(len(hosts), 'server')}*"
    blocks: list[Block] = [section(heading), *(section(entry) for entry in entries)]
    return "\n".join([heading, *entries]), fitting(blocks)


def host_page(view: HostView, declared: Sequence[DeclaredView] = (), *, now: datetime, zone: tzinfo) -> Message:
    """All that is known of one host, and what to do about what is wrong."""
    host = view.host
    lines = [_head(view, now, zone), *device_lines(view, {}, now=now, zone=zone)]
    reached = "this machine itself" if host.transport is TransportName.LOCAL else f"{name(host.user)}@{name(host.address)}:{host.port}"
    lines.append(f"• reached as {reached}, everything of ours in {code(host.root)}")
    if host.peer_address or host.peer_interface:
        at = f" at {name(host.peer_interface)}" if host.peer_interface else ""
        lines.append(f"• reached by the other hosts of a run as {name(host.meeting_address)}{at}")
    if host.executor == "slurm":
        partition = f"partition {name(host.partition)}" if host.partition else "its usual partition"
        lines.append(f"• the login node of a Slurm cluster, {partition}")
    if host.host_name:
        lines.append(f"• calls itself {name(host.host_name)}; Python {code(host.python or 'not found')}")
    lines += _measures(view)
    named = {each.name for each in declared}
    lines += [
        f"• environment {code(each.name)} for {name(each.framework)}, fingerprint {each.fingerprint[:10]}"
        for each in view.environments if each.name not in named
    ]
    lines += [_declared(each) for each in declared]
    reachable = not host.trouble and host.transport is not TransportName.LOCAL
    row = [Button(f"Look at {each.name} again", f"host verify {host.name} {each.name}") for each in declared if each.run.state.final]
    if not view.environments and not declared and reachable:
        lines.append(f"• no training environment yet: {code(f'host bootstrap {host.name}')} builds one")
        row = [Button("Build its environment", f"host bootstrap {host.name}")]
    text = "\n".join(lines)
    return text, fitting([section(text), *([actions(row)] if row else [])])


def _declared(view: DeclaredView) -> str:
    """A declared environment: where it lies, and whether it can be used."""
    at = f"{code(view.declared.python)}{f', code in {code(view.declared.code)}' if view.declared.code else ''}"
    said = f"declared environment {code(view.name)} for {name(view.declared.framework)} ({at})"
    usable = f"fingerprint {view.environment.fingerprint[:10]}" if view.environment else "not usable yet"
    if not view.run.state.final:
        return f"• {said}: {usable}, {code(view.run.id)} looks at it ({view.run.reason.in_words})"
    if view.run.state is State.SUCCEEDED:
        return f"• {said}: {usable}"
    last = "as it was found before; the last look failed" if view.environment else "not usable"
    return f"• ❌ {said}: {last}. {sentence(prose(view.run.detail or view.run.reason.in_words, 600))}"


def _head(view: HostView, now: datetime, zone: tzinfo) -> str:
    host = view.host
    drained = f"\n      • 🚧 {drained_in_words(host, now=now, zone=zone)}" if host.drained else ""
    cluster = "  Slurm cluster," if host.executor == "slurm" else " "
    if host.trouble:
        return f"🔴 *{name(host.name)}*  {sentence(prose(host.trouble.removeprefix(host.name).lstrip(' :'), 500))}{drained}"
    if host.seen_at is None:
        return f"⚪ *{name(host.name)}*{cluster} has not answered yet{drained}"
    if now - host.seen_at > SILENT_AFTER:
        seen = f"last seen {clock(host.seen_at, zone, near=now)}, {duration(now - host.seen_at)} ago"
        return f"🟡 *{name(host.name)}*{cluster} {seen}{drained}"
    return f"🟢 *{name(host.name)}*{cluster} answers{drained}"


def drained_in_words(host: Host, *, now: datetime, zone: tzinfo) -> str:
    """``drained by ada since 14:32 CET: nothing new starts there``."""
    by = f" by {person(host.drained_by)}" if host.drained_by else ""
    since = f" since {clock(host.drained_at, zone, near=now)}" if host.drained_at else ""
    return f"{name(host.name)} is drained{by}{since}: nothing new starts there (`host resume {host.name}` ends that)"


def _measures(view: HostView) -> list[str]:
    free, total = view.resources.get("disk_free_bytes"), view.resources.get("disk_total_bytes")
    lines = []
    if isinstance(free, int) and isinstance(total, int) and total:
        load, cpus = view.resources.get("load", 0), view.resources.get("cpus", 1)
        lines.append(f"• {size(free)} of {size(total)} disk free, load {load} on {cpus} CPUs")
    notes = view.resources.get("notes")
    return lines + [f"• {prose(str(note), 300)}" for note in (notes if isinstance(notes, list) else [])[:6]]
