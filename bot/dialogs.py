"""Forms as people use them: opened by a button, a bare command or a shortcut; filled in; the plan looked at; carried out.

Each step answers in its ack. The only Web API calls are those that open a dialog, which Slack offers no other way to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bot.answer import Answer
from bot.calls import Done, Slack
from bot.form_table import Form, form_of
from bot.forms import choices, line_of, usual_values, values_in
from bot.grammar import tried
from bot.shared_files import SharedFile
from bot.views.form import CHANNEL, answer_view, filled, form_view, plan_view, remembered_files, remembered_place
from bot.views.words import shortened
from runner.entities import Place
from runner.service.house import House, Requester

TOO_LATE = "Slack did not open the dialog in time. Try it again."
_COMPLAINT_LIMIT = 250
_LONGEST_LINE = 1400  # a dialog remembers 3,000 characters, and a backslash counts twice
Json = Mapping[str, Any]
Ack = dict[str, Any]
"""What a submitted dialog is answered with."""


def open_form(
    house: House, slack: Slack, who: Requester, line: str, *, trigger: str, ask_channel: bool, above: bool = False,
    files: Sequence[SharedFile] = (),
) -> str:
    """Open the form of a line, filled in with what that says, else with what the person said last; it is about ``files`` of a message.

    Returns why it could not be.
    """
    form = form_of(line)
    if form is None:
        return f"There is no form for {line}."
    values = values_in(form, line) or usual_values(house, who.person, form)
    fields = [(param, choices(house, param)) for param in form.parameters]
    view = form_view(form, fields, values, place=who.place, ask_channel=ask_channel, files=files)
    return "" if isinstance(slack.call("views.push" if above else "views.open", trigger_id=trigger, view=view), Done) else TOO_LATE


def show_answer(slack: Slack, given: Answer, *, trigger: str, place: Place, view_id: str | None, title: str) -> None:
    """Show an answer in a dialog, in that one's stead where one is open."""
    view = answer_view(given, title=title, place=place)
    if view_id is not None:
        slack.call("views.update", view_id=view_id, view=view)
    else:
        slack.call("views.open", trigger_id=trigger, view=view)


def filled_in(house: House, who: Requester, view: Json) -> Ack:
    """A form was submitted: its plan, or what is wrong with which field."""
    kept, values = filled(view)
    form = _form(kept)
    asked_at = CHANNEL if CHANNEL in values else form.fields[0]
    place = Place(values.pop(CHANNEL, "") or who.place.channel, who.place.thread)
    if place.channel not in house.settings.access.channels:
        return _errors({asked_at: "Signalbox does not serve this channel."})
    line = line_of(form, values)
    if len(line) > _LONGEST_LINE:
        return _errors({form.fields[-1]: f"The command has {len(line):,} letters; at most {_LONGEST_LINE:,} can be taken here."})
    files = remembered_files(kept)
    told, to_blame = tried(house, who, line, attached=files)
    if not told.ok:
        why = told.text.partition("\nTry: ")[0]
        return _errors({_field(form, values, why, to_blame): why})
    return {"response_action": "update", "view": plan_view(form, line, told, place=place, files=files)}


def carried_out(who: Requester, view: Json, carry_out: Callable[..., Answer]) -> Ack:
    """The plan was agreed to: the line is carried out, and answered in the dialog."""
    kept, _ = filled(view)
    given = carry_out(who, str(kept["line"]), attached=remembered_files(kept))
    return {"response_action": "update", "view": answer_view(given, title=str(view["title"]["text"]), place=who.place)}


def place_of(view: Json) -> Place:
    """Where a dialog was opened."""
    return remembered_place(filled(view)[0])


def _form(kept: Mapping[str, object]) -> Form:
    form = form_of(str(kept["form"]))
    if form is None:
        raise ValueError(f"there is no form {kept['form']}")
    return form


def _field(form: Form, values: Mapping[str, str], why: str, to_blame: str) -> str:
    """The field that a complaint is shown at: that of the parameter, else one whose value is spoken of, else the first."""
    long = {name: value for name in form.fields if len(value := values.get(name, "")) > 1}
    spoken_of = (name for name, value in long.items() if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", why))
    return to_blame if to_blame in form.fields else next(spoken_of, form.fields[0])


def _errors(found: Mapping[str, str]) -> Ack:
    shown = {field: shortened(why.replace("`", ""), _COMPLAINT_LIMIT) for field, why in found.items()}
    return {"response_action": "errors", "errors": shown}
