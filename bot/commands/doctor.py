"""Is everything as it must be?"""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.verb import Asking, Topic, Verb
from bot.views.blocks import section
from bot.views.words import escaped


@click.command("doctor", help="Check this installation, and say how to mend what is wrong.")
@click.pass_obj
def doctor(asking: Asking) -> Answer:
    from bot.doctor import Outcome, in_words, report  # looked up only when asked for

    in_chat = asking.who.door != "terminal"  # a chat waits three seconds for its answer, which Slack's own checks can take
    checks = report(asking.house, asking.house.settings, ask_slack=not in_chat)
    text = escaped(in_words(checks))
    return Answer(text, (section(text),), ok=all(check.outcome is not Outcome.FAIL for check in checks))


verb = Verb(doctor, Topic.HOUSE, changes=False, examples=("doctor",), slow=True)
