"""``data add NAME`` in a thread means the file that the thread hangs on. It is noted here, and looked for in the background."""

from __future__ import annotations

import hashlib

from runner.service import people
from runner.service.house import House, Requester
from runner.service.people import Upload
from runner.settings import Role

TO_BE_FOUND = ""
"""The address of a file that is not known yet."""


def request_thread_file(house: House, who: Requester, *, dataset: str, format_name: str | None) -> None:
    """Note that the file of the thread in which somebody asks is wanted as a dataset."""
    who.must_be(Role.MEMBER, "add datasets")
    upload = Upload(
        id=f"thread-{hashlib.sha256(who.request_id.encode()).hexdigest()[:16]}", file_name="the file of this thread", dataset=dataset,
        size_bytes=0, url=TO_BE_FOUND, owner=who.person, channel=who.place.channel or "", thread=who.place.thread, state="wanted",
        error=None, format=format_name,
    )
    people.record_upload(house, upload)
