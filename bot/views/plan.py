"""A training before it is asked for."""

from __future__ import annotations

from datetime import datetime, tzinfo

from bot.views.blocks import Button, Message, actions, fitting, section
from bot.views.words import clock, code, count, duration, name, naming, prose, sentence, size
from runner.service.foreseeing import Foreseen
from runner.service.plans import HostInPlan, Plan
from runner.service.room import OnHost

SHOWN_CLASSES = 12
SHOWN_HOSTS = 12


def plan_page(plan: Plan, line: str, *, now: datetime, zone: tzinfo) -> Message:
    """What would be trained, on what, where, when, at what cost; ``line`` is the command that does it."""
    spec, preset = plan.spec, plan.spec.preset
    dataset = f"{code(plan.version.reference)} ({name(plan.version.format)})"
    facts = [
        f"*Dataset* {dataset}: {count(plan.images, 'image')} to train on, {_classes(plan)}",
        f"*Steps* {count(plan.epochs, 'epoch')} of {count(plan.iterations, 'iteration')}, {_step(plan)}",
        f"*Learning rate* {prose(plan.rate.why)}",
        f"*Weights* from {prose(plan.start)}" if plan.start else "*Weights* as the config begins them",
        f"*Config* {code(preset.config)} of {name(preset.framework)}{', with its own code' if preset.code else ''}",
        *foreseen_lines(plan.foreseen, now=now, zone=zone),
        *(f"⚠️ {prose(note)}" for note in plan.notes),
    ]
    servers = [_host(each, plan.foreseen, now) for each in plan.hosts[:SHOWN_HOSTS]] or ["There is no server yet. `host add` adds one."]
    text = "\n".join([f"*{name(preset.name)} on {name(str(spec.dataset))}*, as {code(line)} would do it", *facts, "*Servers*", *servers])
    return text, fitting([section(text), actions([Button("Train it", line)])])


def _classes(plan: Plan) -> str:
    classes = list(plan.version.summary.classes)
    shown = ", ".join(name(each, 40) for each in classes[:SHOWN_CLASSES])
    more = f" and {len(classes) - SHOWN_CLASSES} more" if len(classes) > SHOWN_CLASSES else ""
    return f"{count(len(classes), 'class', 'classes')} ({shown}{more})"


def _step(plan: Plan) -> str:
    gpus, each = plan.spec.gpus, plan.images_a_step // max(1, plan.spec.gpus)
    return f"{plan.images_a_step} images a step ({gpus} GPUs with {each} each)" if gpus > 1 else f"{plan.images_a_step} images a step"


def foreseen_lines(foreseen: Foreseen, *, now: datetime, zone: tzinfo) -> list[str]:
    """Before anything is spent: where and when it would be, what it waits for, whom it would stop, and what memory it wants."""
    lines = [f"*When* {when(foreseen, now=now, zone=zone)}"]
    if foreseen.why:
        lines.append(f"*First* {naming(f'{sentence(foreseen.why)} {foreseen.goes_first}')}")
    if foreseen.preempts:
        lines.append(f"⚠️ It would stop {', '.join(map(code, foreseen.preempts))} after the next checkpoint: their priority is lower.")
    return [*lines, f"*Memory* {_memory(foreseen)}"]


def when(foreseen: Foreseen, *, now: datetime, zone: tzinfo) -> str:
    """Where it stands in the queue, when it starts and ends, and on which GPUs, in a sentence."""
    if foreseen.position is None:
        return "Nobody knows yet."
    gpus = ", ".join(str(gpu.index) for gpu in foreseen.gpus)
    kinds = ", ".join(sorted({name(gpu.name, 40) for gpu in foreseen.gpus}))
    hosts = " and ".join(map(name, (foreseen.host, *foreseen.further)))
    where = f" on {hosts}" + (f" (GPU {gpus}: {kinds})" if gpus else "") if foreseen.host else ""
    stands = f"Number {foreseen.position} of {foreseen.queued} in the queue"
    if foreseen.starts_at is None:
        return f"{stands}; when it starts, nobody knows."
    begins = "starts at once" if foreseen.starts_at <= now else f"starts about {clock(foreseen.starts_at, zone, near=now)}"
    ends = f"done about {clock(foreseen.ends_at, zone, near=now)}" if foreseen.ends_at else (
        "how long it takes is not known: no run of this model on this dataset has done three epochs yet"
    )
    return f"{stands}: {begins}{where}; {ends}."


def _memory(foreseen: Foreseen) -> str:
    if foreseen.memory_mib is None:
        return "of each GPU is not known: no such run was measured, so it gets GPUs that nobody else uses (`--mem 20G` asks for less)."
    said = "as asked" if foreseen.memory_asked else "as such runs took, and 15 % more"
    sizes = sorted({gpu.memory_mib for gpu in foreseen.gpus if gpu.memory_mib})
    of = f"; its GPUs have {sizes[0] / 1024:.0f} GiB" if sizes else ""
    return f"{foreseen.memory_mib / 1024:.1f} GiB of each GPU, {said}{of}."


def _host(host: HostInPlan, foreseen: Foreseen, now: datetime) -> str:
    if host.environment is None:
        return f"❌ {name(host.name)} {prose(host.why)}"
    disk = next((each for each in foreseen.disks if each.host == host.name), None)
    free = f"environment {code(host.environment)}, {host.free} of {count(host.devices, 'device')} free"
    full = disk is not None and not disk.fits
    why = f" {prose(host.why)}" if host.why else " has too little disk" if full else " could train it"
    return f"{'⏳' if host.why or full else '✅'} {name(host.name)}{why} ({free}){_disk(disk, now) if disk else ''}"


def _disk(disk: OnHost, now: datetime) -> str:
    need = disk.need
    parts = [f"{size(need.dataset_bytes)} of the dataset" if need.dataset_bytes else "the dataset is there"]
    each = need.checkpoint
    parts.append(
        f"{need.checkpoints} checkpoints of {size(each.size_bytes)}, {prose(each.why)}" if each.size_bytes
        else f"{count(need.checkpoints, 'checkpoint')} of unknown size: {prose(each.why)}"
    )
    at = f", said {duration(now - disk.free.at)} ago" if disk.free and disk.free.at else ""
    free = f"{size(disk.free.free_bytes)} free in {code(disk.folder)}{at}" if disk.free else "what is free there is not known"
    return f"\n      • disk: {size(need.size_bytes)} ({'; '.join(parts)}); {free}"
