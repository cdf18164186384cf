"""Downloads from a real server on loopback, kind and hostile."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from recipes.arriving import fetching, web
from recipes.arriving.fetching import FetchLimits, fetched
from recipes.arriving.web import FetchError, is_public, require_url, shown

DATA = b"PK\x03\x04" + bytes(range(256)) * 4000
LIMITS = FetchLimits(private_addresses=True, read_timeout_s=2.0, timeout_s=20.0, pause_s=0.0)
Answering = Callable[["Served"], None]


class Served(BaseHTTPRequestHandler):
    """Answers as the test says; remembers what was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers.items()))  # type: ignore[attr-defined]
        self.server.answering(self)  # type: ignore[attr-defined]
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def begin(self, status: int, **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def part(self, data: bytes = DATA, *, tag: str = '"v1"', at_most: int | None = None) -> None:
        """What a good server sends for Range and If-Range; at_most bytes of it before the connection drops."""
        span = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(span[1]) if span and self.headers.get("If-Range") == tag else 0
        body = data[begin:]
        ranged = {"Content_Range": f"bytes {begin}-{len(data) - 1}/{len(data)}"} if begin else {}
        self.begin(206 if begin else 200, ETag=tag, Content_Length=len(body), **ranged)
        self.wfile.write(body[:at_most])


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A client that hung up is no trouble."""


@contextmanager
def serving(answering: Answering, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[dict[str, str]]]]:
    server = Server(("127.0.0.1", 0), Served)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    server.answering, server.asked = answering, []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def take(url: str, folder: Path, limits: FetchLimits = LIMITS, **rest: str) -> tuple[str, bytes]:
    with fetched(url, folder, limits, **rest) as path:  # type: ignore[arg-type]
        return path.name, path.read_bytes()


def refused(answering: Answering, folder: Path, limits: FetchLimits = LIMITS, path: str = "/fish.zip", **rest: str) -> FetchError:
    with serving(answering) as (url, _), pytest.raises(FetchError) as caught:
        take(url + path, folder, limits, **rest)
    assert caught.value.remedy
    assert caught.value.passing == any(folder.glob("*/part")), "kept where trying again may help, and only there"
    return caught.value


def test_a_file_is_fetched_whole_with_progress_in_bytes_and_its_sum(tmp_path: Path) -> None:
    said: list[tuple[int, int, str]] = []
    with serving(Served.part) as (url, _):
        sha256 = hashlib.sha256(DATA).hexdigest().upper()
        with fetched(f"{url}/a/fish%20pond.zip?token=1", tmp_path, LIMITS, sha256=sha256, progress=lambda *step: said.append(step)) as path:
            assert (path.name, path.read_bytes()) == ("fish pond.zip", DATA)
    assert list(tmp_path.iterdir()) == []
    assert (len(DATA), len(DATA), "downloading") in said
    assert all(total in (len(DATA), 0) and done <= len(DATA) for done, total, _ in said)


def test_a_dropped_connection_is_resumed_where_it_broke(tmp_path: Path) -> None:
    with serving(lambda served: served.part(at_most=len(DATA) // 3)) as (url, asked):
        assert take(f"{url}/fish.zip", tmp_path) == ("fish.zip", DATA)
    begins = [int(each.get("Range", "bytes=0-")[6:-1]) for each in asked]
    assert begins == sorted(set(begins))
    assert len(begins) == 4
    assert [each.get("If-Range") for each in asked] == [None, '"v1"', '"v1"', '"v1"']


def test_a_later_process_goes_on_and_a_changed_file_starts_anew(tmp_path: Path) -> None:
    with serving(lambda served: served.part(at_most=400_000 if "Range" not in served.headers else 0)) as (url, asked):
        with pytest.raises(FetchError, match="broke off after 400,000 of 1,024,004 bytes"):
            take(f"{url}/fish.zip", tmp_path)
        assert len(asked) == 1 + fetching.FRUITLESS
        port = int(url.rsplit(":", 1)[1])
    other = b"PK\x03\x04" + bytes(1000)
    for data, tag, begin in ((DATA, '"v1"', 400_000), (other, '"v2"', 0)):
        if begin == 0:
            (place,) = _kept(tmp_path, url)
            (place / "part").write_bytes(DATA[:400_000])
            (place / "note").write_text('{"validator": "\\"v1\\"", "name": "fish.zip"}')
        server = Server(("127.0.0.1", port), Served)
        server.answering, server.asked = lambda served, data=data, tag=tag: served.part(data, tag=tag), []  # type: ignore[attr-defined,misc]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        assert take(f"{url}/fish.zip", tmp_path)[1] == data
        assert server.asked[0]["Range"] == "bytes=400000-"  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()
        server.server_close()


def _kept(folder: Path, url: str) -> list[Path]:
    place = folder / hashlib.sha256(f"{url}/fish.zip".encode()).hexdigest()[:32]
    place.mkdir(exist_ok=True)
    return [place]


def test_a_server_without_ranges_is_asked_for_all_again(tmp_path: Path) -> None:
    tries: list[int] = []

    def answering(served: Served) -> None:
        tries.append(1)
        served.begin(200, Content_Length=len(DATA))
        served.wfile.write(DATA if len(tries) == 3 else DATA[: 1000 * len(tries)])

    with serving(answering) as (url, asked):
        assert take(f"{url}/fish.zip", tmp_path)[1] == DATA
    assert not any("Range" in each for each in asked)


def test_a_server_that_cannot_go_on_is_asked_anew(tmp_path: Path) -> None:
    def answering(served: Served) -> None:
        if "Range" not in served.headers:
            served.part(at_most=None if len(served.server.asked) > 2 else 1000)  # type: ignore[attr-defined]
        elif len(served.server.asked) == 2:  # type: ignore[attr-defined]
            served.begin(416, Content_Length=0)

    with serving(answering) as (url, _):
        assert take(f"{url}/fish.zip", tmp_path)[1] == DATA


@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/get?id=3", {"Content_Disposition": 'attachment; filename="../../etc/my fish.zip"'}, "my fish.zip"),
        ("/get", {"Content_Disposition": "attachment; filename*=UTF-8''f%C3%BCsche.tar.gz"}, "füsche.tar.gz"),
        ("/a/..%2F..%2Fevil.zip", {}, "evil.zip"),
        ("/download", {}, "download.zip"),
        ("/", {}, "download.zip"),
        ("/.zip", {}, "zip.zip"),
    ],
)
def test_the_files_name_is_what_the_server_calls_it_and_never_a_path(tmp_path: Path, path: str, headers: dict[str, str], name: str) -> None:
    def answering(served: Served) -> None:
        served.begin(200, Content_Length=len(DATA), **headers)
        served.wfile.write(DATA)

    with serving(answering) as (url, _):
        assert take(url + path, tmp_path)[0] == name


def test_redirects_are_followed_and_each_is_judged(tmp_path: Path) -> None:
    def answering(served: Served) -> None:
        where = {"/fish.zip": "two", "/two": "/three/fish-3.zip"}.get(served.path)
        served.begin(302, Location=where, Content_Length=0) if where else served.part()

    with serving(answering) as (url, _):
        assert take(f"{url}/fish.zip", tmp_path)[0] == "fish-3.zip"
    for target, sentence in (
        ("file:///etc/passwd", "file: is not fetched"), ("ftp://example.org/x", "ftp: is not fetched"),
        ("http://[::1", "is no URL"), ("/fish.zip", "leads on more than 5 times"), ("http://u:p@127.0.0.1/", "password in it"),
    ):
        assert sentence in str(refused(lambda served, to=target: served.begin(302, Location=to, Content_Length=0), tmp_path))  # type: ignore[misc]


def test_private_addresses_are_refused_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = replace(LIMITS, private_addresses=False)
    with serving(Served.part) as (url, asked):
        with pytest.raises(FetchError, match=r"127\.0\.0\.1 is this machine or in a private network"):
            take(f"{url}/fish.zip", tmp_path, strict)
        # A public server that leads on to this machine: only the first address passes for public.
        verdicts = iter([True])
        monkeypatch.setattr(web, "is_public", lambda address: next(verdicts, False))

        def leads_on(served: Served) -> None:
            served.begin(307, Location=f"{url}/fish.zip", Content_Length=0)

        with serving(leads_on) as (outer, _), pytest.raises(FetchError, match="private network"):
            take(f"{outer}/fish.zip", tmp_path, strict)
        assert asked == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("2606:4700::1111", True), ("127.0.0.1", False), ("10.0.0.1", False), ("169.254.169.254", False),
        ("192.168.1.1", False), ("100.64.0.1", False), ("0.0.0.0", False), ("224.0.0.1", False), ("255.255.255.255", False), ("::1", False),
        ("::", False), ("fe80::1", False), ("fd00::1", False), ("::ffff:127.0.0.1", False), ("::ffff:8.8.8.8", True),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("fe80::1%lo", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://example.org/x.zip", "ftp: is not fetched"), ("file:///etc/passwd", "file: is not fetched"), ("http://", "is no URL"),
        ("https://a:b@example.org/x", "is not kept"), ("http://example.org:99999/", "is no URL"), ("http://[x/", "is no URL"),
        ("http://example.org/a\nb", "is no URL"), ("http://example.org/" + "a" * 5000, "is no URL"),
    ],
)
def test_what_is_no_address_of_a_file_is_refused(url: str, sentence: str) -> None:
    with pytest.raises(FetchError, match=sentence) as caught:
        require_url(url)
    assert len(str(caught.value)) < 500


def test_what_people_see_of_an_address_grants_nothing() -> None:
    assert shown("https://me:secret@example.org/a/fish.zip?X-Amz-Signature=1#x") == "https://example.org/a/fish.zip"


def endless(served: Served) -> None:
    served.begin(200)
    while True:
        served.wfile.write(bytes(100_000))


def dripping(served: Served) -> None:
    served.begin(200, Content_Length=len(DATA))
    for byte in DATA:
        served.wfile.write(bytes([byte]))
        time.sleep(0.02)


def dripping_head(served: Served) -> None:
    for _ in range(1000):
        served.wfile.write(b"H")
        time.sleep(0.02)


def dripping_headers(served: Served) -> None:
    served.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for number in range(90):
        served.wfile.write(f"X-{number}: y\r\n".encode())
        time.sleep(0.05)


def silent(served: Served) -> None:
    time.sleep(1.0)


HASTY = replace(LIMITS, timeout_s=1.0, read_timeout_s=0.3)


@pytest.mark.parametrize(
    ("answering", "limits", "sentence"),
    [
        (endless, replace(LIMITS, max_bytes=1_000_000), "at most 1,000,000 are taken"),
        (Served.part, replace(LIMITS, max_bytes=1_000_000), "It has 1,024,004 bytes or more"),
        (dripping, HASTY, "did not come in time"),
        (dripping_head, HASTY, "did not send it"),
        (dripping_headers, HASTY, "did not send it"),
        (silent, HASTY, "did not send it: timed out"),
        (lambda served: served.begin(404, Content_Length=0), LIMITS, "not there"),
        (lambda served: served.begin(403, Content_Length=0), LIMITS, "does not let us read it"),
        (lambda served: served.begin(503, Content_Length=0), LIMITS, "answered 503"),
        (lambda served: served.begin(302, Content_Length=0), LIMITS, "answered 302"),
        (lambda served: served.begin(200, Content_Type="text/html", Content_Length=5), LIMITS, "a web page"),
        (lambda served: served.wfile.write(b"\x00\xff" * 50_000), LIMITS, "did not send it"),
        (lambda served: served.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000), LIMITS, "did not send it"),
        (lambda served: served.begin(206, Content_Range="bytes 5-9/10", Content_Length=5), LIMITS, "fetched anew"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_hostile_servers_are_left_with_a_sentence(tmp_path: Path, answering: Answering, limits: FetchLimits, sentence: str) -> None:
    started = time.monotonic()
    assert sentence in str(refused(answering, tmp_path, limits))
    assert time.monotonic() - started < 5


def test_a_server_too_slow_to_wait_for_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "DRIP_WINDOW_S", 0.2)
    monkeypatch.setattr(fetching, "FRUITLESS", 1)
    assert "sends only" in str(refused(dripping, tmp_path, replace(LIMITS, timeout_s=3.0)))


def test_a_wrong_sum_and_a_wrong_kind_of_file_leave_nothing(tmp_path: Path) -> None:
    assert "Its SHA-256 is" in str(refused(Served.part, tmp_path, sha256="0" * 64))
    assert "is no SHA-256" in str(refused(Served.part, tmp_path, sha256="12"))
    assert "no archive, by its name" in str(refused(lambda served: served.part(b"\x89PNG"), tmp_path, path="/picture.png"))
    assert list(tmp_path.iterdir()) == []


def test_a_certificate_is_trusted_or_nothing_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    self_signed(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(Served.part, context) as (url, asked):
        address = url.replace("http://127.0.0.1", "https://localhost")
        with pytest.raises(FetchError, match="certificate is not trusted: self-signed"):
            take(f"{address}/fish.zip", tmp_path / "got")
        assert asked == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert take(f"{address}/fish.zip", tmp_path / "got")[1] == DATA
        with pytest.raises(FetchError, match="certificate is not trusted: IP address mismatch"):
            take(f"{url.replace('http', 'https')}/fish.zip", tmp_path / "got")
        plain = url.replace("https", "http")

        def leads_on(served: Served) -> None:
            served.begin(302, Location=f"{plain}/fish.zip", Content_Length=0)

        with serving(leads_on, context) as (outer, _), pytest.raises(FetchError, match="leads from https to http://"):
            take(f"{outer.replace('http://127.0.0.1', 'https://localhost')}/fish.zip", tmp_path / "got")


def test_the_proxy_of_the_house_is_used_and_private_addresses_stay_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    through: list[str] = []

    def forwards(served: Served) -> None:
        through.append(served.path)
        served.part()

    with serving(forwards) as (url, asked):
        monkeypatch.setenv("http_proxy", url)
        assert take("http://fish.invalid/a/fish.zip", tmp_path)[1] == DATA
        assert through == ["http://fish.invalid/a/fish.zip"]
        assert asked[0]["Host"] == "fish.invalid"
        with pytest.raises(FetchError, match="in a private network"):
            take("http://127.0.0.2/fish.zip", tmp_path, replace(LIMITS, private_addresses=False))
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert take(f"{url}/fish.zip", tmp_path)[1] == DATA
        assert through[1:] == ["/fish.zip"]


def test_https_goes_through_the_proxy_as_a_tunnel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    self_signed(key, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(Served.part, context) as (url, _), serving(Served.part) as (proxy, _):
        port = int(url.rsplit(":", 1)[1])
        monkeypatch.setenv("https_proxy", proxy.removeprefix("http://"))
        monkeypatch.setattr(Served, "do_CONNECT", lambda served: tunnel(served, port), raising=False)
        assert take("https://localhost/fish.zip", tmp_path / "got")[1] == DATA
        monkeypatch.setattr(Served, "do_CONNECT", lambda served: served.send_error(403), raising=False)
        with pytest.raises(FetchError, match="Tunnel connection failed: 403"):
            take("https://localhost/fish.zip", tmp_path / "got", replace(LIMITS, timeout_s=1.0))


def tunnel(served: Served, port: int) -> None:
    """Pass bytes both ways, as a proxy does."""
    assert served.path == "localhost:443"
    served.begin(200)
    with socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=pump, args=(far, served.connection))
        back.start()
        pump(served.connection, far)
        back.join()
    served.close_connection = True


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def self_signed(key_file: Path, certificate_file: Path) -> None:
    """A key and a certificate for localhost, valid today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_file.write_bytes(key.private_bytes(*plain))
    certificate_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))


def test_one_address_is_fetched_once_at_a_time(tmp_path: Path) -> None:
    with serving(Served.part) as (url, _), fetched(f"{url}/fish.zip", tmp_path, LIMITS):
        with pytest.raises(FetchError, match="being fetched already"):
            take(f"{url}/fish.zip", tmp_path)
        assert take(f"{url}/other.zip", tmp_path)[1] == DATA


def test_a_name_that_nobody_serves_and_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"no server nowhere\.invalid"):
        take("http://nowhere.invalid/fish.zip", tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(FetchError, match="Connection refused"):
        take(f"http://127.0.0.1:{port}/fish.zip", tmp_path)
