"""`python -m bot.local_workspace --port 8484 --state DIR`: the workspace alone, until interrupted."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from bot.local_workspace.configuration import AppConfiguration, WorkspaceConfiguration
from bot.local_workspace.server import LocalWorkspace


def main(arguments: list[str] | None = None) -> int:
    """Serves until SIGINT or SIGTERM; prints the page's address and what the app needs. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bot.local_workspace", description=__doc__)
    parser.add_argument("--port", type=int, default=8484, help="port on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps conversation, files and secrets")
    parser.add_argument("--manifest", type=Path, help="Slack app manifest (YAML) that declares scopes, events, commands")
    options = parser.parse_args(arguments)
    configuration = WorkspaceConfiguration()
    if options.manifest:
        configuration = replace(configuration, app=AppConfiguration.from_manifest(options.manifest))
    workspace = LocalWorkspace(options.state, configuration)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    workspace.start(options.port)
    sys.stdout.write(
        f"page             {workspace.page_url}\n"
        f"SLACK_API_URL    {workspace.api_url}\n"
        f"SLACK_BOT_TOKEN  {workspace.bot_token}\n"
        f"SLACK_APP_TOKEN  {workspace.app_token}\n"
    )
    sys.stdout.flush()
    stop.wait()
    workspace.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
