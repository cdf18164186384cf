"""The audit as a file: written where the terminal says, or shared in the channel that asked."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

from bot.message import Attachment, Message
from runner.entities import Place
from runner.errors import RequestError
from runner.service import audit, outbox
from runner.service.audit import Wanted
from runner.service.house import House, Requester
from runner.service.outbox import Delivery, NewDelivery

KIND = "audit"


def write_file(house: House, wanted: Wanted, form: str, folder: Path, *, name: str | None = None) -> Path:
    """Write what is wanted into a folder, as one new file; RequestError where it cannot be."""
    path = folder / (name or f"signalbox-audit-{house.now():%Y-%m-%d-%H%M%S}.{form}")
    try:
        partial = path.with_name(f"{path.name}.part")
        partial.write_text(audit.as_text(audit.acts(house, wanted), form), encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise RequestError(f"{path} cannot be written: {error.strerror or error}. Name another folder with `--to`.") from error
    return path


def owe_file(house: House, who: Requester, wanted: Wanted, form: str) -> None:
    """Owe the file to the channel and thread that it was asked for in."""
    asked = {key: value.isoformat() if isinstance(value, datetime) else value for key, value in asdict(wanted).items()}
    assert who.place.channel is not None
    until = wanted.until or house.now()  # so that it holds what was there when it was asked for, whenever it is sent
    body = {"wanted": {**asked, "until": until.isoformat()}, "form": form, "thread": who.place.thread}
    outbox.add(house, NewDelivery(f"{KIND}:{who.request_id}", who.place.channel, KIND, body))


def audit_message(house: House, delivery: Delivery) -> Message:
    """The delivery as a message that shares the file; it is written once."""
    asked, form, thread = delivery.body["wanted"], str(delivery.body["form"]), delivery.body.get("thread")
    assert isinstance(asked, dict)
    moments = {key: datetime.fromisoformat(asked[key]) if asked[key] else None for key in ("since", "until")}
    mark = hashlib.sha256(delivery.id.encode()).hexdigest()[:8]
    folder, name = house.settings.results / f"audit-{mark}", f"signalbox-audit-{mark}.{form}"
    if not (folder / name).exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_file(house, Wanted(**{**asked, **moments}), form, folder, name=name)
    place = Place(delivery.channel, str(thread) if thread else None)
    instead = "The audit could not be shared here; `signalbox audit --as csv` writes it in the terminal."
    return Message("The audit", place=place, files=[Attachment(name, name, folder / name)], instead=instead)
