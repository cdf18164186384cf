"""Start checkpoints: fetched here once, sent to the host before preparing, and used by the run."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recipes.arriving.fetching import FetchLimits
from recipes.catalog.catalog import Catalog
from recipes.catalog.removal import sweep
from recipes.errors import DatasetError
from runner.errors import HostError, RequestError, SignalboxError, UnreachableError
from runner.service.house import Requester, open_house
from runner.service.presets import NewPreset, add
from runner.service.runs import finetune_preset, submit_training
from runner.settings import Imports, Role, Settings
from runner.start_checkpoints import StartCheckpoints, require_start, start_in_words
from runner.states import Reason
from tests.support.hosts import Reached
from tests.support.scripted_house import ScriptedHouse, scripted_house

WEIGHTS = b'{"epoch": 7, "epochs": 9, "lr": 0.5}'
CHECKSUM = hashlib.sha256(WEIGHTS).hexdigest()


class _Quiet(SimpleHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - of the one server of a test

    def log_message(self, format: str, *args: object) -> None:
        self.asked.append(self.path)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback with the weights, and the address of its folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "w-7.pth").write_bytes(WEIGHTS)
    _Quiet.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.fixture
def starts(tmp_path: Path) -> StartCheckpoints:
    limits = FetchLimits(max_bytes=10_000_000, timeout_s=5, pause_s=0.01, private_addresses=True)
    return StartCheckpoints(Catalog(tmp_path / "catalog"), tmp_path / "starts", limits)


def silent(_sent: int, _total: int) -> None:
    """Nobody is told."""


def test_it_is_fetched_once_and_lies_on_the_host_under_its_digest(starts: StartCheckpoints, web: str, ssh_host: Reached) -> None:
    start, root = f"{web}/w-7.pth#sha256={CHECKSUM}", ssh_host.host.root
    paths = {starts.on_host(ssh_host.transport, start, root=root, folder=f"{root}/x", progress=silent) for _ in range(3)}
    assert paths == {f"{root}/objects/{CHECKSUM[:2]}/{CHECKSUM}"}
    assert Path(paths.pop()).read_bytes() == WEIGHTS
    assert len(_Quiet.asked) == 1
    assert start_in_words(start, starts) == f"{web}/w-7.pth, which is here and is sent to the host"


def test_a_path_on_the_host_is_left_to_preparing(starts: StartCheckpoints, ssh_host: Reached) -> None:
    assert starts.on_host(ssh_host.transport, "/data/w.pth", root="/r", folder="/f", progress=silent) == "/data/w.pth"


def test_a_tensorflow_checkpoint_in_an_archive_becomes_its_prefix(starts: StartCheckpoints, tmp_path: Path, ssh_host: Reached) -> None:
    with tarfile.open(tmp_path / "ssd.tar.gz", "w:gz") as archive:
        for part in ("pipeline.config", "checkpoint/ckpt-0.index", "checkpoint/ckpt-0.data-00000-of-00001", "checkpoint/checkpoint"):
            name = f"ssd/{part}"
            info = tarfile.TarInfo(name)
            info.size = len(name)
            archive.addfile(info, io.BytesIO(name.encode()))
    folder = f"{ssh_host.host.root}/runs/r/prepared"
    prefix = starts.on_host(
        ssh_host.transport, f"file://{tmp_path}/ssd.tar.gz", root=ssh_host.host.root, folder=folder, progress=silent
    )
    assert prefix == f"{folder}/start/ssd/checkpoint/ckpt-0"
    assert sorted(path.name for path in Path(prefix).parent.iterdir()) == ["ckpt-0.data-00000-of-00001", "ckpt-0.index"]
    assert Path(f"{prefix}.index").read_text() == "ssd/checkpoint/ckpt-0.index"


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("rtmdet.pth", "is no start checkpoint: give its absolute path on the servers, an https URL, or sha256:<digest>"),
        ("http://example.org/w.pth", "could be changed on its way here. Give an https URL, or add #sha256="),
        ("https://example.org/w.pth#md5=12", "After # there may only be the file's checksum"),
        ("https://ana:secret@example.org/w.pth", "password in it is not kept"),
        ("ftp://example.org/w.pth", "is not fetched"),
        ("file:///nowhere/w.pth", "There is no file /nowhere/w.pth on the machine where Signalbox runs"),
        (f"sha256:{'0' * 64}", "is not in the store"),
        ("sha256:../../etc/passwd", "is not in the store"),
    ],
)
def test_what_can_never_be_one_is_refused_before_anything_is_queued(starts: StartCheckpoints, start: str, words: str) -> None:
    with pytest.raises((SignalboxError, DatasetError), match=words):
        require_start(start, starts.catalog)


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("none.pth", DatasetError, "It is not there"),
        ("w-7.pth#sha256=" + "0" * 64, DatasetError, f"Its SHA-256 is {CHECKSUM}, not 0000"),
    ],
)
def test_what_cannot_be_fetched_says_why(starts: StartCheckpoints, web: str, path: str, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        starts.brought(f"{web}/{path}", silent)
    assert starts.known(f"{web}/{path}") is None


def test_one_that_was_lost_is_fetched_again(starts: StartCheckpoints, web: str) -> None:
    start = f"{web}/w-7.pth#sha256={CHECKSUM}"
    found = starts.brought(start, silent)
    assert sweep(starts.catalog) is not None
    assert starts.known(start) == found
    starts.catalog.objects.path(CHECKSUM).unlink()
    assert starts.known(start) is None
    assert starts.brought(start, silent) == found
    assert len(_Quiet.asked) == 2


def test_only_one_run_fetches_it_at_a_time(starts: StartCheckpoints, web: str) -> None:
    start = f"{web}/w-7.pth#sha256={CHECKSUM}"
    met: list[str] = []

    def meanwhile(_sent: int, _total: int) -> None:
        with pytest.raises(UnreachableError, match="is being fetched for another run"):
            starts.brought(start, silent)
        met.append("refused")

    starts.brought(start, meanwhile)
    assert set(met) == {"refused"}


def test_a_server_that_is_away_is_the_hosts_trouble_not_the_specs(starts: StartCheckpoints) -> None:
    with pytest.raises(HostError, match="cannot be fetched now"):
        starts.brought("http://127.0.0.1:9/w.pth", silent)


def test_a_machine_that_cannot_keep_it_is_no_fault_of_signalboxs(starts: StartCheckpoints, web: str) -> None:
    starts.folder.parent.mkdir(parents=True, exist_ok=True)
    starts.folder.write_text("in the way")
    with pytest.raises(HostError, match=r"w-7\.pth cannot be kept on the machine of Signalbox: "):
        starts.brought(f"{web}/w-7.pth#sha256={CHECKSUM}", silent)


def test_a_file_of_this_machine_may_have_any_name(starts: StartCheckpoints, tmp_path: Path) -> None:
    path = tmp_path / "100%25 ä.pth"
    path.write_bytes(WEIGHTS)
    assert starts.brought(path.as_uri(), silent).digests == {CHECKSUM}


@pytest.mark.parametrize("members", [[], ["a.index", "b.index"]])
def test_an_archive_holds_one_checkpoint(starts: StartCheckpoints, tmp_path: Path, members: list[str]) -> None:
    with tarfile.open(tmp_path / "two.tar.gz", "w:gz") as archive:
        for name in [*members, "other"]:
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(RequestError, match=r"two.tar.gz is an archive, so it should hold one TensorFlow checkpoint"):
        starts.brought(f"file://{tmp_path}/two.tar.gz", silent)


@pytest.fixture
def house() -> Iterator[ScriptedHouse]:
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), imports=Imports(private_addresses=True)) as made:
        yield made


def test_a_run_of_a_preset_with_a_start_uses_it_and_so_does_the_next_without_the_web(house: ScriptedHouse, web: str) -> None:
    start = f"{web}/w-7.pth#sha256={CHECKSUM}"
    add(house.house, house.who(), NewPreset("begun", like="quick", changed={"start": start}))
    with house.running():
        first = submit_training(house.house, house.who("a"), preset="begun", dataset="fish")
        house.wait(first, Reason.COMPLETED)
        second = finetune_preset(house.house, house.who("b"), "begun", dataset="fish")
        seen = house.wait(second, Reason.COMPLETED)
    assert len(_Quiet.asked) == 1
    assert seen.run.prepared is not None
    assert seen.run.prepared["checkpoint"] == f"{house.root}/objects/{CHECKSUM[:2]}/{CHECKSUM}"
    assert [point.epoch for point in seen.epoch_ends] == [1, 2, 3]


def test_a_start_that_is_not_there_is_a_bad_spec_before_a_device_is_taken(house: ScriptedHouse, web: str) -> None:
    add(house.house, house.who(), NewPreset("begun", like="quick", changed={"start": f"{web}/gone.pth#sha256={CHECKSUM}"}))
    run = submit_training(house.house, house.who("a"), preset="begun", dataset="fish")
    with house.running():
        seen = house.wait(run, Reason.BAD_SPEC)
    assert seen.run.detail.startswith(f"{web}/gone.pth: It is not there (any more).")
    assert seen.attempt is None


def test_fine_tuning_a_preset_needs_a_start(tmp_path: Path) -> None:
    house = open_house(Settings(state_folder=tmp_path / "state"))
    with pytest.raises(RequestError, match="rtmdet-nano has no start checkpoint to fine-tune from"):
        finetune_preset(house, Requester("ana", Role.MEMBER, "test", "1"), "rtmdet-nano", dataset="fish")
    house.store.close()
