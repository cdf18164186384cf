"""What people may train: presets that come along, those of the extension folders, and those that people added."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError
from sqlite_utils import Database

from recipes.catalog.keeping import keep, release
from recipes.errors import DocumentError
from recipes.yaml_lines import parse_yaml
from runner.entities import Environment, StoredPreset
from runner.environments import advice
from runner.errors import RequestError
from runner.frameworks import find_framework
from runner.preset_code import PresetCode, read_code
from runner.presets import load_presets, preset_named
from runner.service.house import House, Requester
from runner.settings import Role, is_private
from runner.specs import Kind, ModelSpec, Preset, TrainSpec
from runner.start_checkpoints import path_here, require_start, start_checkpoints, start_in_words
from runner.store import events, hosts, presets, runs

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_NUMBERS = ("epochs", "batch", "lr")
"""What a preset cannot do without, beside its config."""


@dataclass(frozen=True, slots=True)
class NewPreset:
    """What somebody wants to add. None and empty: as the preset that it is ``like`` has it, else the usual.

    ``config`` and ``code`` are a file and a folder of this machine (runner.preset_code); ``options`` are ``key=value``, the value as YAML.
    """

    name: str
    config: str | None = None
    code: str | None = None
    like: str | None = None
    imports: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    changed: Mapping[str, object] = field(default_factory=dict)
    """Other keys of a preset: framework, environment, start, description, epochs, batch, lr, eval_every, gpus."""


@dataclass(frozen=True, slots=True)
class HostForPreset:
    """Whether a host has the environment that a preset needs, and which; else how it comes to one, as a sentence."""

    host: str
    environment: str | None
    advice: str


@dataclass(frozen=True, slots=True)
class PresetView:
    """A preset as lists show it: what each server can do with it, where its start checkpoint is (in words; empty where it has none),
    and its versions where somebody added it."""

    preset: Preset
    hosts: Sequence[HostForPreset]
    start: str
    versions: Sequence[StoredPreset]


@dataclass(frozen=True, slots=True)
class AddedPreset:
    """A preset that was added, and what of its folder stayed behind."""

    stored: StoredPreset
    left_out: Sequence[str]


def all_presets(house: House) -> Mapping[str, Preset]:
    """Every preset by name. One that comes along goes before one that somebody added under its name earlier."""
    own = {stored.preset.name: stored.preset for stored in presets.newest(house.store.reading())}
    return dict(sorted({**own, **load_presets(house.settings.extensions)}.items()))


def find(house: House, name: str) -> Preset:
    """The preset of that name; RequestError with the nearest names."""
    return preset_named(name, all_presets(house))


def add(house: House, who: Requester, new: NewPreset) -> AddedPreset:
    """Keep a preset with its own code; the same again changes nothing, another of its name becomes the next version.

    RequestError, or recipes.errors.DatasetError with every defect of its files.
    """
    who.must_be(Role.OPERATOR, "add presets")
    require_free_name(house, new.name)
    _require_public(house, new)
    base = find(house, new.like) if new.like else None
    code = read_code(new.config, new.code) if new.config else _code_like(base, new)
    values = _values(new, base, code)
    _require_numbers(new, values)
    made = _preset({**values, "code": {}}, new.name)
    _require_trains(house, made)
    if made.start is not None:
        require_start(made.start, house.catalog)
    kept = keep(house.catalog, code.texts.values())
    own = {path: file.digest for path, file in zip(code.texts, kept, strict=True)}
    inherited = dict(base.code) if base and not new.code else {}
    made = made.model_copy(update={"code": {**inherited, **own}})
    with house.store.writing() as db:
        return AddedPreset(keep_preset(db, made, who.person, now=house.now()), code.left_out)


def keep_preset(db: Database, preset: Preset, by: str, *, now: datetime) -> StoredPreset:
    """Keep a preset as the next version of its name, in the caller's transaction; where the newest is the same, that one.

    Whatever its code and its start name by digest has to be kept in the catalog (recipes.catalog.keeping) before.
    """
    newest = next(iter(presets.versions(db, preset.name)), None)
    if newest is not None and newest.preset == preset:
        return newest
    stored = presets.put(db, preset, by=by, now=now)
    events.record(db, "audit", at=now, actor=by, payload={"preset added": preset.name, "version": stored.version})
    return stored


def require_free_name(house: House, name: str) -> None:
    """RequestError where a preset that people add cannot be called so."""
    if not _NAME.fullmatch(name):
        raise RequestError(f"{name!r} cannot name a preset: lower-case letters, digits, dot, dash and underscore, at most 63.")
    if name in load_presets(house.settings.extensions):
        raise RequestError(f"{name} is a preset that comes with this installation; give yours another name.")


def removable(house: House, who: Requester, name: str) -> Sequence[StoredPreset]:
    """The versions of a preset that this person may remove; RequestError for one that comes with the installation."""
    who.must_be(Role.OPERATOR, "remove presets")
    if name in load_presets(house.settings.extensions):
        raise RequestError(f"{name} comes with this installation and stays; only presets that people added can be removed.")
    versions = presets.versions(house.store.reading(), name)
    if not versions:
        find(house, name)
    return versions


def remove(house: House, who: Requester, name: str) -> Sequence[StoredPreset]:
    """Forget a preset that somebody added, with all its versions, which are returned. Runs that froze it keep it."""
    with house.store.writing() as db:
        versions = removable(house, who, name)
        presets.remove(db, name, now=house.now())
        events.record(db, "audit", at=house.now(), actor=who.person, payload={"preset removed": name, "versions": len(versions)})
        needed = [*all_presets(house).values(), *(run.spec.preset for run in runs.live(db) if isinstance(run.spec, TrainSpec | ModelSpec))]
    _release_starts(house, [each.preset for each in versions], needed)
    return versions


def _release_starts(house: House, gone: Sequence[Preset], needed: Sequence[Preset]) -> None:
    """Start checkpoints that nothing needs any more are left to the next sweep; code stays, for whoever resumes a run of it."""
    known = start_checkpoints(house)
    theirs, others = ({digest for each in some if each.start for digest in known.digests(each.start)} for some in (gone, needed))
    release(house.catalog, theirs - others)


def preset_views(house: House) -> list[PresetView]:
    """Every preset as lists show it, by name."""
    with house.store.snapshot() as db:
        servers = [host.name for host in hosts.all_hosts(db) if host.name != "local"]
        environments = hosts.environments(db)
    return [_view(house, preset, servers, environments) for preset in all_presets(house).values()]


def preset_view(house: House, name: str) -> PresetView:
    """One preset; RequestError with the nearest names."""
    find(house, name)
    return next(view for view in preset_views(house) if view.preset.name == name)


def _view(house: House, preset: Preset, servers: Sequence[str], environments: Sequence[Environment]) -> PresetView:
    fitting = [each for each in environments if each.framework == preset.framework and preset.environment in (None, each.name)]
    there = {each.host: each.name for each in reversed(fitting)}
    start = start_in_words(preset.start, start_checkpoints(house)) if preset.start else ""
    found = [HostForPreset(host, there.get(host), advice(preset.framework, host)) for host in servers]
    return PresetView(preset, found, start, presets.versions(house.store.reading(), preset.name))


def _require_public(house: House, new: NewPreset) -> None:
    """RequestError where a file that would travel to servers is one of this installation's own, or beside them."""
    start = str(new.changed.get("start") or "")
    named = [new.config, new.code, path_here(start) if start.lower().startswith("file:") else None]
    private = [path for path in named if path and Path(path).expanduser().exists() and is_private(house.settings, Path(path))]
    if private:
        raise RequestError(f"{' and '.join(private)} holds keys, or Signalbox's own settings or state, which do not travel.")


