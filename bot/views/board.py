"""How to look at TensorBoard: it listens on its host alone, so a line of ssh leads there."""

from __future__ import annotations

import shlex
from datetime import timedelta, tzinfo

from bot.views.words import clock, code
from runner.entities import Host, TransportName
from runner.service.views import RunView
from runner.specs import BoardSpec
from runner.states import State

HERE = 6006
"""The port on the reader's own machine: TensorBoard's usual one."""


def board_lines(view: RunView, *, zone: tzinfo) -> str:
    """The line to copy, the address to open and when it ends, once a board listens; empty for any other run."""
    run, port = view.run, view.result.get("port")
    if not isinstance(run.spec, BoardSpec) or run.state is not State.RUNNING:
        return ""
    if not isinstance(port, int) or view.host is None:
        return "The line that leads to it appears here as soon as it listens."
    begun = run.started_at or run.created_at
    ends = clock(begun + timedelta(hours=run.spec.hours), zone, near=begun)
    if view.host.transport is TransportName.LOCAL:
        return f"Open {code(f'http://localhost:{port}')} on the machine of Signalbox. It ends by itself at {ends}."
    return f"On your machine: {code(_tunnel(view.host, port))}\nthen open {code(f'http://localhost:{HERE}')}. It ends by itself at {ends}."


def _tunnel(host: Host, port: int) -> str:
    login = f"{host.user}@{host.address}" if host.user else host.address
    return shlex.join(["ssh", "-N", "-L", f"{HERE}:localhost:{port}", *(["-p", str(host.port)] if host.port != 22 else []), login])
