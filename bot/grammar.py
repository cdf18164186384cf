"""From a typed line to an answer: one grammar for every door (slash, mention, button, terminal, schedule)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import click

from bot.answer import Answer, Block
from bot.commands import verbs
from bot.confirming import bound
from bot.loose_forms import Line, arranged, asks_for_help
from bot.refusals import no_such_verb, refusal
from bot.shared_files import SharedFile
from bot.typed_text import as_meant, split_like_a_shell
from bot.verb import Asking
from bot.views.submitted import dry_answer
from runner.service import requests
from runner.service.house import DatabaseError, House, Requester
from runner.service.standing_orders import NOUNS
from runner.settings import Role
from runner.specs import GivenFile

OWN_LINES = frozenset({"terminal", "button", "modal", *NOUNS})
"""Doors whose lines no phone has touched."""
_log = logging.getLogger(__name__)


def answer(house: House, who: Requester, text: str, *, attached: Sequence[SharedFile | GivenFile] = ()) -> Answer:
    """Carry out a command line for somebody; never raises. The same request id acts once and gets the same answer.

    ``attached`` are files that were shared with the line.
    """
    words: list[str] = []
    try:
        who.must_be(Role.VIEWER, "use Signalbox")
        words = split_like_a_shell(text if who.door in OWN_LINES else as_meant(text))
        return _carried_out(Asking(house, who, line=text, attached=attached), parsed(words))
    except Exception as error:  # noqa: BLE001 - whatever goes wrong, the person gets a sentence and the log the rest
        refused = refusal(error, words)
        return _our_fault(error, who, text) if refused is None else _noted(house, who, text, refused)


def tried(house: House, who: Requester, text: str, *, attached: Sequence[SharedFile] = ()) -> tuple[Answer, str]:
    """What a line of Signalbox's own making would be answered with, and nothing is changed; never raises.

    Beside it the parameter that is to blame for a refusal, as far as the line itself is wrong there.
    """
    words: list[str] = []
    try:
        who.must_be(Role.VIEWER, "use Signalbox")
        words = split_like_a_shell(text)
        line = parsed(words)
        return _tried(Asking(house, who, line.raw, text, attached), line), ""
    except Exception as error:  # noqa: BLE001 - as in answer
        return refusal(error, words) or _our_fault(error, who, text), _to_blame(error)


def _to_blame(error: Exception) -> str:
    param = error.param if isinstance(error, click.BadParameter) else None
    return (param.name or "") if param is not None else ""


def parsed(words: Sequence[str]) -> Line:
    """Words as a line for click; an empty line asks for help. CommandError names the nearest line that works."""
    if not words:
        return Line(verbs()["help"], ())
    name = words[0].lower()
    verb = verbs().get(name)
    if verb is None:
        raise no_such_verb(words, list(verbs()))
    if asks_for_help(verb, words[1:]):
        return Line(verbs()["help"], (name,))
    return arranged(verb, words[1:])


def within(asking: Asking, text: str) -> Answer:
    """Carry out another line inside the request under way."""
    line = parsed(split_like_a_shell(text))
    return _invoked(line, replace(asking, raw=line.raw, line=text))


class _UndoneError(Exception):
    """Carries the answer of a dry run out of the transaction that it undoes."""

    def __init__(self, given: Answer) -> None:
        super().__init__()
        self.given = given


def _tried(asking: Asking, line: Line) -> Answer:
    """What a line would be answered with. Everything that it writes is undone."""
    if line.verb.previewed_by:
        return _invoked(replace(line, verb=verbs()[line.verb.previewed_by]), asking)
    try:
        with asking.house.store.writing():
            raise _UndoneError(_invoked(line, asking))
    except _UndoneError as undone:
        return dry_answer(undone.given)


def _carried_out(asked: Asking, line: Line) -> Answer:
    asking = replace(asked, raw=line.raw)
    if line.dry:
        return _tried(asking, line)
    if line.verb.slow or not line.verb.changes:  # looking must not keep others from writing
        requests.once(asking.house, asking.who, asking.line, dict)
        return bound(_invoked(line, asking), asking)
    return _restored(requests.once(asking.house, asking.who, asking.line, lambda: _kept(bound(_invoked(line, asking), asking))))


def _invoked(line: Line, asking: Asking) -> Answer:
    command = line.verb.command
    settings: Mapping[str, object] = {"help_option_names": [], "obj": asking, "auto_envvar_prefix": None}
    with command.make_context(command.name, list(line.arguments), **settings) as context:  # type: ignore[arg-type]
        result = command.invoke(context)
    if not isinstance(result, Answer):
        raise TypeError(f"the command {line.verb.name} returned {type(result).__name__}, not an Answer")
    return result


def _noted(house: House, who: Requester, text: str, refused: Answer) -> Answer:
    """The audit shows what was refused as well; a database that cannot take that now is no reason not to answer."""
    try:
        requests.note_refused(house, who, text, _kept(refused))
    except DatabaseError as error:
        _log.error("The audit lacks that %s was refused %r: %s", who.person, text, error)
    return refused


def _kept(given: Answer) -> Mapping[str, object]:
    shown = {"text": given.text, "blocks": list(given.blocks), "public": given.public, "ok": given.ok}
    return {**shown, "run_id": given.run_id, "to": str(given.to) if given.to else None}


def _restored(kept: Mapping[str, object]) -> Answer:
    blocks, run_id, to = kept.get("blocks"), kept.get("run_id"), kept.get("to")
    shown: list[Block] = blocks if isinstance(blocks, list) else []
    return Answer(
        text=str(kept.get("text") or "This was already asked; it is being answered."), blocks=tuple(shown),
        public=bool(kept.get("public")), ok=bool(kept.get("ok", True)), run_id=run_id if isinstance(run_id, str) else None,
        to=Path(to) if isinstance(to, str) else None,
    )


def _our_fault(error: Exception, who: Requester, text: str) -> Answer:
    reference = secrets.token_hex(3)
    _log.error("reference %s: %s by %s through %s: %r", reference, type(error).__name__, who.person, who.door, text, exc_info=error)
    return Answer(
        f"Something went wrong on our side (reference {reference}); nothing was changed. "
        "The log of Signalbox has the details under this reference; `doctor` checks the installation.", ok=False,
    )
