"""What was laid on a host ahead of its turn, and never began there, is cleared away: because its run was stopped, or began elsewhere.

That it lies there was written down before it did, so nobody who dies in between leaves it for ever. What somebody claimed stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from runner.errors import HostError
from runner.links import HostLink
from runner.service.house import House
from runner.store import laid
from runner.store.laid import LaidAhead
from runner.transports.base import Transport
from runner.transports.scripts import settings

CLEAR_TIMEOUT_S = 60.0
_CLEAR = """
cd "$directory" 2>/dev/null || exit 0
ln -s "cancelled:$nonce" claim 2>/dev/null
case $(readlink claim) in cancelled:*) ;; *) exit 0 ;; esac
cd / && rm -rf -- "$directory" || exit 74
rmdir -- "${directory%/*}" 2>/dev/null
exit 0
"""


def clear_away(house: House, links: Mapping[str, HostLink]) -> None:
    """Have each such directory removed by its host's own threads, and forget those that are gone."""
    for one in laid.of_no_use(house.store.reading()):
        link = links.get(one.host)
        if one.taken or (link is not None and link.connected and link.ahead.cleared(one, partial(_clear, link.transport, one))):
            with house.store.writing() as db:
                laid.forget(db, one)


def _clear(transport: Transport, one: LaidAhead) -> None:
    finished = transport.shell(settings(directory=one.directory, nonce=one.nonce) + _CLEAR, timeout_s=CLEAR_TIMEOUT_S)
    if finished.exit_code:
        raise HostError(f"{one.directory} cannot be cleared away: {finished.stderr.decode('utf-8', 'replace').strip()[-300:]}")
