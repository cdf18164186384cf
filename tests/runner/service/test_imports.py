"""What is asked of ``data add`` is judged before it is queued, and what is queued becomes a dataset, its source named."""

from __future__ import annotations

import http.server
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from shutil import make_archive

import pytest

from runner.entities import Host, TransportName
from runner.errors import NotAllowedError, RequestError
from runner.kinds import all_kinds
from runner.service.house import House, Requester
from runner.service.imports import submit_import
from runner.settings import Imports, Role
from runner.specs import IngestSpec, Origin
from runner.states import Reason
from runner.store import hosts
from tests.support.run_rows import house_in
from tests.support.scripted_house import scripted_house, write_coco

OPERATOR = Requester("U1", Role.OPERATOR, "test", "1")
MEMBER = Requester("U2", Role.MEMBER, "test", "2")
URL = "https://example.org/data/fish%20pond.zip?signature=secret"


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = house_in(tmp_path)
    with house.store.writing() as db:
        for name, transport in (("gpu-1", TransportName.SSH), ("local", TransportName.LOCAL)):
            hosts.put(db, Host(name, transport, "/r", address="gpu-1.example.org", user="u", key_path="~/.ssh/k", host_key="ssh-ed25519 A"))
    return house


@pytest.mark.parametrize(
    ("source", "dataset", "sha256", "sentence"),
    [
        ("fish.zip", "fish", None, "neither a URL"),
        ("/data/fish", "fish", None, "neither a URL"),
        ("ftp://example.org/fish.zip", "fish", None, "ftp: is not fetched"),
        ("https://me:secret@example.org/x.zip", "fish", None, "is not kept"),
        (URL, "Fish!", None, "cannot name a dataset"),
        (URL, "fish", "12", "no SHA-256"),
        ("gpu-1:/data/fish", "fish", "0" * 64, "is for a URL"),
        ("gpu-2:/data/fish", "fish", None, "There is no host gpu-2"),
        ("gpu-1:data/fish", "fish", None, "its absolute path"),
        ("gpu-1:~/fish", "fish", None, "its absolute path"),
        ("gpu-1:/data/../etc", "fish", None, "its absolute path"),
        ("gpu-1:/", "fish", None, "its absolute path"),
        ("gpu-1:/./", "fish", None, "its absolute path"),
        ("gpu-1:/data/fi\nsh", "fish", None, "its absolute path"),
    ],
)
def test_what_cannot_be_imported_is_refused_with_a_sentence(
    house: House, source: str, dataset: str, sha256: str | None, sentence: str
) -> None:
    with pytest.raises(RequestError, match=sentence):
        submit_import(house, OPERATOR, dataset=dataset, source=source, sha256=sha256)


def test_a_path_on_a_server_is_a_right_of_its_own(house: House) -> None:
    with pytest.raises(NotAllowedError, match="operator"):
        submit_import(house, MEMBER, dataset="fish", source="gpu-1:/data/fish")
    assert submit_import(house, MEMBER, dataset="fish", source=URL).spec


def test_what_is_queued_shows_no_secret_and_starts_the_right_program(house: House) -> None:
    spec = submit_import(house, MEMBER, dataset="fish", source=URL, sha256="a" * 64, format_name="coco").spec
    assert isinstance(spec, IngestSpec)
    assert (spec.origin, spec.archive, spec.file_name) == (Origin.URL, URL, "https://example.org/data/fish%20pond.zip")
    plans = {}
    for source in (URL, "gpu-1:/data//fish/", "local:/data/fish"):
        run = submit_import(house, OPERATOR, dataset="fish", source=source)
        plans[source] = all_kinds()[run.kind].work(house, run, host=hosts.get(house.store.reading(), "local"), environment=None).plan
    url, far, near = plans.values()
    assert "--private-addresses" not in url.argv
    assert url.argv[3:5] == ("ingest", URL)
    assert far.argv[2:5] == ("runner.host_folder", "host.json", "/data/fish")
    assert (far.argv[far.argv.index("ingest") + 1], near.argv[near.argv.index("ingest") + 1]) == ("/dev/stdin", "/data/fish")
    assert b"gpu-1.example.org" in far.files["host.json"]


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.slow
def test_a_url_and_a_hosts_folder_become_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = write_coco(tmp_path / "coco")
    (tmp_path / "served").mkdir()
    make_archive(str(tmp_path / "served" / "fish"), "gztar", folder)
    imports = Imports(private_addresses=True)
    with serving(tmp_path / "served") as url, scripted_house(Path(tempfile.mkdtemp(prefix="house")), imports=imports) as play:
        with play.running():
            asked = {source: submit_import(play.house, play.who(source), dataset=name, source=source) for name, source in (
                ("web", f"{url}/fish.tar.gz?key=1"), ("far", f"gpu-1:{folder}"), ("near", f"local:{folder}"), ("gone", f"{url}/no.zip"),
            )}  # fmt: skip
            reasons = [play.wait(run, Reason.COMPLETED, Reason.DATA_ERROR) for run in asked.values()]
        web, far, near = (play.house.catalog.get(name) for name in ("web", "far", "near"))
        assert web.fingerprint == far.fingerprint == near.fingerprint
        assert web.lineage.source == f"{url}/fish.tar.gz"
        assert far.lineage.source == f"gpu-1:{folder}"
        assert "It is not there" in reasons[-1].run.detail
        assert not list((play.house.settings.catalog / "downloads").iterdir())
