"""Asks a web server for a file: http and https alone, to an address that was looked at first, every wait bounded.

A host's name is resolved here and the connection goes to the very address that was judged, so that neither a redirect nor a
name that changes its address in between leads to this machine or into a private network.
"""

from __future__ import annotations

import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias
from urllib.parse import SplitResult, quote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from recipes import VERSION
from recipes.errors import NOWHERE, DatasetError, Where

_Address: TypeAlias = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]
MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
FILE = (200, 206)
NO_SUCH_RANGE = 416
HEAD_PATIENCE = 3
"""How many reads' time a server has for everything before the file's first byte."""
LONGEST_RETRY_AFTER_S = 60.0
NAT64 = ipaddress.ip_network("64:ff9b::/96")
SAFE = "/%:@!$&'()*+,;=~-._?"


class FetchError(DatasetError):
    """A file was not fetched. ``passing`` where trying again may help, after ``retry_after_s`` where the server says so."""

    def __init__(self, message: str, *, url: str = "", remedy: str = "", passing: bool = False, retry_after_s: float = 0.0) -> None:
        super().__init__(message, where=Where(shown(url)) if url else NOWHERE, remedy=remedy)
        self.passing, self.retry_after_s = passing, retry_after_s


@dataclass(frozen=True, slots=True)
class Door:
    """How far a request may go: into private networks or not, with this long for one read, until this moment (monotonic)."""

    private_addresses: bool
    timeout_s: float
    deadline: float

    def patience_s(self) -> float:
        """How long the next wait may take; FetchError where no time is left."""
        left_s = self.deadline - time.monotonic()
        if left_s <= 0:
            raise FetchError("It did not come in time.", remedy="Try again: what came so far is kept.", passing=True)
        return min(self.timeout_s, left_s)


def is_url(text: str) -> bool:
    """Whether a text is meant as the address of something on the web."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def shown(url: str) -> str:
    """A URL as people and records may see it: without what follows the path, where access is often granted, and without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def require_url(url: str) -> SplitResult:
    """The parts of an http or https URL; FetchError for any other."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise FetchError(f"{url[:200]!r} is no URL: {error}.", remedy="Copy it from the browser's address line.") from error
    if parts.scheme not in ("http", "https"):
        raise FetchError(f"{parts.scheme or 'A URL without a scheme'}: is not fetched.", url=url, remedy="Give an http or https URL.")
    if not parts.hostname or port == 0 or len(url) > 4000 or any(ord(character) < 33 for character in url):
        raise FetchError(f"{url[:200]!r} is no URL.", remedy="Copy it from the browser's address line.")
    if "@" in parts.netloc:
        remedy = "Use a link that needs no password, or import from a host's folder."
        raise FetchError("A URL with a user's name or password in it is not kept.", url=url, remedy=remedy)
    return parts


class Answer:
    """A server's answer, its body still to come."""

    def __init__(self, url: str, door: Door, response: http.client.HTTPResponse) -> None:
        self.url, self.status, self.headers = url, response.status, response.headers
        self._door, self._response = door, response

    def read(self, size: int) -> bytes:
        """What has come, at most size bytes; none at the end. A passing FetchError where the connection broke or is silent."""
        with _in_words(self.url):
            self._door.patience_s()
            return self._response.read1(size)


@contextmanager
def ask(url: str, headers: Mapping[str, str], door: Door) -> Iterator[Answer]:
    """The answer to a GET, redirects followed and each judged anew. FetchError for everything but a file, a part of it or 416."""
    for _ in range(MOST_REDIRECTS + 1):
        connection = _Connection(require_url(url), door)
        with closing(connection), _asked(connection, url, headers) as response:
            location = response.headers.get("Location") if response.status in REDIRECTS else None
            if location is None:
                _require_file(response, url)
                yield Answer(url, door, response)
                return
            url = _following(url, location)
    raise FetchError(f"It leads on more than {MOST_REDIRECTS} times.", url=url, remedy="Give the address of the file itself.")


