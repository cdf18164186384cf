"""What people ask alike of schedules and of triggers, and in whose name either is carried out."""

from __future__ import annotations

from runner.entities import Place
from runner.errors import RequestError
from runner.service.house import House, Requester, role_of
from runner.settings import Role
from runner.store import events
from runner.store.schedules import BOOK as SCHEDULES
from runner.store.standing_orders import Book, Order, StandingOrder
from runner.store.triggers import BOOK as TRIGGERS

__all__ = ["NOUNS", "SCHEDULES", "TRIGGERS", "Book", "Order", "StandingOrder", "checked", "ids", "own", "pause", "record", "remove",
           "requester", "requests_of"]

NOUNS = (SCHEDULES.noun, TRIGGERS.noun)
TERMINAL_PREFIX = "terminal:"
MAX_COMMAND_LETTERS = 2000


def ids(house: House, book: Book[Order]) -> list[str]:
    """The id of every one."""
    return [order.id for order in book.all(house.store.reading())]


def pause(house: House, who: Requester, book: Book[Order], order_id: str, *, paused: bool = True) -> Order:
    """Let one pass over its times, or what happens, or not any more."""
    with house.store.writing() as db:
        order = own(house, who, book, order_id, "pause" if paused else "resume")
        book.pause(db, order.id, paused=paused)
        record(house, who, book, order, "paused" if paused else "resumed")
        return book.get(db, order.id)


def remove(house: House, who: Requester, book: Book[Order], order_id: str) -> Order:
    """Forget one."""
    with house.store.writing() as db:
        order = own(house, who, book, order_id, "remove")
        book.remove(db, order.id)
        record(house, who, book, order, "removed")
        return order


def requester(house: House, book: Book[Order], order: Order, firing: str) -> Requester:
    """Who asks when one fires: its owner, with the role they have now; the same firing always has the same request id."""
    role = Role.ADMIN if order.owner.startswith(TERMINAL_PREFIX) else role_of(house, order.owner, order.channel)
    return Requester(order.owner, role, book.noun, f"{requests_of(book, order)}{firing}", Place(channel=order.channel))


def requests_of(book: Book[Order], order: Order) -> str:
    """How the ids of all requests begin that it makes."""
    return f"{book.noun}:{order.id}:"


def own(house: House, who: Requester, book: Book[Order], order_id: str, what: str) -> Order:
    """One that the person may change, by its id with or without its letter; NotAllowedError for somebody else's."""
    order = book.get(house.store.reading(), book.full_id(order_id))
    if order.owner != who.person:
        who.must_be(Role.OPERATOR, f"{what} somebody else's {book.noun} ({order.id} is {order.owner}'s)")
    return order


def checked(book: Book[Order], command: str, *, example: str) -> str:
    """A command that may be kept; RequestError for none, one that is too long, and one that would change standing orders."""
    line, shown = command.strip(), f"For example `{book.noun} add {example}`."
    if not line:
        raise RequestError(f"A {book.noun} needs a command to carry out. {shown}")
    if len(line) > MAX_COMMAND_LETTERS:
        raise RequestError(f"The command has {len(line):,} letters; a {book.noun} keeps at most {MAX_COMMAND_LETTERS:,}.")
    if line.split()[0].lower() in NOUNS:
        raise RequestError(f"A {book.noun} cannot change {' or '.join(f'{noun}s' for noun in NOUNS)}. {shown}")
    return line


def record(house: House, who: Requester, book: Book[Order], order: Order, what: str) -> None:
    """Note in the history what somebody did to one."""
    payload = {book.noun: order.id, "what": what, "words": order.words, "command": order.command}
    with house.store.writing() as db:
        events.record(db, book.noun, at=house.now(), actor=who.person, payload=payload)
