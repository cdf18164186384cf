"""Give somebody a role."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.words import is_member
from bot.views.words import person as named
from runner.service import roles
from runner.settings import Role

ROLES = tuple(role.name.lower() for role in Role)


@click.command("grant", help="Give a person a role: viewer looks, member trains, operator acts on everything, admin grants.")
@click.argument("person")
@click.argument("role", type=click.Choice(ROLES, case_sensitive=False))
@click.pass_obj
def grant(asking: Asking, person: str, role: str) -> Answer:
    if not is_member(person) and not person.startswith("terminal:"):
        raise CommandError(f"{person!r} is no person that Slack named; mention them, as in `grant @ana {role}`, or give their member id.")
    wanted = Role[role.upper()]
    has = roles.grant(asking.house, asking.who, person=person, role=wanted)
    more = "" if has is wanted else f" The settings give them {has.name.lower()}, which counts."
    return Answer(f"{named(person)} is granted {wanted.name.lower()}.{more}")


verb = Verb(grant, Topic.HOUSE, words={"to": "", "as": ""}, examples=("grant U012ABCDEF operator",))
