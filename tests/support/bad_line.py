"""A bad line to a workspace: requests arrive, answers get lost, or the other way round."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_PASSED_ON = frozenset({"answer lost", "request lost", "500 after", "500 before", "late"})


@dataclass
class BadLine:
    """``faults`` are met one after the other by calls of ``method``: "answer lost", "request lost", "500 after", "500 before",
    "429" (with Retry-After 30), "late" (no answer before the caller's patience ends), or a word that Slack refuses with. ``down``: nobody
    answers anything."""

    target: str
    method: str
    faults: list[str] = field(default_factory=list)
    api_url: str = ""
    down: bool = False
    patience_s: float = 10.0
    calls: Counter[str] = field(default_factory=Counter)

    def next_fault(self, path: str) -> str:
        return self.faults.pop(0) if self.faults and path.endswith(self.method) else ""

    def forward(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection(urlsplit(self.target).netloc, timeout=10)
        try:
            connection.request("POST", path, body=body, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.getheader("Retry-After") or ""
        finally:
            connection.close()


@contextmanager
def bad_line(target: str, method: str, *faults: str) -> Iterator[BadLine]:
    """Serve the line on loopback; the app uses its ``api_url``."""
    line = BadLine(target, method, list(faults))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            kept = {name: self.headers[name] for name in ("Authorization", "Content-Type") if self.headers[name]}
            line.calls[self.path.rpartition("/")[2]] += 1
            if line.down:
                self.close_connection = True
                return
            fault = line.next_fault(self.path)
            status, answer, retry_after = (500, b"oops", "")
            if fault == "429":
                status, answer, retry_after = 429, b'{"ok": false, "error": "ratelimited"}', "30"
            elif fault and fault not in _PASSED_ON:
                status, answer = 200, json.dumps({"ok": False, "error": fault}).encode()
            elif fault not in ("request lost", "500 before"):
                status, answer, retry_after = line.forward(self.path, body, kept)
            if fault == "late":
                time.sleep(line.patience_s)
            if fault in ("answer lost", "request lost", "late"):
                self.close_connection = True
                return
            if fault == "500 after":
                status, answer = 500, b"<html>oops</html>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            if retry_after:
                self.send_header("Retry-After", retry_after)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    line.api_url = f"http://127.0.0.1:{server.server_address[1]}/api/"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield line
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