class _Connection(http.client.HTTPConnection):
    """Connects to an address that was judged, whatever the name means a moment later; where the house has a proxy, to that."""

    def __init__(self, parts: SplitResult, door: Door) -> None:
        self.default_port = 443 if parts.scheme == "https" else 80
        self.server, port = parts.hostname or "", parts.port or self.default_port
        self.proxy = _proxy(parts)
        super().__init__(*(self.proxy or (self.server, port)))
        self.door, self.tls = door, parts.scheme == "https"
        if self.proxy and self.tls:
            self.set_tunnel(self.server, port)
        self.was_cut = False
        self.sock: socket.socket | None = None

    def connect(self) -> None:
        """Resolve, judge, connect; then the handshake, as part of what may be cut short."""
        if self.proxy is None:
            self.sock = _connected(self.host, self.port, self.door)
        else:
            _judge_for_proxy(self.server, self.door)
            self.sock = socket.create_connection(self.proxy, self.door.patience_s())
        if self.tls:
            if self.proxy:
                self._tunnel()  # type: ignore[attr-defined]
            context = ssl.create_default_context()
            self.sock = wrapped = context.wrap_socket(self.sock, server_hostname=self.server, do_handshake_on_connect=False)
            wrapped.do_handshake()

    def cut(self) -> None:
        """End what is under way from another thread: a server may answer a byte at a time for ever."""
        self.was_cut = True
        if self.sock is not None:
            with suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _asked(connection: _Connection, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    origin = f"http://{parts.netloc}" if connection.proxy and not connection.tls else ""
    target = origin + quote(parts.path or "/", safe=SAFE) + (f"?{quote(parts.query, safe=SAFE)}" if parts.query else "")
    limit = threading.Timer(HEAD_PATIENCE * connection.door.patience_s(), connection.cut)
    limit.daemon = True
    limit.start()
    try:
        with _in_words(url):
            own = {"User-Agent": f"signalbox/{VERSION}", "Accept": "*/*", "Accept-Encoding": "identity", "Connection": "close"}
            connection.request("GET", target, headers={**own, **headers})
            response = connection.getresponse()
            if connection.was_cut:  # http.client takes the end of the bytes for the end of the headers
                response.close()
                raise TimeoutError("timed out")
            return response
    finally:
        limit.cancel()


def _proxy(parts: SplitResult) -> tuple[str, int] | None:
    """The proxy that the environment names (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), as for pip; one without a password."""
    named = getproxies().get(parts.scheme, "")
    if not named or proxy_bypass(parts.hostname or ""):
        return None
    proxy = urlsplit(named if "://" in named else f"http://{named}")
    return proxy.hostname or "", proxy.port or 8080


def _judge_for_proxy(host: str, door: Door) -> None:
    """Only the proxy knows where a name leads that cannot be resolved here."""
    try:
        _allowed(host, 0, door)
    except FetchError as error:
        if not isinstance(error.__cause__, OSError):
            raise


def _allowed(host: str, port: int, door: Door) -> Sequence[_Address]:
    """The addresses of a host to which a request may go; FetchError where there are none."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        passing = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise FetchError(f"There is no server {host}: {error}.", remedy="Look at the URL.", passing=passing) from error
    allowed = [entry for entry in found if door.private_addresses or is_public(str(entry[4][0]))]
    if not allowed:
        remedy = "Where that is meant, imports.private_addresses in the settings (or --private-addresses) allows it."
        address = str(found[0][4][0])
        named = host if host.strip("[]") == address else f"{host} ({address})"
        raise FetchError(f"{named} is this machine or in a private network.", remedy=remedy)
    return allowed


def _connected(host: str, port: int, door: Door) -> socket.socket:
    refusal: OSError = OSError("no address")
    for family, kind, protocol, _, address in _allowed(host, port, door):
        link = socket.socket(family, kind, protocol)
        try:
            link.settimeout(door.patience_s())
            link.connect(address)
        except OSError as error:
            link.close()
            refusal = error
        else:
            return link
    raise refusal


def is_public(address: str) -> bool:
    """Whether an IP address is one of the whole internet's, also where it carries an IPv4 address inside."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        inside = ipaddress.IPv4Address(ip.packed[-4:]) if ip in NAT64 else None
        ip = ip.ipv4_mapped or ip.sixtofour or inside or ip
    return ip.is_global and not ip.is_multicast


def _require_file(response: http.client.HTTPResponse, url: str) -> None:
    status = response.status
    if status in FILE and response.headers.get_content_type() == "text/html":
        raise FetchError("It is a web page, not a file.", url=url, remedy="Give the address of the download itself.")
    if status in FILE or status == NO_SUCH_RANGE:
        return
    if status in (401, 403):
        raise FetchError("The server does not let us read it.", url=url, remedy="Use a link that needs no login.")
    if status in (404, 410):
        raise FetchError("It is not there (any more).", url=url, remedy="Look at the URL.")
    again = response.headers.get("Retry-After", "")
    wait_s = min(float(again), LONGEST_RETRY_AFTER_S) if re.fullmatch(r"[0-9]{1,6}", again) else 0.0
    passing = status >= 500 or status in (408, 425, 429)
    raise FetchError(f"The server answered {status}.", url=url, remedy="Try again later.", passing=passing, retry_after_s=wait_s)


def _following(url: str, location: str) -> str:
    """Where a redirect leads; never from https to what anybody on the way can read and change."""
    try:
        following = urljoin(url, location)
    except ValueError as error:
        raise FetchError(f"It leads to {location[:200]!r}, which is no URL.", url=url, remedy="Give the address of the file.") from error
    if require_url(following).scheme == "http" and urlsplit(url).scheme == "https":
        raise FetchError(f"It leads from https to {shown(following)}.", url=url, remedy="Give the address of the file itself.")
    return following


@contextmanager
def _in_words(url: str) -> Iterator[None]:
    """What sockets, TLS and HTTP raise, as a FetchError of this URL."""
    try:
        yield
    except FetchError as error:
        raise FetchError(error.message, url=url, remedy=error.remedy, passing=error.passing) from error
    except ssl.SSLCertVerificationError as error:
        _fail(f"The server's certificate is not trusted: {error.verify_message}.", url, error, passing=False)
    except (OSError, http.client.HTTPException, ValueError) as error:
        _fail(f"The server did not send it: {error or type(error).__name__}.", url, error, passing=True)


def _fail(message: str, url: str, error: Exception, *, passing: bool) -> NoReturn:
    raise FetchError(message, url=url, remedy="Look at the server, then try again.", passing=passing) from error
