"""Uploads on their way in, and which process lives."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from runner.entities import Run
from runner.service import runs
from runner.service.house import House, Requester
from runner.service.outbox import NewDelivery, add
from runner.specs import IngestSpec
from runner.store import people
from runner.store.people import Upload

__all__ = ["Upload", "beat", "forget_beat", "record_upload", "refuse_upload", "submit_upload", "wanted_uploads"]


def record_upload(house: House, upload: Upload) -> bool:
    """Note a file to fetch; False when it was noted before."""
    with house.store.writing() as db:
        return people.record_upload(db, upload, now=house.now())


def wanted_uploads(house: House) -> list[Upload]:
    """Files still to be fetched, oldest first."""
    return people.wanted_uploads(house.store.reading())


def submit_upload(house: House, who: Requester, upload: Upload, archive: Path) -> Run:
    """A file was fetched: queue its ingest and settle the upload, both or neither."""
    with house.store.writing() as db:
        people.record_request(
            db, who.request_id, door=who.door, actor=who.person, text=f"data add {upload.dataset} ({upload.file_name})", now=house.now()
        )
        spec = IngestSpec(archive=str(archive), dataset=upload.dataset, file_name=upload.file_name, format=upload.format)
        run = runs.submit_ingest(house, who, spec)
        people.settle_upload(db, upload.id)
        return run


def refuse_upload(house: House, upload: Upload, *, error: str, notice: NewDelivery) -> None:
    """A file will never be fetched: keep why, and owe the notice that says so."""
    with house.store.writing() as db:
        people.settle_upload(db, upload.id, error=error)
        add(house, notice)


def forget_beat(house: House, process: str) -> None:
    """Note that something is meant to be there no more, so that its silence tells nothing."""
    with house.store.writing() as db:
        people.forget_beat(db, process)


def beat(house: House, process: str, *, at: datetime | None = None) -> None:
    """Note that this process, or something it holds (the socket), lives, or lived at a moment."""
    with house.store.writing() as db:
        people.beat(db, process, pid=os.getpid(), now=at or house.now())
