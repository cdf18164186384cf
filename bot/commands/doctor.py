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
    from bot.doctor import in_words, report  # looked up only when asked for

    in_chat = asking.who.door != "terminal"  # a chat waits three seconds for its answer, which Slack's own checks can take
    text = escaped(in_words(report(asking.house, asking.house.settings, ask_slack=not in_chat)))
    return Answer(text, (section(text),))


verb = Verb(doctor, Topic.HOUSE, examples=("doctor",), slow=True)
