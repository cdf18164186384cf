"""Pictures on their way into a message.

A picture is uploaded without being shared, named after the message that will show it, and shown by an image block once Slack has
processed it. So only the message counts, which can be found again after a crash; a picture without its message is seen by nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from bot.calls import Done, Outcome, Refused, Slack, TooFast
from bot.message import Picture
from runner.crash_points import crash_point

_log = logging.getLogger(__name__)
_LOOK_AGAIN_S = 0.3
_GIVE_UP_S = 30.0
_TRIES = 4


class Stage(Enum):
    """Where a picture is that has no file to show."""

    ON_ITS_WAY = "on its way"
    NOT_COMING = "not coming"


@dataclass
class _Progress:
    """How far one picture is; ``file_id`` once Slack has its bytes."""

    facts: str
    since: float
    look_at: float = 0.0
    tries: int = 0
    file_id: str | None = None
    processed: bool = False
    given_up: bool = False


class Pictures:
    """All pictures on their way, by name."""

    def __init__(self, slack: Slack, clock: Callable[[], float]) -> None:
        self._slack = slack
        self._clock = clock
        self._progress: dict[str, _Progress] = {}

    def files_for(self, pictures: Sequence[Picture]) -> Sequence[str | None] | None:
        """The file of each, None for what is not coming; None of all while one is on its way."""
        files = [self.file_for(picture) for picture in pictures]
        return None if Stage.ON_ITS_WAY in files else [None if isinstance(file, Stage) else file for file in files]

    def file_for(self, picture: Picture) -> str | Stage:
        """The file to show, or why there is none (yet). Each call takes at most one step; none waits."""
        progress = self._progress.get(picture.name)
        if progress is None or progress.facts != picture.facts:
            progress = self._progress[picture.name] = _Progress(picture.facts, self._clock())
        if progress.processed and progress.file_id:
            return progress.file_id
        if not progress.given_up and self._clock() >= progress.look_at:
            self._advance(picture, progress)
        if progress.processed and progress.file_id:
            return progress.file_id
        return Stage.NOT_COMING if progress.given_up else Stage.ON_ITS_WAY

    def forget(self, picture: Picture) -> None:
        """The message stands; nothing more is needed of its picture."""
        self._progress.pop(picture.name, None)

    def _advance(self, picture: Picture, progress: _Progress) -> None:
        if self._clock() - progress.since > _GIVE_UP_S or progress.tries >= _TRIES:
            _log.warning("The picture %s is left out: Slack did not take it in %d tries.", picture.name, progress.tries)
            progress.given_up = True
        elif progress.file_id is None:
            self._upload(picture, progress)
        else:
            self._look(progress)

    def _upload(self, picture: Picture, progress: _Progress) -> None:
        png = picture.draw()
        if png is None:
            progress.given_up = True
            return None
        progress.tries += 1
        opened = self._slack.call("files.getUploadURLExternal", filename=f"{picture.name}.png", length=len(png), alt_txt=picture.title)
        if not isinstance(opened, Done):
            return self._wait(progress, opened)
        put = self._slack.put_file(str(opened.data.get("upload_url")), png)
        if not isinstance(put, Done):
            return self._wait(progress, put)
        file_id = str(opened.data.get("file_id"))
        completed = self._slack.call("files.completeUploadExternal", files=[{"id": file_id, "title": picture.title}])
        if not isinstance(completed, Done):
            return self._wait(progress, completed)
        crash_point("bot.after_file_uploaded")
        progress.file_id, progress.look_at = file_id, self._clock() + _LOOK_AGAIN_S
        return None

    def _look(self, progress: _Progress) -> None:
        seen = self._slack.call("files.info", file=progress.file_id)
        if not isinstance(seen, Done):
            return self._wait(progress, seen)
        file = seen.data.get("file")
        # Until Slack has processed a file its mimetype is empty, and a block that shows it is refused.
        progress.processed = isinstance(file, dict) and bool(file.get("mimetype"))
        progress.look_at = self._clock() + _LOOK_AGAIN_S
        return None

    def _wait(self, progress: _Progress, outcome: Outcome) -> None:
        progress.given_up = isinstance(outcome, Refused)
        progress.look_at = self._clock() + (outcome.retry_after_s if isinstance(outcome, TooFast) else 1.0)
        if progress.given_up:
            _log.warning("Slack refused a picture: %s.", outcome)
