"""How hosts are reached."""

from __future__ import annotations

from runner.entities import Host, TransportName
from runner.transports.base import Transport
from runner.transports.calls import ScriptTransport
from runner.transports.local import LocalConnection


def open_transport(host: Host) -> Transport:
    """The transport of a host; nothing is connected before the first call."""
    if host.transport is TransportName.LOCAL:
        return ScriptTransport(host, LocalConnection())
    from runner.transports.ssh import SshConnection

    return ScriptTransport(host, SshConnection(host))
