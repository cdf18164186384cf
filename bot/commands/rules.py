"""The rules that alerts are made by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypedDict, Unpack

import click

from bot.answer import Answer
from bot.names import assignments
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import Button
from bot.views.question import question
from bot.views.rules import rule_list, rule_page
from bot.views.words import code
from runner.alerts.conditions import CONDITIONS
from runner.alerts.matching import span
from runner.alerts.rules import RuleChange, RuleError
from runner.service import alert_rules as service


@click.group("rules", help="What alerts are made by: how sharply is looked, and what people are told.", invoke_without_command=True)
@click.pass_context
def rules(context: click.Context) -> Answer | None:
    if context.invoked_subcommand:
        return None
    asking: Asking = context.obj
    text, blocks = rule_list(service.every_rule(asking.house))
    return Answer(text, tuple(blocks))


@rules.command("show", help="What a rule looks for, what it means and what to do.")
@click.argument("name")
@click.pass_obj
def show(asking: Asking, name: str) -> Answer:
    text, blocks = rule_page(service.find(asking.house, name.lower()), zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


def _numbers(context: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, float]:
    found = {}
    for key, said in assignments(context, param, value).items():
        try:
            found[key] = float(said)
        except ValueError:
            raise click.BadParameter(f"{said!r} is no number; write {param.opts[0]} minutes=8", param=param) from None
    return found


def _span(_context: click.Context, param: click.Parameter, value: str | None) -> str | None:
    try:
        return value if value is None or span(value) is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error), param=param) from None


class _Said(TypedDict):
    """What was said of a rule, None where nothing was."""

    when: str | None
    for_: str | None
    severity: str | None
    means: str | None
    do: str | None


@rules.command("set", help="Change a rule, or make one of your own; for everybody, until it is reset.")
@click.argument("name")
@click.option("--when", type=click.Choice(sorted(CONDITIONS)), metavar="CONDITION", show_default="as it is", help="what is looked for")
@click.option("--with", "numbers", metavar="NAME=NUMBER", multiple=True, callback=_numbers, help="a number of the condition: `minutes=8`")
@click.option("--for", "for_", metavar="5m", callback=_span, show_default="as it is", help="how long it has to hold: 30s, 5m, 4h")
@click.option("--severity", type=click.Choice(["info", "warning", "critical"]), show_default="as it is", help="how bad it is")
@click.option("--state", type=click.Choice(["on", "off"]), show_default="as it is", help="whether it is looked for at all")
@click.option("--means", metavar="TEXT", show_default="as it is", help="what people are told of it")
@click.option("--do", metavar="TEXT", show_default="as it is", help="what they are told to do")
@click.pass_context
def change(context: click.Context, name: str, *, numbers: Mapping[str, float], state: str | None, **said: Unpack[_Said]) -> Answer:
    asking: Asking = context.obj
    wanted = {key.rstrip("_"): value for key, value in said.items() if value is not None} | {"with": dict(numbers)}
    wanted |= {"on": state == "on"} if state else {}
    try:
        before, _ = service.change(asking.house, asking.who, name.lower(), RuleChange.model_validate(wanted))
    except RuleError as error:
        params = {param.name: param for param in context.command.params}
        raise click.BadParameter(str(error), param=params["numbers" if error.key == "with" else error.key]) from None
    text, blocks = rule_page(service.find(asking.house, name.lower()), before=before, zone=asking.house.settings.time_zone)
    return Answer(text, tuple(blocks))


@rules.command("reset", help="Forget what people changed of a rule.")
@click.argument("name")
@click.option("--yes", is_flag=True, help="forget it without asking first")
@click.pass_obj
def reset(asking: Asking, name: str, *, yes: bool) -> Answer:
    if yes:
        left = service.reset(asking.house, asking.who, name.lower())
        return Answer(f"{code(name.lower())} is as the settings have it again." if left else f"{code(name.lower())} is no rule any more.")
    shown = service.resettable(asking.house, asking.who, name.lower())
    page, _ = rule_page(shown, zone=asking.house.settings.time_zone)
    asked = f"Forget what was changed of {code(shown.rule.name)}? What is lost:\n{page}"
    keep = Button("Keep it", f"rules show {shown.rule.name}")
    text, blocks = question(asked, ["rules", "reset", shown.rule.name], act="Reset it", keep=keep)
    return Answer(text, tuple(blocks))


verb = Verb(
    rules, Topic.WATCH,
    examples=(
        "rules", "rules show stalled", "rules set stalled --for 5m --with minutes=8", "rules set slow --state off",
        'rules set lab_gpu_hot --when hot --with celsius=70 --severity info --means "The lab is warm." --do "Open the window."',
        "rules reset stalled",
    ),
)
