"""What happens when Slack says something: admit, carry out, answer.

No ssh, no files, no waiting; an answer that an ack cannot carry is owed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from slack_bolt import Ack, App
from slack_sdk import WebClient

from bot import grammar
from bot.access import Refusal, Speaker, known_teams, refusal
from bot.answer import Answer
from bot.calls import Done, Slack
from bot.confirming import QUESTION
from bot.dialogs import carried_out, filled_in, open_form, place_of, show_answer
from bot.form_table import FORMS
from bot.home import Homes
from bot.settings import slack_settings
from bot.shared_files import SharedFile, attached_files, dataset_name, shared_files
from bot.silence import with_silence
from bot.uploads import upload_of, uploads_in
from bot.views.form import FORM, PLAN
from bot.views.import_dialog import CALLBACK, NAME, chosen, import_dialog
from bot.views.words import code
from recipes.names import is_dataset_name
from runner.crash_points import crash_point
from runner.entities import Place
from runner.service import outbox, people
from runner.service.house import House, Requester, role_of
from runner.service.imports import readable_formats
from runner.service.outbox import NewDelivery
from runner.settings import Role

COMMAND = "/train"
SHORTCUT, PREDICT = "train", "predict_with"
_MOST_FILES = 5
"""A dialog remembers 3,000 characters."""
_ACTION = re.compile(r"command:.+")
_FORM = re.compile(r"form:.+")
_MENTION = re.compile(r"<@(?P<person>[UW][A-Z0-9]+)(?:\|[^>]*)?>")
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the bot is in Slack."""

    team: str
    bot_user: str


