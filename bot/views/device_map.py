"""The devices of a host, one line each: who has it, for what, since when and until when; locks, other people's programs, what is broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime, tzinfo

from bot.views.run_card import share_done
from bot.views.runs_in_words import title
from bot.views.words import bar, clock, count, name, person, prose
from runner.entities import Gpu, Lease
from runner.queueing.facts import CPU, Lock
from runner.service.hosts import HostView
from runner.service.views import RunView

SHOWN_DEVICES = 16
_INDENT = "      "
_EACH = f"{_INDENT}• "
"""Slack may swallow blanks at the beginning of a line."""
_HOT_C = 87
"""From about there data-centre GPUs slow down (their slowdown temperatures lie at 87 to 95 °C)."""
_SLIGHT_MIB = 512
"""What a display or the driver itself may hold: not worth a word where no program is named."""


def device_lines(view: HostView, live: Mapping[str, RunView], *, now: datetime, zone: tzinfo) -> list[str]:
    """The map of one host. ``live`` are the runs that have not ended, by id."""
    if not view.gpus:
        return [f"{_INDENT}what it has is not known yet", *_locks(view, None, now, zone), *_elsewhere(view, live, (), now, zone)]
    if view.gpus[0].uuid.startswith(CPU):
        return _slots(view, live, now, zone)
    mixed = len({gpu.name for gpu in view.gpus}) > 1
    lines = [_kinds(view), *_locks(view, None, now, zone)]
    shown = view.gpus[:SHOWN_DEVICES]
    lines += [_line(view, gpu, live, mixed, now, zone) for gpu in shown]
    more = [f"{_INDENT}… and {len(view.gpus) - len(shown)} more"] if len(view.gpus) > len(shown) else []
    return [*lines, *more, *_elsewhere(view, live, [gpu.uuid for gpu in shown], now, zone)]


def _kinds(view: HostView) -> str:
    kinds = Counter(gpu.name for gpu in view.gpus)
    driver = str(view.resources.get("driver") or "")
    said = ", ".join(f"{number} × {name(kind, 40)}" for kind, number in kinds.most_common(4))
    return f"{_INDENT}{said}{f', driver {name(driver, 20)}' if driver else ''}"


def _line(view: HostView, gpu: Gpu, live: Mapping[str, RunView], mixed: bool, now: datetime, zone: tzinfo) -> str:
    kind = f" {name(gpu.name, 40)}" if mixed else ""
    # A cluster says the node, and no memory.
    where = f"{gpu.used_mib / 1024:.0f} of {gpu.memory_mib / 1024:.0f} GiB" if gpu.memory_mib else name(gpu.uuid, 60)
    lease = next((lease for lease in view.leases if lease.device == gpu.uuid), None)
    parts = [f"❌ {prose(gpu.broken, 200)}"] if gpu.broken else []
    parts += [_use(view, lease, live, now, zone)] if lease else []
    parts += _foreign(gpu, held=lease is not None)
    parts += _locks(view, gpu.uuid, now, zone)
    return f"{_EACH}GPU {gpu.index}{kind}, {where}{_condition(gpu)}: {'; '.join(parts) or '*free*'}"


def _condition(gpu: Gpu) -> str:
    """How busy and how warm it is, where it says so; hot is marked."""
    busy = f", {gpu.utilization_percent} %" if gpu.utilization_percent is not None else ""
    warm = f", {gpu.temperature_c} °C{' 🔥' if gpu.temperature_c >= _HOT_C else ''}" if gpu.temperature_c is not None else ""
    return busy + warm


def _slots(view: HostView, live: Mapping[str, RunView], now: datetime, zone: tzinfo) -> list[str]:
    used = _elsewhere(view, live, (), now, zone)
    locked = [f"{_EACH}slot {slot.index}: {said}" for slot in view.gpus for said in _locks(view, slot.uuid, now, zone)]
    free = f"{_EACH}{count(view.devices - len(view.leases), 'free CPU slot')} of {view.devices}"
    return [free, *_locks(view, None, now, zone), *used, *locked]


def _elsewhere(view: HostView, live: Mapping[str, RunView], shown: Collection[str], now: datetime, zone: tzinfo) -> list[str]:
    """The runs on devices that have no line of their own, or that the host does not name now."""
    runs = {lease.run_id: lease for lease in view.leases if lease.device not in shown}
    return [f"{_EACH}{_use(view, runs[run_id], live, now, zone)}" for run_id in sorted(runs)]


def _use(view: HostView, lease: Lease, live: Mapping[str, RunView], now: datetime, zone: tzinfo) -> str:
    run, until = live.get(lease.run_id), view.until.get(lease.run_id)
    what = f"`{lease.run_id}`"
    if run is not None:
        share = share_done(run)
        what += f" {title(run.run)}, {person(run.run.owner)}{f'  {bar(share, 8)} {share:.0%}' if share is not None else ''}"
    if run is not None and run.run.waits_in_slurm:  # which devices it gets, nobody knows yet
        return f"{what}, waits in Slurm's own queue since {clock(lease.since, zone, near=now)}"
    ends = f" until about {clock(until, zone, near=now)}" if until and until > now else ""
    return f"{what}, since {clock(lease.since, zone, near=now)}{ends}"


def _foreign(gpu: Gpu, *, held: bool) -> list[str]:
    """Other people's programs by user; where the driver names none, what is used though no run of ours holds the device."""
    if gpu.foreign is not None:
        return [f"{name(user, 40)}'s own programs {used_mib / 1024:.1f} GiB" for user, used_mib in gpu.foreign[:4]]
    return ["somebody's programs"] if gpu.used_mib > _SLIGHT_MIB and not held else []


def _locks(view: HostView, device: str | None, now: datetime, zone: tzinfo) -> list[str]:
    return [
        f"{_EACH if device is None else ''}🔒 locked by {_by_whom(lock, now, zone)}" for lock in view.locks if lock.device == device
    ]


def lock_in_words(lock: Lock, *, now: datetime, zone: tzinfo) -> str:
    """``🔒 gpu-1:2 is locked by ada until 17:32 CET (debugging).``"""
    return f"🔒 {name(lock.place)} is locked by {_by_whom(lock, now, zone)}."


def _by_whom(lock: Lock, now: datetime, zone: tzinfo) -> str:
    reason = f" ({prose(lock.reason, 100)})" if lock.reason else ""
    return f"{person(lock.owner)} until {clock(lock.until, zone, near=now)}{reason}"
