"""Give somebody a role."""

from __future__ import annotations

import re

import click

from bot.answer import Answer
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.words import is_member, name
from bot.views.words import person as named
from runner.service import roles
from runner.settings import Role

ROLES = tuple(role.name.lower() for role in Role)
_GROUP_OR_CHANNEL = re.compile(r"[SCG][A-Z0-9]{2,20}")


@click.command("grant", help="Give a person, group or channel a role: viewer looks, member trains, operator acts on all, admin grants.")
@click.argument("to", metavar="<person|group|channel>")
@click.argument("role", type=click.Choice(ROLES, case_sensitive=False))
@click.pass_obj
def grant(asking: Asking, to: str, role: str) -> Answer:
    if not is_member(to) and not to.startswith("terminal:") and not _GROUP_OR_CHANNEL.fullmatch(to):
        raise CommandError(
            f"{to!r} is no person, group or channel that Slack named; mention them, as in `grant @ana {role}`, or give their id."
        )
    wanted = Role[role.upper()]
    has = roles.grant(asking.house, asking.who, to=to, role=wanted)
    more = "" if has is wanted else f" The settings give them {has.name.lower()}, which counts."
    return Answer(f"{_named(to)} is granted {wanted.name.lower()}.{more}")


def _named(to: str) -> str:
    if to.startswith("C"):
        return f"Whoever speaks in <#{to}>"
    return f"Everybody in the group {name(to)}" if roles.is_group(to) else named(to)


verb = Verb(
    grant, Topic.HOUSE, words={"to": "", "as": ""},
    examples=("grant U012ABCDEF operator", "grant S012ABCDEF member", "grant C012ABCDEF viewer"),
)