class Listeners:
    """Everything that Bolt calls. Each method commits at most a row or two, and returns."""

    def __init__(self, house: House, identity: Identity, homes: Homes) -> None:
        self._house = house
        self._identity = identity
        self._homes = homes

    def register(self, app: App) -> None:
        """Listen to everything that the manifest subscribes to."""
        app.command(COMMAND)(self.on_command)
        app.event("app_mention")(self.on_mention)
        app.event("message")(self.on_message)
        app.event("app_home_opened")(self.on_home)
        app.action(_ACTION)(self.on_click)
        app.action(_FORM)(self.on_form)
        app.global_shortcut(SHORTCUT)(self.on_form)
        app.view(FORM)(self.on_filled)
        app.view(PLAN)(self.on_agreed)
        app.message_shortcut(CALLBACK)(self.on_import)
        app.message_shortcut(PREDICT)(self.on_predict)
        app.view(CALLBACK)(self.on_import_chosen)

    def on_command(self, ack: Ack, body: Json, client: WebClient) -> None:
        """``/train …``: the answer travels in the ack. What cannot be asked without more, such as ``/train run``, opens its form."""
        speaker = Speaker(_text(body, "user_id"), _text(body, "channel_id"), known_teams(body.get("team_id")))
        refused, role = self._admit(speaker)
        if refused is not None:
            ack(refused.sentence)
            return
        trigger, line = _text(body, "trigger_id"), _text(body, "text")
        who = Requester(speaker.person, role, "slash", trigger, Place(speaker.channel))
        if " ".join(line.lower().split()) in FORMS:
            ack(open_form(self._house, Slack(client), who, line.lower(), trigger=trigger, ask_channel=False))
            return
        given = self._carry_out(who, line)
        ack(text=given.text, blocks=[dict(block) for block in given.blocks], response_type="in_channel" if given.public else "ephemeral")

    def on_mention(self, ack: Ack, body: Json, event: Json) -> None:
        """``@signalbox …``: answered in the thread it was said in."""
        self._hear(body, event)
        ack()

    def on_message(self, ack: Ack, body: Json, event: Json) -> None:
        """A message: of interest only where somebody shares an archive."""
        if event.get("files") and event.get("subtype") in (None, "file_share"):
            speaker = _speaker(body, event)
            refused, role = self._admit(speaker)
            if refused is None and role >= Role.MEMBER:
                self._take_uploads(event, speaker)
        ack()

    def on_click(self, ack: Ack, body: Json, action: Json, client: WebClient) -> None:
        """A button or an entry of a menu: its value is a command line. In a dialog or the Home tab it is answered in a dialog."""
        speaker, place = self._clicked(body)
        trigger, line = _text(body, "trigger_id"), _text(action, "value") or _text(_mapping(action, "selected_option"), "value")
        refused, role = self._admit(speaker)
        who = Requester(speaker.person, role, "button", trigger, place)
        if view := _mapping(body, "view"):
            given = self._carry_out(who, line) if refused is None else Answer(refused.sentence, ok=False)
            open_view = _text(view, "id") if view.get("type") == "modal" else None
            show_answer(Slack(client), given, trigger=trigger, place=place, view_id=open_view, title=line.split()[0].capitalize())
        elif refused is not None:
            self._whisper(refused.sentence, f"refusal:{trigger}", speaker.person, place)
        else:
            self._answer(who, line, replaces=_text(body, "response_url") if action.get("block_id") == QUESTION else "")
        ack()

    def on_form(self, ack: Ack, body: Json, client: WebClient) -> None:
        """A button that opens a form, filled in with what its value says; or the shortcut that opens that of a training."""
        speaker, place = self._clicked(body)
        trigger = _text(body, "trigger_id")
        actions, view = body.get("actions"), _mapping(body, "view")
        line = _text(actions[0], "value") if isinstance(actions, list) and actions else "run"
        refused, role = self._admit(replace(speaker, elsewhere=True))  # as what is filled in will be
        trouble = refused.sentence if refused else ""
        if refused is None:
            who = Requester(speaker.person, role, "modal", trigger, place)
            ask = not body.get("channel") and view.get("type") != "modal" and len(self._house.settings.access.channels) > 1
            above = view.get("type") == "modal"
            trouble = open_form(self._house, Slack(client), who, line, trigger=trigger, ask_channel=ask, above=above)
        self._whisper(trouble, f"form:{trigger}", speaker.person, place)
        ack()

    def on_filled(self, ack: Ack, body: Json, view: Json) -> None:
        """A form was filled in: what it would do is shown, or what is wrong with it."""
        who = self._in_dialog(body, view)
        ack(**filled_in(self._house, who, view))

    def on_agreed(self, ack: Ack, body: Json, view: Json) -> None:
        """The plan was agreed to."""
        who = self._in_dialog(body, view)
        ack(**carried_out(who, view, self._carry_out))

    def on_home(self, ack: Ack, body: Json, event: Json) -> None:
        """Somebody looks at their Home tab."""
        served = self._house.settings.access.workspace or self._identity.team
        if event.get("tab") == "home" and known_teams(body.get("team_id")) == {served}:
            self._homes.opened(_text(event, "user"))
        ack()

    def on_import(self, ack: Ack, body: Json, client: WebClient) -> None:
        """The message shortcut: a dialog for the message's file."""
        message, person, channel = _mapping(body, "message"), _text(_mapping(body, "user"), "id"), _text(_mapping(body, "channel"), "id")
        trigger, thread = _text(body, "trigger_id"), _text(message, "thread_ts") or None
        refused, role = self._admit(Speaker(person, channel, _teams(body)))
        files = shared_files(message)
        if refused is not None:
            trouble = refused.sentence
        elif role < Role.MEMBER:
            trouble = "To add datasets one must be member. An admin can `grant` it."
        elif not files:
            trouble = "That message has no file that can be a dataset: an archive, annotations with their pictures, or a video."
        else:
            name = dataset_name(_text(message, "text"), files[0].name)
            dialog = import_dialog(files, name=name, formats=readable_formats(), channel=channel, thread=thread)
            opened = Slack(client).call("views.open", trigger_id=trigger, view=dialog)
            trouble = "" if isinstance(opened, Done) else "Slack did not open the dialog in time. Try it again."
        self._whisper(trouble, f"import:{trigger}", person, Place(channel, thread))
        ack()

    def on_predict(self, ack: Ack, body: Json, client: WebClient) -> None:
        """The message shortcut: the form that asks which model looks at the message's pictures."""
        message, person, channel = _mapping(body, "message"), _text(_mapping(body, "user"), "id"), _text(_mapping(body, "channel"), "id")
        trigger, place = _text(body, "trigger_id"), Place(channel, _text(message, "thread_ts") or None)
        refused, role = self._admit(Speaker(person, channel, _teams(body)))
        files = attached_files(message)
        if refused is not None:
            trouble = refused.sentence
        elif not 0 < len(files) <= _MOST_FILES:
            many = f"That message has {len(files)} files; {_MOST_FILES} at most fit here. Say `@signalbox predict RUN` in its thread."
            trouble = many if files else "That message has no picture and no video."
        else:
            who = Requester(person, role, "modal", trigger, place)
            trouble = open_form(self._house, Slack(client), who, "predict", trigger=trigger, ask_channel=False, files=files)
        self._whisper(trouble, f"predict:{trigger}", person, place)
        ack()

    def on_import_chosen(self, ack: Ack, body: Json, view: Json) -> None:
        """The dialog was submitted: the file is wanted."""
        asked, person = chosen(view), _text(_mapping(body, "user"), "id")
        refused, role = self._admit(Speaker(person, asked.channel, _teams(body)))
        if refused is not None or role < Role.MEMBER:
            ack(response_action="errors", errors={NAME: refused.sentence if refused else "To add datasets one must be member."})
            return
        if not is_dataset_name(asked.name):
            ack(response_action="errors", errors={NAME: "Lower-case letters, digits, - and _, beginning with a letter or digit."})
            return
        view_id = _text(view, "id")
        upload = upload_of(
            asked.file, dataset=asked.name, owner=person, channel=asked.channel, thread=asked.thread, format_name=asked.format,
            asked=view_id,
        )
        people.record_upload(self._house, upload)
        told = f"{code(asked.file.name)} becomes {code(asked.name)} as soon as it is fetched; its run reports here."
        self._whisper(told, f"import:{view_id}", person, Place(asked.channel, asked.thread))
        ack()

    def _hear(self, body: Json, event: Json) -> None:
        speaker = _speaker(body, event)
        place = Place(speaker.channel, _text(event, "thread_ts") or None)
        event_id = _text(body, "event_id")
        refused, role = self._admit(speaker)
        if refused is not None:
            self._whisper(refused.sentence, f"refusal:{event_id}", speaker.person, place)
        elif role < Role.MEMBER or not self._take_uploads(event, speaker):
            who = Requester(speaker.person, role, "mention", event_id, place)
            self._answer(who, self._said_to_the_bot(_text(event, "text")), attached=attached_files(event))

    def _clicked(self, body: Json) -> tuple[Speaker, Place]:
        """Who clicked, and where that is answered or reported: the Home tab is in no channel, a dialog remembers its own."""
        container, view = _mapping(body, "container"), _mapping(body, "view")
        place = Place(_text(container, "channel_id"), _text(container, "thread_ts") or None)
        if view.get("type") == "modal":
            place = place_of(view)
        elif not place.channel:
            place = Place(slack_settings(self._house.settings).home_channel or next(iter(self._house.settings.access.channels), ""))
        spoke_there = bool(_text(container, "channel_id")) and not view
        return Speaker(_text(_mapping(body, "user"), "id"), place.channel or "", _teams(body), elsewhere=not spoke_there), place

    def _in_dialog(self, body: Json, view: Json) -> Requester:
        """Who submitted a dialog; of somebody who may no longer speak here, a stranger."""
        speaker, place = self._clicked(body)
        refused, role = self._admit(speaker)
        return Requester(speaker.person, Role.STRANGER if refused else role, "modal", _text(view, "id"), place)

    def _admit(self, speaker: Speaker) -> tuple[Refusal | None, Role]:
        role = role_of(self._house, speaker.person, None if speaker.elsewhere else speaker.channel)
        return refusal(self._house.settings.access, speaker, role=role, home_workspace=self._identity.team), role

    def _take_uploads(self, event: Json, speaker: Speaker) -> bool:
        found = uploads_in(event, owner=speaker.person, channel=speaker.channel)
        for upload in found:
            people.record_upload(self._house, upload)
        return bool(found)

    def _carry_out(self, who: Requester, text: str, *, attached: Sequence[SharedFile] = ()) -> Answer:
        crash_point("bot.before_request_commit")
        given = grammar.answer(self._house, who, text, attached=attached)
        crash_point("bot.after_request_commit")
        return with_silence(given, self._house)

    def _answer(self, who: Requester, text: str, *, attached: Sequence[SharedFile] = (), replaces: str = "") -> None:
        """Owe the answer; to the button of a question it stands in the question's stead, so that this is not asked any more."""
        given = self._carry_out(who, text, attached=attached)
        channel = who.place.channel
        if not channel:
            return
        body: dict[str, object] = {"text": given.text, "blocks": list(given.blocks), "thread": who.place.thread}
        private = {**body, "person": who.person, "replaces": replaces}
        outbox.add(self._house, NewDelivery(f"answer:{who.request_id}", channel, "text", body if given.public else private))
        if given.public and replaces:
            outbox.add(self._house, NewDelivery(f"answered:{who.request_id}", channel, "text", private))

    def _whisper(self, sentence: str, delivery_id: str, person: str, place: Place) -> None:
        if sentence and place.channel:
            body = {"text": sentence, "person": person, "thread": place.thread}
            outbox.add(self._house, NewDelivery(delivery_id, place.channel, "text", body))

    def _said_to_the_bot(self, text: str) -> str:
        """What follows the first mention of the bot."""
        for mention in _MENTION.finditer(text):
            if mention["person"] == self._identity.bot_user:
                return text[mention.end() :].lstrip(" ,:\u00a0")
        return text


def _speaker(body: Json, event: Json) -> Speaker:
    teams = known_teams(body.get("team_id"), event.get("team"), event.get("user_team"), event.get("source_team"))
    is_bot = bool(event.get("bot_id")) or event.get("subtype") == "bot_message"
    return Speaker(_text(event, "user"), _text(event, "channel"), teams, is_bot=is_bot)


def _teams(body: Json) -> frozenset[str]:
    return known_teams(_mapping(body, "team").get("id"), _mapping(body, "user").get("team_id"))


def _text(values: Json, key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""


def _mapping(values: Json, key: str) -> Json:
    value = values.get(key)
    return value if isinstance(value, dict) else {}
