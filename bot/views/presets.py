"""The presets: a list with what each server can run, and one of them in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from itertools import groupby

from bot.answer import Block
from bot.views.blocks import Button, Message, actions, fitting, section
from bot.views.words import clock, code, count, name, number, person, prose
from runner.entities import StoredPreset
from runner.service.presets import AddedPreset, HostForPreset, PresetView

SHOWN = 60
SHOWN_FILES = 12
LINES_A_BLOCK = 10


def preset_list(presets: Sequence[PresetView]) -> Message:
    """Every preset with its description, under what it takes to run it: a framework's environment, and the servers that have that."""
    heading = f"*{count(len(presets), 'preset')}*  ·  `presets show NAME` tells all about one"
    groups: list[tuple[str, list[str]]] = []
    ordered = sorted(presets, key=lambda view: (view.preset.framework, view.preset.environment or "", view.preset.name))
    for (framework, environment), views in groupby(ordered[:SHOWN], key=lambda view: (view.preset.framework, view.preset.environment)):
        members = list(views)
        named = f" ({name(environment)})" if environment else ""
        groups.append((f"*{name(framework)}*{named}  {_servers(members[0].hosts)}", [_line(view) for view in members]))
    more = [f"… and {len(presets) - SHOWN} more"] if len(presets) > SHOWN else []
    blocks: list[Block] = [section(heading)]
    for title, lines in groups:
        whole = [title, *lines]
        blocks += [section("\n".join(whole[at : at + LINES_A_BLOCK])) for at in range(0, len(whole), LINES_A_BLOCK)]
    text = "\n".join([heading, *("\n".join([title, *lines]) for title, lines in groups), *more])
    return text, fitting([*blocks, *(section(line) for line in more)])


def preset_page(view: PresetView, *, zone: tzinfo) -> Message:
    """A preset with its defaults, its own code, where its weights begin, and the servers that can train it."""
    preset = view.preset
    version = view.versions[0] if view.versions else None
    facts = [
        f"framework {code(preset.framework)}, config {code(preset.config)}{' of its own code' if preset.config in preset.code else ''}",
        f"{count(preset.epochs, 'epoch')}, batch {preset.batch}, learning rate {number(preset.lr)}"
        f"{_reference(preset.batch, preset.gpus)}, evaluated every {count(preset.eval_every, 'epoch')}, seed {preset.seed}",
        f"environment {code(preset.environment)}" if preset.environment else "",
        f"starts from {prose(view.start)}" if view.start else "starts from random weights, or from those its config names",
        _code_line(view),
        _added(version, len(view.versions), zone) if version else "",
        _options(preset.options) if version else "",
    ]
    lines = "\n".join(f"• {fact}" for fact in facts if fact)
    verb = "finetune" if preset.start else "run"
    begin = f"{code(f'{verb} {preset.name} on <dataset>')} trains it, {code(f'plan {preset.name} on <dataset>')} says what that would be."
    text = f"*{preset.name}*\n{prose(preset.description, 1000)}\n{lines}\n{_where(view.hosts)}\n{begin}"
    row = [Button("Remove", f"presets remove {preset.name}", "danger")] if version else []
    return text, fitting([section(text), *([actions(row)] if row else [])])


def added(new: AddedPreset) -> Message:
    """What was taken of a new preset, and what stayed behind."""
    preset = new.stored.preset
    again = f", version {new.stored.version}" if new.stored.version > 1 else ""
    own = "its own config" if preset.config in preset.code else f"{code(preset.config)} of {name(preset.framework)}'s collection"
    lines = [f"{code(preset.name)} is added{again}: {own}."]
    if preset.code:
        modules = f"; before the config is built, {_listed(preset.imports)} is imported" if preset.imports else ""
        lines.append(f"{count(len(preset.code), 'file')} travel with every run of it{modules}.")
    if new.left_out:
        lines.append(f"Left behind: {_listed(new.left_out)}.")
    begin = code(f"run {preset.name} on <dataset>")
    lines.append(f"Whether its config is right is found out on a server, when a run of it is prepared: {begin}.")
    text = "\n".join(lines)
    return text, [section(text), actions([Button("Show it", f"presets show {preset.name}")])]


def _line(view: PresetView) -> str:
    preset = view.preset
    start = ", from a start checkpoint" if preset.start else ""
    own = f"  by {person(view.versions[0].made_by)}" if view.versions else ""
    return f"`{preset.name}`  {name(preset.description, 200)} ({count(preset.epochs, 'epoch')}{start}){own}"


def _servers(hosts: Sequence[HostForPreset]) -> str:
    """``on gpu-1 and gpu-2 · not yet on gpu-3``, with the way there where it is on none."""
    there, lacking = [each for each in hosts if each.environment], [each for each in hosts if not each.environment]
    if not hosts:
        return "there is no server yet"
    if not there:
        return f"on no server yet: {prose(lacking[0].advice)}"
    missing = f" · not on {_listed([each.host for each in lacking])}" if lacking else ""
    return f"on {_listed([each.host for each in there])}{missing}"


def _where(hosts: Sequence[HostForPreset]) -> str:
    if not hosts:
        return "There is no server yet."
    return "\n".join(
        f"✅ {name(each.host)}, environment {code(each.environment)}" if each.environment
        else f"❌ {name(each.host)} has no environment for it. {prose(each.advice)}"
        for each in hosts
    )


def _reference(batch: int, gpus: int) -> str:
    return f" (for {batch * gpus} images a step)" if gpus > 1 else ""


def _options(options: Mapping[str, object]) -> str:
    shown = ", ".join(code(f"{key}={value}", 60) for key, value in [*options.items()][:SHOWN_FILES])
    more = f" and {len(options) - SHOWN_FILES} more" if len(options) > SHOWN_FILES else ""
    return f"options {shown}{more}" if options else ""


def _code_line(view: PresetView) -> str:
    preset = view.preset
    if not preset.code:
        return ""
    imported = f", imports {_listed(preset.imports)}" if preset.imports else ""
    return f"own code: {_listed(sorted(preset.code))}{imported}"


def _added(version: StoredPreset, versions: int, zone: tzinfo) -> str:
    older = f", {count(versions - 1, 'older version')}" if versions > 1 else ""
    return f"version {version.version}, added by {person(version.made_by)} on {clock(version.made_at, zone)}{older}"


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(code(each) for each in names[:SHOWN_FILES])
    return f"{shown} and {len(names) - SHOWN_FILES} more" if len(names) > SHOWN_FILES else shown
