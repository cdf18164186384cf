"""What a run brought here, as files in its thread: drawn pictures in one message, other files each in its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from bot.message import FILES, Attachment, Message
from bot.views.words import code, count, name, size
from runner.entities import Place, Run
from runner.service import models, outbox
from runner.service.house import House, Requester
from runner.service.models import ResultFileView
from runner.service.outbox import Delivery, NewDelivery
from runner.service.views import RunView, view
from runner.specs import Kind
from runner.states import State

_BRINGING = frozenset({Kind.EVAL, Kind.PREDICT, Kind.EXPORT, Kind.FETCH})
MOST_PICTURES = 10
"""As many as one message of Slack shares."""
_MOST_OTHERS = 5
_UNASKED_BYTES = 100_000_000
SLACK_BYTES = 1_000_000_000
"""Slack takes no larger file."""
_PICTURES = "pictures/"
_SEEN = (".jpg", ".jpeg", ".png", ".gif", ".webp")


@dataclass(frozen=True, slots=True)
class Shown:
    """Which of a run's files go into its thread; of ``pictures`` there are ``all_pictures``, and ``left`` stay where they are."""

    pictures: Sequence[ResultFileView]
    all_pictures: int
    others: Sequence[ResultFileView]
    left: Sequence[ResultFileView]


def shown_by(shown: RunView, files: Sequence[ResultFileView], *, asked: bool = False) -> Shown:
    """What of a run's files is worth a message unasked; of files that were ``asked`` for, what Slack takes.

    An export is fetched by a button: models are large. Of many pictures those are shown that the program named, else some of all.
    """
    kind = shown.run.kind
    asked = asked or kind is Kind.FETCH
    drawn = {file.name: file for file in files if file.name.startswith(_PICTURES) and file.name.lower().endswith(_SEEN) and file.size_bytes}
    rest = [file for file in files if file.name not in drawn]
    most_bytes, most = (SLACK_BYTES, MOST_PICTURES) if asked else (_UNASKED_BYTES, _MOST_OTHERS)
    fitting = [file for file in rest if 0 < file.size_bytes <= most_bytes]
    others = fitting if len(fitting) <= most and (asked or kind is not Kind.EXPORT) else []
    chosen = [drawn[name] for name in _named(shown.result) if name in drawn][:MOST_PICTURES]
    pictures = [file for file in chosen or _spread([*drawn.values()], MOST_PICTURES) if file.size_bytes <= most_bytes]
    return Shown(pictures, len(drawn), others, [file for file in rest if file not in others])


def owed_files(run_id: str, channel: str, cause: str, shown: Shown, *, thread: str | None = None) -> list[NewDelivery]:
    """The messages that share them. ``thread``: there, not in the run's own."""
    groups = [group for group in ([*shown.pictures], *([file] for file in shown.others)) if group]
    bodies = [{"names": [file.name for file in group], "of": shown.all_pictures if group == [*shown.pictures] else 1} for group in groups]
    place = {"thread": thread} if thread else {}
    return [NewDelivery(f"{cause}:{FILES}:{number}", channel, FILES, {**body, **place}, run_id) for number, body in enumerate(bodies)]


def brought(house: House, run: Run) -> Shown | None:
    """What a run that succeeded brought here; None for kinds that bring nothing."""
    if run.kind not in _BRINGING or run.state is not State.SUCCEEDED:
        return None
    return shown_by(view(house, run.id), models.results_of(house, run.id))


def owe_results(house: House, who: Requester, run_id: str, files: Sequence[ResultFileView]) -> None:
    """Owe files that are here already to whoever asked, where they asked; nothing outside a channel."""
    if who.place.channel is None:
        return
    shown = shown_by(view(house, run_id), files, asked=True)
    for delivery in owed_files(run_id, who.place.channel, f"fetch:{who.request_id}", shown, thread=who.place.thread):
        outbox.add(house, delivery)


def files_message(house: House, delivery: Delivery) -> Message:
    """A delivery of files as a message; a sentence where they are no longer kept."""
    assert delivery.run_id is not None
    wanted = delivery.body.get("names")
    names = [str(each) for each in wanted] if isinstance(wanted, list) else []
    thread = delivery.body.get("thread") or view(house, delivery.run_id).run.place.thread
    place = Place(delivery.channel, str(thread) if thread else None)
    here = {file.name: file for file in models.results_of(house, delivery.run_id, names)}
    found = [here[each] for each in names if each in here]
    if not found:
        return Message(f"{name(', '.join(names), 200)} of `{delivery.run_id}` is no longer kept.", place=place)
    mark = hashlib.sha256(delivery.id.encode()).hexdigest()[:6]
    files = [_attachment(f"{delivery.run_id}-{mark}", file) for file in found]
    total, of = sum(file.size_bytes for file in found), delivery.body.get("of")
    some = isinstance(of, int) and of > len(found)
    many = f"{len(found)} of {of:,} pictures" if some else count(len(found), "picture")
    said = name(PurePosixPath(found[0].name).name) if len(found) == 1 else many
    instead = f"{said} ({size(total)}) could not be shared here. {where(house, delivery.run_id)}"
    return Message(f"{said} of `{delivery.run_id}`, {size(total)}", place=place, files=files, instead=instead)


def where(house: House, run_id: str) -> str:
    """Where a run's files lie, and how to get them from there."""
    lie = code(str(house.settings.results / run_id))
    return f"On the machine of Signalbox they lie in {lie}; {code(f'signalbox fetch {run_id} results --to FOLDER')} copies them there."


def _attachment(mark: str, file: ResultFileView) -> Attachment:
    plain = PurePosixPath(file.name).name
    return Attachment(f"{mark}-{plain}", plain, file.path)


def _named(result: Mapping[str, object]) -> list[str]:
    """The pictures that the program says are worth seeing, the best first."""
    shown = result.get("shown")
    return [str(each.get("picture")) for each in shown if isinstance(each, dict)] if isinstance(shown, list) else []


def _spread(files: Sequence[ResultFileView], most: int) -> list[ResultFileView]:
    """As many, evenly over all of them: neighbours in a video look alike."""
    return [files[place * len(files) // most] for place in range(most)] if len(files) > most else list(files)
