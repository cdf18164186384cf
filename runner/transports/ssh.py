"""A host reached over ssh. The only home of paramiko.

paramiko 5: leaves Nagle on; ``exec_command`` and ``exit_status`` know no time-out; there is no ServerAliveCountMax; it sends input
behind the end of a channel. Hence the socket options, the timer around opening, the wait for the exit on its event, the order.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import paramiko

from runner.entities import Host
from runner.errors import HostError, UnreachableError
from runner.transports.pipe import Deadline, Received

COMMAND = "exec sh -s"
CONNECT_TIMEOUT_S, CLOSE_TIMEOUT_S = 10.0, 0.2
KEEPALIVE_S = 5
# Unacknowledged for this long, the kernel gives the connection up: with the keepalive, this finds a network that has gone.
SILENCE_MS = 20_000
# sshd's MaxSessions is 10 by default; two are left to others that share the login.
SESSIONS = 8
# Staging a run (what is missing, then its directory) and launching it follow each other at once: with two, the launch waited for a login.
# And a login costs a host more than most commands: the one that a shell was taken for goes first.
SPARES, REFILL_PAUSE_S = 3, 0.2
# A busy sshd counts a session until it has reaped its shell, a while after the shell ended.
REFUSED_PATIENCE_S, REFUSED_PAUSE_S = 5.0, 0.05
# Whoever had little time left would otherwise take a connection that lives for dead.
OPENING_S = 1.0
BLOCK = 64 * 1024
# What OpenSSH takes in one packet, less the 64 bytes that paramiko keeps free; given more, paramiko copies all the rest for each packet.
PACKET_BYTES = 32 * 1024 - 64
SLICE_S = 0.5
# The fast one first: these processors do AES-GCM in hardware, and it needs no separate checksum.
CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
# SSH_MSG_CHANNEL_EOF and SSH_MSG_CHANNEL_CLOSE (RFC 4254, section 5.3).
GOODBYES = (96, 97)

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())
# paramiko's threads report what our calls raise anyway.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Released(Protocol):
    """What is told once a shell is let go of: whether it ever answered."""

    def __call__(self, *, answered: bool) -> None: ...


class SessionRefusedError(UnreachableError):
    """The host's sshd opens no further session on this connection."""


class OrderlyTransport(paramiko.Transport):
    """Says no word of a channel behind its goodbye: for that, sshd ends the connection under everybody's commands.

    paramiko's thread answers the goodbye of a command that ended, while another one is about to send it the rest of its input.
    """

    def __init__(self, link: socket.socket) -> None:
        super().__init__(link)
        self._order = threading.Lock()
        self._held: dict[int, tuple[int, list[paramiko.Message]]] = {}

    @contextlib.contextmanager
    def sending(self, channel: paramiko.Channel) -> Iterator[None]:
        """What this thread sends goes out before the goodbye of any other; one thread at a time for a channel."""
        number = channel.remote_chanid
        goodbyes: list[paramiko.Message] = []
        with self._order:
            self._held[number] = threading.get_ident(), goodbyes
        try:
            yield
        finally:
            with self._order:
                del self._held[number]
            for message in goodbyes:
                super()._send_user_message(message)  # type: ignore[misc]

    def _send_user_message(self, data: paramiko.Message) -> None:
        """Not to wait here, but to leave the goodbye to who sends: that one may itself wait for paramiko's thread."""
        words = data.asbytes()
        if words[0] in GOODBYES:
            with self._order:
                sender, goodbyes = self._held.get(int.from_bytes(words[1:5], "big"), (None, []))
                if sender not in (None, threading.get_ident()):
                    goodbyes.append(data)
                    return
        super()._send_user_message(data)  # type: ignore[misc]


