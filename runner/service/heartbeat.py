"""The dead man's switch: somebody outside is called while all is well, and so notices when nobody calls any more."""

from __future__ import annotations

import http.client
import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from runner.service.house import House

EVERY = timedelta(minutes=1)
DEADLINE_S = 10.0
_log = logging.getLogger(__name__)


class _NoRedirects(HTTPRedirectHandler):
    """What was configured is called, and nothing that it points to."""

    def redirect_request(self, *_: object) -> None:
        return None


class DeadMansSwitch:
    """Calls ``url`` while there are no ``troubles``, else ``fail_url`` with them; what is None is not called. At most once a minute,
    and first a minute after the start: what was just started has not been heard yet."""

    def __init__(self, house: House, troubles: Callable[[], Sequence[str]], *, url: str | None, fail_url: str | None) -> None:
        self._house = house
        self._troubles = troubles
        self._url, self._fail_url = url, fail_url
        self._called_at = house.now()

    def step(self) -> None:
        """Call, if it is time to."""
        now = self._house.now()
        if now - self._called_at < EVERY:
            return
        self._called_at = now
        found = self._troubles()
        if target := self._fail_url if found else self._url:
            call(target, "\n".join(found))


def call(url: str, text: str) -> bool:
    """POST the text, or GET without one; False where that fails, which the log tells. A redirect is not followed, and is a failure."""
    request = Request(url, data=text.encode() or None, headers={"User-Agent": "signalbox"})  # noqa: S310 - the operator's own, http(s)
    try:
        with build_opener(_NoRedirects).open(request, timeout=DEADLINE_S):
            return True
    except (OSError, http.client.HTTPException, ValueError) as error:
        # The path is what the address keeps secret.
        _log.warning("The heartbeat could not be told to %s: %s. See heartbeat in the settings.", urlsplit(url).hostname, error)
        return False
