"""object_store.py, as it lies on a host: what arrives over a connection that may break at any byte."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[3] / "runner" / "host" / "object_store.py"
DATA = os.urandom(3_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
FAILED, TRY_AGAIN = 74, 75
NOTHING_ASKED = b"\n"


def started(*arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def asked(stdin: bytes, *arguments: object) -> tuple[int, str, str]:
    with started(*arguments) as program:
        out, error = program.communicate(stdin, timeout=30)
    return program.returncode, out.decode(), error.decode()


def frame(data: bytes, *, offset: int = 0, digest: str = DIGEST, size: int = len(DATA)) -> bytes:
    return b"%s %d %d\n%s" % (digest.encode(), offset, size, data)


def there(store: Path) -> Path:
    return store / DIGEST[:2] / DIGEST


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "objects"


def missing(store: Path) -> str:
    code, out, _ = asked(f"{DIGEST} {len(DATA)}\n\n".encode(), "receive", store)
    assert code == 0
    assert out.endswith("\n")
    return out[:-1]


@pytest.mark.parametrize("cut", [0, 1, 262_144, 2_999_999])
def test_a_stream_that_breaks_leaves_what_arrived(store: Path, cut: int) -> None:
    code, _, said = asked(NOTHING_ASKED + frame(DATA[:cut]), "receive", store)
    assert (code, said) == (TRY_AGAIN, "the transfer was interrupted\n")
    assert missing(store) == f"{DIGEST} {cut}\n"
    assert asked(NOTHING_ASKED + frame(DATA[cut:], offset=cut), "receive", store)[0] == 0
    assert there(store).read_bytes() == DATA
    assert missing(store) == ""


def test_a_question_that_breaks_off_is_an_interruption(store: Path) -> None:
    code, out, said = asked(f"{DIGEST} {len(DATA)}\n".encode(), "receive", store)
    assert (code, out, said) == (TRY_AGAIN, "", "the transfer was interrupted\n")


def test_a_frame_cut_in_its_first_line_is_an_interruption(store: Path) -> None:
    assert asked(NOTHING_ASKED + frame(b"")[:-1], "receive", store)[0] == TRY_AGAIN


def test_what_was_held_and_is_gone_is_asked_for_again(store: Path) -> None:
    code, _, said = asked(NOTHING_ASKED + frame(DATA[100:], offset=100), "receive", store)
    assert code == TRY_AGAIN
    assert "is gone" in said


def test_what_was_held_and_is_rotten_is_forgotten(store: Path) -> None:
    asked(NOTHING_ASKED + frame(b"x" * 100), "receive", store)
    code, _, said = asked(NOTHING_ASKED + frame(DATA[100:], offset=100), "receive", store)
    assert code == FAILED
    assert f"damaged: {DIGEST}" in said
    assert missing(store) == f"{DIGEST} 0\n"


def test_an_object_torn_by_a_power_cut_is_sent_again(store: Path) -> None:
    there(store).parent.mkdir(parents=True)
    there(store).write_bytes(b"")
    assert missing(store) == f"{DIGEST} 0\n"
    assert asked(NOTHING_ASKED + frame(DATA), "receive", store)[0] == 0
    assert there(store).read_bytes() == DATA


def test_who_asks_waits_for_who_receives(store: Path) -> None:
    with started("receive", store) as receiver:
        assert receiver.stdin is not None
        receiver.stdin.write(NOTHING_ASKED + frame(DATA[:-1]))
        receiver.stdin.flush()
        while not (store / ".partial" / DIGEST).exists():
            time.sleep(0.01)
        with started("receive", store) as asking:
            assert asking.stdin is not None
            assert asking.stdout is not None
            asking.stdin.write(f"{DIGEST} {len(DATA)}\n\n".encode())
            asking.stdin.close()
            time.sleep(0.2)
            assert asking.poll() is None
            receiver.communicate(DATA[-1:], timeout=10)
            assert asking.stdout.read() == b"\n"


def test_who_hears_nothing_for_long_gives_up(store: Path, tmp_path: Path) -> None:
    impatient = tmp_path / "object_store.py"
    impatient.write_text(PROGRAM.read_text(encoding="utf-8").replace("PATIENCE_S = 20", "PATIENCE_S = 1"), encoding="utf-8")
    command = [sys.executable, str(impatient), "receive", str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as program:
        assert program.stdin is not None
        assert program.stderr is not None
        program.stdin.write(NOTHING_ASKED + frame(DATA[:1000]))
        program.stdin.flush()
        assert program.stderr.read() == b"nothing came for 1 s\n"
        assert program.wait(10) == TRY_AGAIN
    assert missing(store).split()[0] == DIGEST


def test_two_that_receive_the_same_both_store_it(store: Path) -> None:
    with started("receive", store) as first, started("receive", store) as second:
        assert first.stdin is not None
        first.stdin.write(NOTHING_ASKED + frame(DATA[:-1]))
        first.stdin.flush()
        while not (store / ".partial" / DIGEST).exists():
            time.sleep(0.01)
        second.communicate(NOTHING_ASKED + frame(DATA), timeout=10)
        assert there(store).read_bytes() == DATA
        first.communicate(DATA[-1:], timeout=10)
    assert (first.returncode, second.returncode) == (0, 0)
    assert there(store).read_bytes() == DATA
    assert list((store / ".partial").iterdir()) == []


def test_parts_that_nobody_asked_for_in_a_week_are_forgotten(store: Path) -> None:
    asked(NOTHING_ASKED + frame(DATA[:9]), "receive", store)
    os.utime(store / ".partial" / DIGEST, (0, time.time() - 8 * 86400))
    asked(NOTHING_ASKED, "receive", store)
    assert list((store / ".partial").iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="a file system of its own takes root")
def test_a_full_disk_is_said(store: Path, small_disk: Path) -> None:
    code, _, said = asked(NOTHING_ASKED + frame(DATA), "receive", small_disk / "objects")
    assert code == FAILED
    assert "No space left" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=False, capture_output=True).returncode:
        pytest.skip("tmpfs cannot be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def other_disk(tmp_path: Path) -> Iterator[Path]:
    if not Path("/dev/shm").is_dir() or Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder)


def test_links_are_symbolic_where_hard_ones_cannot_be(store: Path, other_disk: Path) -> None:
    asked(NOTHING_ASKED + frame(DATA), "receive", store)
    code, out, _ = asked(f"{DIGEST} images/1.jpg\n{DIGEST} 2.jpg\n".encode(), "link", store, other_disk / "data")
    assert (code, out) == (0, "2\n")
    assert (other_disk / "data/images/1.jpg").readlink() == there(store)
    code, _, said = asked(f"{DIGEST[::-1]} 1.jpg\n".encode(), "link", store, other_disk / "other")
    assert code == FAILED
    assert f"1 files are not in {store}: {DIGEST[::-1]}" in said
    assert [path.name for path in other_disk.iterdir()] == ["data"]