class SshConnection:
    """One connection to a host, made when first needed and again after a break. Pinned host key, user key file, nothing else."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._lock = threading.Lock()
        self._transport: OrderlyTransport | None = None
        self._sessions = threading.BoundedSemaphore(SESSIONS)
        self._spares: list[SshPipe] = []
        self._refilling = False
        self._closed = False

    def open(self, deadline: Deadline) -> SshPipe:
        """Open a session and start the shell in it, or take one that waits. HostError (key, login) or UnreachableError."""
        patience = Deadline.after(min(REFUSED_PATIENCE_S, deadline.left_s()))
        while True:
            try:
                pipe = self._spare() or self._fresh(deadline)
            except SessionRefusedError:
                time.sleep(REFUSED_PAUSE_S)
                if patience.passed:
                    raise
            else:
                self._refill()
                return pipe

    def close(self) -> None:
        """Close the connection with all that runs over it, for good; does not wait for one that is being made."""
        self._closed = True
        if not self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            return  # Whoever makes one sees that it is not wanted any more.
        try:
            transport, self._transport = self._transport, None
            spares, self._spares = self._spares, []
        finally:
            self._lock.release()
        if transport is not None:
            transport.close()
        for spare in spares:
            spare.close()

    def _spare(self) -> SshPipe | None:
        while True:
            with self._lock:
                if not self._spares:
                    return None
                spare = self._spares.pop(0)
            if spare.alive:
                return spare
            spare.close()

    def _refill(self) -> None:
        """Start the next shells beforehand: a login shell's start files (conda, pyenv) often take longer than all else."""
        with self._lock:
            if self._refilling or len(self._spares) >= SPARES or self._transport is None:
                return
            self._refilling = True
        threading.Thread(target=self._open_spares, args=(self._transport,), name=f"spares-{self._host.name}", daemon=True).start()

    def _open_spares(self, transport: OrderlyTransport) -> None:
        time.sleep(REFILL_PAUSE_S)
        try:
            while len(self._spares) < SPARES and self._sessions.acquire(blocking=False):
                spare = self._pipe(transport, Deadline.after(CONNECT_TIMEOUT_S))
                with self._lock:
                    wanted = self._transport is transport
                    if wanted:
                        self._spares.append(spare)
                if not wanted:
                    spare.close()
                    return
        except UnreachableError:
            return  # Whoever needs a session next finds out, and says so.
        finally:
            self._refilling = False

    def _fresh(self, deadline: Deadline) -> SshPipe:
        if not self._sessions.acquire(timeout=deadline.left_s()):
            raise UnreachableError(f"{self._host.name} is busy with {SESSIONS} other commands of ours and had no turn in time.")
        try:
            transport = self._connected(deadline)
        except BaseException:
            self._sessions.release()
            raise
        return self._pipe(transport, deadline)

    def _pipe(self, transport: OrderlyTransport, deadline: Deadline) -> SshPipe:
        """A shell in a session of its own; its turn was taken before and is given back with it."""
        try:
            return SshPipe(self._session(transport, deadline), transport, self._host.name, self._released)
        except BaseException:
            self._sessions.release()
            raise

    def _released(self, *, answered: bool) -> None:
        """A shell that never said a word makes those that wait as doubtful: the next command opens its own, and finds out in time."""
        self._sessions.release()
        # Who holds the lock for longer than a moment is connecting anew, and then no shell of before is alive.
        if answered or not self._lock.acquire(timeout=0.1):
            return
        doubtful, self._spares = self._spares, []
        self._lock.release()
        for spare in doubtful:
            spare.close()

    def _connected(self, deadline: Deadline) -> OrderlyTransport:
        if not self._lock.acquire(timeout=deadline.left_s()):
            raise UnreachableError(f"{self._host.name} did not answer in time.")
        try:
            if self._transport is None or not self._transport.is_active():
                self._transport = connect(self._host, deadline)
            if self._closed:
                self._transport.close()
                raise UnreachableError(f"The connection to {self._host.name} was closed.")
            return self._transport
        finally:
            self._lock.release()

    def _session(self, transport: OrderlyTransport, deadline: Deadline) -> paramiko.Channel:
        """A connection on which no session opens in time is as good as dead: the timer closes it."""
        left_s = max(OPENING_S, deadline.left_s())
        timer = threading.Timer(left_s, transport.close)
        timer.daemon = True
        timer.start()
        try:
            channel = transport.open_session(timeout=2 * left_s)
            channel.exec_command(COMMAND)
        except (paramiko.SSHException, EOFError, OSError) as error:
            if not transport.is_active():
                raise UnreachableError(f"{self._host.name} opened no session in time: {error}.") from error
            # Of several sessions refused at once, paramiko keeps one reason alone; the others only do not open.
            raise SessionRefusedError(
                f"{self._host.name} opens no further session ({getattr(error, 'text', error)}). "
                f"Its sshd may allow fewer than {SESSIONS}: raise MaxSessions."
            ) from error
        else:
            return channel
        finally:
            timer.cancel()


