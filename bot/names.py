"""Checks of names as click's callbacks: a name that does not exist is refused with the nearest one that does."""

from __future__ import annotations

import math
import re
from datetime import timedelta

import click

from bot.verb import Asking, CommandError, UnknownNameError, nearest
from runner.errors import RequestError
from runner.service import hosts, presets, runs, views


def asking_of(context: click.Context) -> Asking:
    """Who asks, in a callback."""
    found = context.find_object(Asking)
    if found is None:
        raise TypeError("a command was parsed without somebody who asks")
    return found


def known_run(context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The id of a run, with or without its ``r-``."""
    if value is None:
        return None
    house = asking_of(context).house
    try:
        return runs.find(house, value).id
    except RequestError:
        raise UnknownNameError(
            "run", value, [run.id for run in views.newest_runs(house, limit=100)], none_yet="Nothing has run yet."
        ) from None


def known_preset(context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The name of a preset."""
    known = presets.all_presets(asking_of(context).house)
    if value is None or value in known:
        return value
    raise UnknownNameError("preset", value, known)


def known_model(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """The name of a preset, or the id of a run."""
    if value is None or value in presets.all_presets(asking_of(context).house):
        return value
    try:
        return known_run(context, param, value)
    except UnknownNameError:
        return known_preset(context, param, value) if nearest(value, presets.all_presets(asking_of(context).house)) else _no_model(value)


def _no_model(value: str) -> str:
    raise CommandError(f"There is no run and no preset {value!r}. `ps` lists the runs, `presets` the presets.")


def known_dataset(context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A dataset, ``fish``, or one version of it, ``fish@2``."""
    if value is None:
        return None
    house = asking_of(context).house
    name, at, number = value.partition("@")
    if name not in house.catalog.names():
        error = UnknownNameError("dataset", name, house.catalog.names(), none_yet="Upload a zip to the channel to add the first.")
        error.typed, error.meant = value, f"{error.meant}{at}{number}" if error.meant else ""
        raise error
    if at and number not in map(str, house.catalog.numbers(name)):  # manifests of large datasets are long: none is read for this
        raise UnknownNameError("version", value, [f"{name}@{known}" for known in house.catalog.numbers(name)])
    return value


def known_recipe(_context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """A recipe of the library, or ``FROM:TO``; never a path, for what is typed in a chat must not open files here."""
    from recipes.recipe import library

    if value is None or value in library() or (":" in value and "/" not in value and not value.endswith((".yaml", ".yml"))):
        return value
    raise UnknownNameError("recipe", value, library())


def known_host(context: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """The name of a host."""
    known = hosts.names(asking_of(context).house)
    if value is None or value in known:
        return value
    raise UnknownNameError("host", value, known, none_yet="`host add` adds one.")


def known_place(context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """A host, ``gpu-1``, some of its devices, ``gpu-1:2,3``, or several hosts, ``gpu-1,gpu-2``; whether they have what is named is said
    where that is looked up."""
    if value is None:
        return None
    if "," in value.partition(":")[0]:
        return ",".join(str(known_host(context, param, name.strip())) for name in value.split(","))
    name, colon, numbers = value.partition(":")
    try:
        known_host(context, param, name)
    except UnknownNameError as error:
        error.typed, error.meant = value, f"{error.meant}{colon}{numbers}" if error.meant else ""
        raise
    return value


def assignments(_context: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """``VAR=value`` pairs."""
    for pair in value:
        if not pair.partition("=")[1]:
            raise click.BadParameter(f"{pair!r} sets nothing; write {param.opts[0]} VAR=value", param=param)
    return dict(pair.split("=", 1) for pair in value)


_SPAN = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>m|min|h|d)")
_SPANS_S = {"m": 60.0, "min": 60.0, "h": 3600.0, "d": 86_400.0}
_MEMORY = re.compile(r"(?P<number>\d{1,6}(?:\.\d{1,3})?)(?P<unit>[MG])(?:i?B)?", re.IGNORECASE)


def span(_context: click.Context, param: click.Parameter, value: str | None) -> timedelta | None:
    """``45m``, ``12h``, ``2d``."""
    match = _SPAN.fullmatch(value.strip().lower()) if value else None
    if value and (match is None or not float(match["number"])):
        raise click.BadParameter(f"{value!r} is no length of time; write 45m, 12h or 2d", param=param)
    return timedelta(seconds=float(match["number"]) * _SPANS_S[match["unit"]]) if match else None


def memory(_context: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """``20G``, ``800M``: in MiB."""
    match = _MEMORY.fullmatch(value.strip()) if value else None
    mib = round(float(match["number"]) * (1024 if match["unit"].upper() == "G" else 1)) if match else 0
    if value and not mib:
        raise click.BadParameter(f"{value!r} is no amount of memory; write 20G or 800M", param=param)
    return mib or None


def known_runs(context: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """The ids of several runs."""
    return tuple(found for value in values if (found := known_run(context, param, value)))


def finite(_context: click.Context, param: click.Parameter, value: float | None) -> float | None:
    """A number that is one."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no number to train with", param=param)
    return value