def _code_like(base: Preset | None, new: NewPreset) -> PresetCode:
    """The config of the preset that it is like, with other code where there is some."""
    if base is None:
        raise RequestError(f"What should {new.name} train? Give --config FILE, or --like PRESET to change one that there is.")
    if new.code is None:
        return PresetCode(base.config)
    code = read_code(str(Path(new.code) / base.config) if base.config in base.code else base.config, new.code)
    return PresetCode(base.config, code.texts, code.imports, code.left_out)


def _values(new: NewPreset, base: Preset | None, code: PresetCode) -> dict[str, object]:
    values: dict[str, object] = base.model_dump() if base else {"framework": "mmdet"}
    another = base is None or code.config != base.config
    if another:  # what describes and changes one config says nothing of the next
        values |= {"description": code.config + (f", otherwise as {base.name}" if base else ""), "options": {}}
    options = {**(base.options if base and not another else {}), **_options(new.options)}
    values |= {key: value for key, value in new.changed.items() if value is not None}
    imports = new.imports or code.imports or (base.imports if base else ())
    return {**values, "name": new.name, "config": code.config, "imports": imports, "options": options}


def _require_numbers(new: NewPreset, values: Mapping[str, object]) -> None:
    lacking = [f"--{key}" for key in _NUMBERS if values.get(key) is None]
    if lacking:
        raise RequestError(
            f"The preset {new.name} needs {', '.join(lacking)} too: the epochs, images a GPU and learning rate that its config is for "
            "(or --like PRESET, to take what is not given from that one)."
        )


def _require_trains(house: House, preset: Preset) -> None:
    framework = find_framework(preset.framework, house.settings.extensions)
    if Kind.TRAIN not in framework.kinds:
        raise RequestError(f"{preset.framework} cannot train.")


def _options(given: Sequence[str]) -> dict[str, object]:
    """``key=value`` pairs, a value as YAML reads it (``[1, 2]``, ``true``, ``0.1``)."""
    options: dict[str, object] = {}
    for pair in given:
        key, equals, text = pair.partition("=")
        if not equals or not key:
            raise RequestError(f"{pair!r} is no option of the config; write key=value, as in model.backbone.depth=18.")
        try:
            options[key] = parse_yaml(text, file=key).data
        except DocumentError as error:
            raise RequestError(f"The value of {key} cannot be read as YAML: {text!r}.") from error
    return options


def _preset(values: Mapping[str, object], name: str) -> Preset:
    try:
        return Preset.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors(include_url=False)[:5])
        raise RequestError(f"{name} cannot be a preset: {wrong}.") from error
