"""While the bot is silent nobody can be told in Slack; the runner then calls who is outside."""

from __future__ import annotations

import logging
import threading

from runner.service.health import troubles
from runner.service.heartbeat import EVERY, DeadMansSwitch
from runner.service.house import House

log = logging.getLogger(__name__)


def watch_bot(house: House) -> threading.Event:
    """Call ``heartbeat.fail_url``, where there is one, from a thread of its own until the event is set."""
    ended = threading.Event()
    if house.settings.heartbeat.fail_url is not None:
        threading.Thread(target=_watch, args=(house, ended), name="bot watch", daemon=True).start()
    return ended


def _watch(house: House, ended: threading.Event) -> None:
    switch = DeadMansSwitch(house, lambda: troubles(house, ("bot",)), url=None, fail_url=house.settings.heartbeat.fail_url)
    while not ended.wait(EVERY.total_seconds() / 4):
        try:
            switch.step()
        except Exception:
            log.exception("The watch over the bot met a fault and goes on.")