class SshPipe:
    """A ``sh -s`` in one session of a connection."""

    def __init__(self, channel: paramiko.Channel, transport: OrderlyTransport, name: str, released: Released) -> None:
        self._channel = channel
        self._transport = transport
        self._name = name
        self._released = released
        self._answered = False
        self._sending = threading.Lock()
        self._closing = threading.Lock()
        self._closed = False
        self._poll = select.poll()
        self._poll.register(channel.fileno(), select.POLLIN)

    @property
    def alive(self) -> bool:
        """Whether nothing speaks against it: no end seen, the connection up."""
        return self._transport.is_active() and not (self._channel.closed or self._channel.eof_received or self._closed)

    def send(self, data: bytes) -> None:
        """Give it input."""
        try:
            with self._sending, self._transport.sending(self._channel):
                for at in range(0, len(data), PACKET_BYTES):
                    self._channel.sendall(data[at : at + PACKET_BYTES])
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(f"{self._name} takes no more input: the connection or the command ended.") from error

    def finish(self) -> None:
        """Its input ends here."""
        with contextlib.suppress(OSError, EOFError, paramiko.SSHException), self._sending, self._transport.sending(self._channel):
            self._channel.shutdown_write()

    def receive(self, timeout_s: float) -> Received:
        """Wait for output of either kind. UnreachableError where the connection breaks over it."""
        channel, until = self._channel, Deadline.after(timeout_s)
        # In slices: paramiko closes the descriptor first and never wakes who polls it.
        while not (self._closed or channel.recv_ready() or channel.recv_stderr_ready()):
            if self._poll.poll(min(SLICE_S, until.left_s()) * 1000) or until.passed:
                break
        ending = bool(channel.eof_received or channel.closed or self._closed)
        try:  # to take something in sends a word as well: that there is room for more
            stdout = channel.recv(BLOCK) if channel.recv_ready() else b""
            stderr = channel.recv_stderr(BLOCK) if channel.recv_stderr_ready() else b""
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise UnreachableError(f"The connection to {self._name} broke while a command ran.") from error
        self._answered = self._answered or bool(stdout or stderr)
        return Received(stdout, stderr, ended=ending and not stdout and not stderr)

    def exit_code(self, timeout_s: float) -> int:
        """What the host says. UnreachableError where it says only that the shell is gone: nothing is known then."""
        if not self._channel.status_event.wait(timeout_s):
            raise UnreachableError(f"{self._name} closed a command's output but did not say in time how it ended.")
        code = self._channel.exit_status
        if code < 0:
            raise UnreachableError(f"The connection to {self._name} broke while a command ran, or the command was killed there.")
        return code

    def close(self) -> None:
        """Let go of it."""
        if self._first_close():
            with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
                self._channel.close()

    def abandon(self) -> None:
        """Somebody still waits to send, so a goodbye could wait as well: close the connection instead."""
        if self._first_close():
            self._transport.close()

    def _first_close(self) -> bool:
        with self._closing:
            first, self._closed = not self._closed, True
        if first:
            self._released(answered=self._answered)
        return first


