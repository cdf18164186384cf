"""Questions before something is lost: only whom they ask may say yes, once, and only for a minute."""

from __future__ import annotations

import secrets
from datetime import timedelta

from runner.errors import NotAllowedError, RequestError
from runner.service.house import House, Requester
from runner.store import confirmations, people

LASTS = timedelta(seconds=60)


def ask(house: House, who: Requester, line: str) -> str:
    """Note that somebody was asked whether ``line`` is really meant; returns the id with which they say yes."""
    with house.store.writing() as db:
        question = f"q-{secrets.token_hex(6)}"
        confirmations.add(db, question, line=line, person=who.person, now=house.now())
        return question


def take(house: House, who: Requester, question: str) -> str:
    """The line that was asked about, which is now to be carried out, as what the request under way says in the audit.

    NotAllowedError for anybody but whom was asked; RequestError when it is too late, or was answered before.
    """
    with house.store.writing() as db:
        asked = confirmations.find(db, question)
        if asked is None:
            raise RequestError(f"There is no question {question}; nothing was done.")
        if asked.person != who.person:
            raise NotAllowedError(f"Only {asked.person} was asked that, and only they can confirm it; nothing was done.")
        line = asked.line.removesuffix(" --yes")
        if asked.settled:
            raise RequestError(f"This was confirmed before, and is done once. To do it again, ask first: `{line}`.")
        if house.now() - asked.asked_at > LASTS:
            late = f"That was asked more than {LASTS.seconds} s ago, so nothing was done."
            raise RequestError(f"{late} If it is still meant, ask first: `{line}`.")
        confirmations.settle(db, question, now=house.now())
        people.reword_request(db, who.request_id, asked.line)
        return asked.line
