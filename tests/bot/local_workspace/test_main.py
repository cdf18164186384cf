"""`python -m bot.local_workspace` as a process: it says where it is, serves, and ends when told to."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path


def test_it_serves_until_terminated(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bot.local_workspace", "--port", "0", "--state", str(tmp_path / "state")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        printed = dict(process.stdout.readline().split(maxsplit=1) for _ in range(4))
        with urllib.request.urlopen(f"{printed['SLACK_API_URL'].strip()}api.test", timeout=5) as answer:
            assert b'"ok":true' in answer.read()
        assert printed["SLACK_APP_TOKEN"].startswith("xapp-")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    assert (tmp_path / "state").stat().st_mode & 0o077 == 0
