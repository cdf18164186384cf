"""A request acts once. The row, and everything the request changes, are one transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from runner.service.house import House, Requester
from runner.store import people


def note_refused(house: House, who: Requester, text: str, answer: Mapping[str, object]) -> None:
    """Keep a request that changed nothing and what was answered, for the audit; a duplicate gets the same answer."""
    with house.store.writing() as db:
        new = people.record_request(db, who.request_id, door=who.door, actor=who.person, text=text, now=house.now())
        if new or not people.answer(db, who.request_id):
            people.keep_answer(db, who.request_id, answer)


def once(house: House, who: Requester, text: str, act: Callable[[], Mapping[str, object]]) -> Mapping[str, object]:
    """Carry out ``act`` under the request's id and keep its answer; a duplicate gets that answer and changes nothing.

    An error undoes everything ``act`` wrote.
    """
    with house.store.writing() as db:
        if not people.record_request(db, who.request_id, door=who.door, actor=who.person, text=text, now=house.now()):
            return people.answer(db, who.request_id) or {}
        answer = act()
        people.keep_answer(db, who.request_id, answer)
        return answer


def last_line(house: House, person: str, begins: str) -> str | None:
    """The newest line that a person typed, or filled in, that begins with these words."""
    return people.last_line(house.store.reading(), person, begins)
