"""What a form's fields can be, what was said of them last, and the line that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import click

from bot import names
from bot.form_table import Form
from bot.grammar import parsed
from bot.loose_forms import holds_a_line
from bot.typed_text import as_meant, split_like_a_shell
from bot.verb import CommandError
from bot.views.alerts import alert_title
from bot.views.blocks import quoted
from recipes.recipe import library
from runner.service import alerts, hosts, presets, requests, views
from runner.service.house import House
from runner.service.imports import readable_formats
from runner.specs import TrainSpec

MOST_CHOICES = 100
_LOOKED_AT_RUNS = 300
Choices = Sequence[tuple[str, str]]
"""Values, each with what people read."""


def values_in(form: Form, line: str) -> Mapping[str, str]:
    """What a line says of a form's fields, as it was typed; empty for a line that says nothing, or that nobody understands now."""
    try:
        arguments = list(parsed(split_like_a_shell(line)).arguments)[len(form.path.split()) - 1 :]
        with click.Context(form.command, resilient_parsing=True) as context:
            found, _, _ = form.command.make_parser(context).parse_args(args=arguments)
    except (CommandError, click.UsageError):
        return {}
    said = {name: list(value) if isinstance(value, tuple | list) else [value] for name, value in found.items()}
    words = {name: [each for each in said.get(name, ()) if isinstance(each, str)] for name in form.fields}  # click marks what is unset
    return {name: each[0] if len(each) == 1 else quoted(each) for name, each in words.items() if each}


def usual_values(house: House, person: str, form: Form) -> Mapping[str, str]:
    """What the person said the last time."""
    last = requests.last_line(house, person, form.path)
    return values_in(form, as_meant(last)) if last else {}


def line_of(form: Form, values: Mapping[str, str]) -> str:
    """The command line that the values make; empty ones are left out."""
    words = form.path.split()
    options_last = not holds_a_line(form.command)
    for param in sorted(form.parameters, key=lambda each: isinstance(each, click.Option) is options_last):
        value = as_meant(values.get(param.name or "", "")).strip()
        if not value:
            continue
        is_many = (isinstance(param, click.Option) and param.multiple) or param.nargs == -1
        parts = split_like_a_shell(value) if is_many and param.type is not click.UNPROCESSED else [value]
        words += ["on"] if (param.metavar or "").startswith("on ") else []
        words += [word for part in parts for word in ((param.opts[0], part) if isinstance(param, click.Option) else (part,))]
    return quoted(words)


def choices(house: House, param: click.Parameter) -> Choices | None:
    """What a parameter can be, the likeliest first; None where it is typed."""
    if isinstance(param.type, click.Choice):
        return [(str(each), str(each)) for each in param.type.choices]
    offered = _BY_CALLBACK.get(param.callback) if param.callback is not None else _BY_NAME.get(param.name or "")
    return offered(house)[:MOST_CHOICES] if offered else None


def _presets(house: House) -> Choices:
    return [(preset.name, f"{preset.name}: {preset.description}") for preset in presets.all_presets(house).values()]


def _datasets(house: House) -> Choices:
    catalog = house.catalog
    newest = [(name, f"{name} (the newest)") for name in catalog.names()]
    versions = [f"{name}@{number}" for name in catalog.names() for number in reversed(catalog.numbers(name))]
    return [*newest, *((version, version) for version in versions)]


def _recipes(_house: House) -> Choices:
    return [(name, name) for name in library()]


def _hosts(house: House) -> Choices:
    return [(name, name) for name in hosts.names(house) if name != "local"]


def _trainings(house: House) -> Choices:
    found = [run for run in views.newest_runs(house, limit=_LOOKED_AT_RUNS) if isinstance(run.spec, TrainSpec) and run.host]
    return [(run.id, f"{run.id}: {run.spec.preset.name} on {run.spec.dataset}") for run in found if isinstance(run.spec, TrainSpec)]


def _models(house: House) -> Choices:
    starts = [(name, f"{name} (its start checkpoint)") for name, preset in presets.all_presets(house).items() if preset.start]
    return [*_trainings(house), *starts]


def _formats(_house: House) -> Choices:
    return [(name, words[:1].upper() + words[1:]) for name, words in readable_formats().items()]


def _mutable(house: House) -> Choices:
    fires = [(each.short, f"{each.short}: {alert_title(each)}") for each in alerts.listed(house)]
    rules = [(name, f"All of {name}") for name in alerts.rules(house)]
    return [*fires, *((f"host={name}", f"All of {name}") for name, _ in _hosts(house)), *rules]


_BY_CALLBACK: Mapping[Callable[..., object], Callable[[House], Choices]] = {
    names.known_preset: _presets, names.known_dataset: _datasets, names.known_recipe: _recipes, names.known_place: _hosts,
    names.known_run: _trainings, names.known_model: _models, names.known_runs: _trainings,
}
_BY_NAME: Mapping[str, Callable[[House], Choices]] = {"format_name": _formats, "what": _mutable}
