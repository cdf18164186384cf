"""Somebody on the web whom Signalbox calls."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Outside:
    """Somebody on the web who notes each call, answers ``status`` and, with a ``location``, sends callers on."""

    url: str = ""
    status: int = 200
    location: str = ""
    calls: list[str] = field(default_factory=list)


@contextmanager
def outside() -> Iterator[Outside]:
    found = Outside()

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = self.rfile.read(int(self.headers["Content-Length"] or 0)).decode()
            found.calls.append(f"{self.command} {self.path} {said}".strip())
            self.send_response(found.status)
            if found.location:
                self.send_header("Location", found.location)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
