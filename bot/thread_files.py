"""``data add NAME`` in a thread means the file that the thread hangs on. It is looked for in the background, not in a listener."""

from __future__ import annotations

import hashlib

from bot.calls import Done, Refused, Slack
from bot.download import DownloadError
from bot.shared_files import SharedFile, shared_files
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


def thread_file(slack: Slack, upload: Upload) -> SharedFile:
    """The one file of the message that the upload's thread hangs on; DownloadError where there is none, or several."""
    answer = slack.call("conversations.replies", channel=upload.channel, ts=upload.thread, limit=1)
    if isinstance(answer, Refused):
        raise DownloadError(f"Slack does not show its message ({answer}). Invite the app to the channel, or share the file again.")
    if not isinstance(answer, Done):
        raise DownloadError("Slack did not show its message in time.", passing=True)
    messages = answer.data.get("messages")
    first = messages[0] if isinstance(messages, list) and messages and isinstance(messages[0], dict) else {}
    files = shared_files(first)
    if not files:
        raise DownloadError("the message that this thread hangs on has no archive, no annotations and no video. Share one with `data add`.")
    if len(files) > 1:
        raise DownloadError("its message has several. Choose one: the message's menu has Import as dataset.")
    return files[0]
