"""The real Alertmanager from Debian on loopback, and a web hook that notes what it is told."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
ANSWER_AFTER_S = 0.3
"""The notification log's stamp is the answer's, and so surely later than the flush: a repeat after 10 s then falls on the flush at 12 s."""


@dataclass
class Notice:
    """One call of the web hook."""

    at: datetime
    receiver: str
    group: dict[str, str]
    firing: frozenset[str]
    resolved: frozenset[str]


@dataclass
class Alertmanager:
    """A running one. Times are those of this machine's clock."""

    url: str
    started_at: datetime
    notices: list[Notice] = field(default_factory=list)

    def call(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as response:
            text = response.read()
        return json.loads(text) if text.strip() else None

    def post(self, labels: dict[str, str], starts_at: datetime, ends_at: datetime | None = None) -> None:
        alert = {"labels": labels, "startsAt": stamp(starts_at)} | ({"endsAt": stamp(ends_at)} if ends_at else {})
        self.call("POST", "/api/v2/alerts", [alert])

    def silence(self, matchers: list[dict[str, object]], starts_at: datetime, ends_at: datetime) -> str:
        body = {"matchers": matchers, "startsAt": stamp(starts_at), "endsAt": stamp(ends_at), "createdBy": "test", "comment": "test"}
        return str(self.call("POST", "/api/v2/silences", body)["silenceID"])

    def expire(self, silence_id: str) -> None:
        self.call("DELETE", f"/api/v2/silence/{silence_id}")


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@contextmanager
def alertmanager(folder: Path, configuration: dict[str, Any], receivers: Set[str] = frozenset()) -> Iterator[Alertmanager]:
    """Alertmanager with this configuration, each receiver a web hook of ours, unless it has some itself."""
    notices: list[Notice] = []
    hook = _hook(notices)
    named = [{"name": name, "webhook_configs": [{"url": f"http://127.0.0.1:{hook.server_port}/{name}"}]} for name in sorted(receivers)]
    path = folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump({"receivers": named} | configuration))
    url = f"http://127.0.0.1:{_free_port()}"
    arguments = [f"--config.file={path}", f"--storage.path={folder / 'data'}", f"--web.listen-address={url.removeprefix('http://')}"]
    with (folder / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([str(PROGRAM), *arguments, "--cluster.listen-address="], stdout=log, stderr=log)
        try:
            found = Alertmanager(url, datetime.now(UTC), notices)
            _wait(found, process, folder / "alertmanager.log")
            yield found
        finally:
            process.kill()
            process.wait()
            hook.shutdown()
            hook.server_close()


def _wait(found: Alertmanager, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"Alertmanager ended:\n{log.read_text()}")
        try:
            found.call("GET", "/api/v2/status")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("Alertmanager does not answer")


def _hook(notices: list[Notice]) -> ThreadingHTTPServer:
    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            at = datetime.now(UTC)
            said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            by_status: dict[str, set[str]] = {"firing": set(), "resolved": set()}
            for alert in said["alerts"]:
                by_status[alert["status"]].add(alert["labels"]["alertname"])
            notices.append(Notice(
                at, said["receiver"], said["groupLabels"], frozenset(by_status["firing"]), frozenset(by_status["resolved"])
            ))
            time.sleep(ANSWER_AFTER_S)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
