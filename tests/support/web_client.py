"""The bot's web server, on a port of its own, and somebody who asks it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from bot.web import Served, serving
from tests.support.slack_house import free_port


@contextmanager
def web_client(served: Served) -> Iterator[httpx.Client]:
    """A client of the server that serves this."""
    port = free_port()
    with serving(served, port), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        yield client
