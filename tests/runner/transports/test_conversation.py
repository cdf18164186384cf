"""One script over one pipe never harms what else goes over the same connection."""

from __future__ import annotations

import time
from collections.abc import Iterator

from runner.transports.conversation import Kept, converse
from runner.transports.pipe import Deadline
from runner.transports.scripts import whole
from runner.transports.ssh import SshConnection
from tests.support.hosts import Reached


def late(data: bytes) -> Iterator[bytes]:
    """Input whose sender gets its next turn only after the command has ended, as on a busy machine."""
    yield data
    time.sleep(0.5)


def test_a_sender_that_is_late_does_not_cut_the_connection_of_the_others(ssh_host: Reached) -> None:
    connection = SshConnection(ssh_host.host)
    other = connection.open(Deadline.after(10))
    kept = Kept()
    pipe = connection.open(Deadline.after(10))
    finished = converse(pipe, whole("head -c 5"), source=late(b"hello"), sink=kept, deadline=Deadline.after(10))
    pipe.close()
    assert (finished.exit_code, kept.bytes()) == (0, b"hello")
    assert converse(other, whole("echo alive"), source=None, sink=kept, deadline=Deadline.after(10)).exit_code == 0
    assert kept.bytes() == b"helloalive\n"
    connection.close()