def connect(host: Host, deadline: Deadline) -> OrderlyTransport:
    """Connect, compare the host's key with the pinned one, and only then log in with the user's key."""
    key = _user_key(host)
    timeout_s = min(CONNECT_TIMEOUT_S, deadline.left_s())
    try:
        link = socket.create_connection((host.address, host.port), timeout=timeout_s)
    except OSError as error:
        raise UnreachableError(f"{host.name} ({host.address}:{host.port}) does not answer: {error.strerror or error}.") from error
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)
    try:
        transport = OrderlyTransport(link)
    except paramiko.SSHException as error:
        link.close()
        raise UnreachableError(f"{host.name} ({host.address}:{host.port}) speaks no ssh: {error}.") from error
    try:
        _greet(transport, host, timeout_s)
        _log_in(transport, host, key)
    except BaseException:
        transport.close()
        raise
    transport.set_keepalive(KEEPALIVE_S)
    return transport


def _user_key(host: Host) -> paramiko.PKey:
    path = Path(host.key_path).expanduser()
    try:
        return paramiko.PKey.from_path(path)
    except (OSError, ValueError, TypeError, paramiko.SSHException) as error:
        if "password" in str(error).lower():
            raise HostError(f"The key {path} for {host.name} asks for a passphrase. Give Signalbox a key without one.") from error
        why = getattr(error, "strerror", None) or error
        raise HostError(f"The key {path} for {host.name} cannot be read: {why}. Name a private key file with --key-file.") from error


def _greet(transport: paramiko.Transport, host: Host, timeout_s: float) -> None:
    transport.banner_timeout = transport.auth_timeout = transport.handshake_timeout = timeout_s
    options = transport.get_security_options()
    options.ciphers = (*CIPHERS, *(cipher for cipher in options.ciphers if cipher not in CIPHERS))
    options.key_types = _pinned_first(host.host_key, tuple(options.key_types))
    until = time.monotonic() + timeout_s
    try:
        transport.start_client(timeout=timeout_s)
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{host.name} ({host.address}:{host.port}) did not agree on a connection: {error}.") from error
    if not transport.initial_kex_done or time.monotonic() > until + 1:
        raise UnreachableError(f"{host.name} ({host.address}:{host.port}) did not finish its greeting in {timeout_s:.0f} s.")
    _check_host_key(host, transport.get_remote_server_key())


def _pinned_first(host_key: str, key_types: tuple[str, ...]) -> tuple[str, ...]:
    """A server has several keys: ask for the pinned kind (an ssh-rsa key signs as rsa-sha2-…)."""
    kind = host_key.split(" ", 1)[0]
    wanted = "rsa-sha2" if kind == "ssh-rsa" else kind or "ssh-ed25519"
    return tuple(sorted(key_types, key=lambda name: not name.startswith(wanted)))


def _check_host_key(host: Host, key: paramiko.PKey) -> None:
    offered = f"{key.get_name()} {key.get_base64()}"
    if " ".join(host.host_key.split()[:2]) == offered:
        return
    trouble = "shows another key than the pinned one" if host.host_key.strip() else "shows a key that is not pinned yet"
    raise HostError(
        f"{host.name} ({host.address}:{host.port}) {trouble}, and nothing was sent to it. If you know that this key is right, pin it: "
        f'signalbox host add {host.name} {host.user}@{host.address}:{host.port} --host-key "{offered}"'
    )


def _log_in(transport: paramiko.Transport, host: Host, key: paramiko.PKey) -> None:
    try:
        left = transport.auth_publickey(host.user, key)
    except paramiko.AuthenticationException as error:
        raise HostError(
            f"{host.name} refuses the key {host.key_path} for {host.user}: {error}. Add its public half to ~/.ssh/authorized_keys there."
        ) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise UnreachableError(f"{host.name} did not finish the login: {error}.") from error
    if left:
        raise HostError(f"{host.name} wants more than a key from {host.user} ({', '.join(left)}). Allow key login alone.")
