"""A training before it is asked for."""

from __future__ import annotations

from bot.views.blocks import Button, Message, actions, fitting, section
from bot.views.words import code, count, name, prose
from runner.service.plans import HostInPlan, Plan

SHOWN_CLASSES = 12
SHOWN_HOSTS = 12


def plan_page(plan: Plan, line: str) -> Message:
    """What would be trained, on what, where, how long; ``line`` is the command that does it."""
    spec, preset = plan.spec, plan.spec.preset
    dataset = f"{code(plan.version.reference)} ({name(plan.version.format)})"
    facts = [
        f"*Dataset* {dataset}: {count(plan.images, 'image')} to train on, {_classes(plan)}",
        f"*Steps* {count(plan.epochs, 'epoch')} of {count(plan.iterations, 'iteration')}, {_step(plan)}",
        f"*Learning rate* {prose(plan.rate.why)}",
        f"*Weights* from {prose(plan.start)}" if plan.start else "*Weights* as the config begins them",
        f"*Config* {code(preset.config)} of {name(preset.framework)}{', with its own code' if preset.code else ''}",
        *(f"⚠️ {prose(note)}" for note in plan.notes),
    ]
    servers = [_host(each) for each in plan.hosts[:SHOWN_HOSTS]] or ["There is no server yet. `host add` adds one."]
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


def _host(host: HostInPlan) -> str:
    if host.environment is None:
        return f"❌ {name(host.name)} {prose(host.why)}"
    free = f"environment {code(host.environment)}, {host.free} of {count(host.devices, 'device')} free"
    if host.why:
        return f"⏳ {name(host.name)} {prose(host.why)} ({free})"
    return f"✅ {name(host.name)} can start it now ({free})"
