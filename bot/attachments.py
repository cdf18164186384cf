"""Files on their way into a message: their bytes go to Slack in a thread of their own, so that a large one holds up nothing else.

Until a call shares them, they are seen by nobody; so a crash before that call costs an upload and nothing else.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Thread

from bot.calls import Done, Outcome, Refused, Slack, TooFast, Unknown
from bot.message import Attachment
from bot.pictures import Stage
from runner.crash_points import crash_point

_log = logging.getLogger(__name__)
_TRIES = 4
_WAIT_S = 5.0

Sharing = Sequence[Mapping[str, str]]
"""What ``files.completeUploadExternal`` takes: the id and the title of each file."""


@dataclass
class _Upload:
    """How far the files of one message are. ``outcome``: their ids, or what kept them; None while they are sent."""

    outcome: Sharing | Outcome | None = None
    tries: int = 1
    not_before: float = 0.0


class Attachments:
    """All files on their way, by the id of their delivery."""

    def __init__(self, slack: Slack, clock: Callable[[], float]) -> None:
        self._slack = slack
        self._clock = clock
        self._uploads: dict[str, _Upload] = {}

    def files_for(self, delivery_id: str, files: Sequence[Attachment]) -> Sharing | Stage:
        """What shares the files, or why nothing does (yet). Never waits."""
        upload = self._uploads.get(delivery_id)
        if upload is None:
            self._uploads[delivery_id] = self._begun(_Upload(), files)
            return Stage.ON_ITS_WAY
        match upload.outcome:
            case None:
                return Stage.ON_ITS_WAY
            case TooFast() | Unknown() if upload.tries < _TRIES:
                self._again(upload, files, upload.outcome)
                return Stage.ON_ITS_WAY
            case Done() | Refused() | TooFast() | Unknown():
                _log.warning("The files of %s are left out: %s.", delivery_id, upload.outcome)
                return Stage.NOT_COMING
        return upload.outcome

    def forget(self, delivery_id: str) -> None:
        """The message stands or was given up."""
        self._uploads.pop(delivery_id, None)

    def _again(self, upload: _Upload, files: Sequence[Attachment], outcome: TooFast | Unknown) -> None:
        if not upload.not_before:
            upload.not_before = self._clock() + (outcome.retry_after_s if isinstance(outcome, TooFast) else _WAIT_S * upload.tries)
        elif self._clock() >= upload.not_before:
            upload.tries, upload.not_before, upload.outcome = upload.tries + 1, 0.0, None
            self._begun(upload, files)

    def _begun(self, upload: _Upload, files: Sequence[Attachment]) -> _Upload:
        def send() -> None:
            try:
                upload.outcome = _sent(self._slack, files)
            except Exception as error:  # noqa: BLE001 - a thread that ends without an outcome would be waited for for ever
                _log.exception("Files could not be sent to Slack.")
                upload.outcome = Refused(f"{type(error).__name__}: {error}")

        Thread(target=send, name="attachments", daemon=True).start()
        return upload


def _sent(slack: Slack, files: Sequence[Attachment]) -> Sharing | Outcome:
    shared: list[Mapping[str, str]] = []
    for file in files:
        try:
            size_bytes = file.path.stat().st_size
            opened = slack.call("files.getUploadURLExternal", filename=file.name, length=size_bytes, alt_txt=file.title)
            if not isinstance(opened, Done):
                return opened
            with file.path.open("rb") as content:
                put = slack.put_file(str(opened.data.get("upload_url")), content, size_bytes=size_bytes)
        except OSError as error:
            return Refused(f"{file.title} cannot be read: {error.strerror or error}")
        if not isinstance(put, Done):
            return put
        shared.append({"id": str(opened.data.get("file_id")), "title": file.title})
    crash_point("bot.after_file_uploaded")
    return shared
