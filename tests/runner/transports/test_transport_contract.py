"""What every transport promises, over every transport."""

from __future__ import annotations

import hashlib
import io
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.errors import HostError, UnreachableError
from tests.support.hosts import Reached


def test_a_script_says_how_it_ended(any_host: Reached) -> None:
    finished = any_host.transport.shell("echo out; echo err >&2; exit 3", timeout_s=10)
    assert (finished.exit_code, finished.stdout, finished.stderr) == (3, b"out\n", b"err\n")


def test_input_reaches_the_scripts_own_commands_untouched(any_host: Reached) -> None:
    data = os.urandom(300_000)
    assert any_host.transport.shell("sed -n 0p; cat", stdin=b"", timeout_s=10).stdout == b""
    assert any_host.transport.shell("cat", stdin=data, timeout_s=10).stdout == data


def test_a_script_may_end_without_reading_its_input(any_host: Reached) -> None:
    finished = any_host.transport.shell("exit 4", stdin=b"x" * 10_000_000, timeout_s=10)
    assert finished.exit_code == 4


def test_what_follows_a_script_is_never_run(any_host: Reached) -> None:
    finished = any_host.transport.shell("echo first", stdin=b"\necho second\n", timeout_s=10)
    assert finished.stdout == b"first\n"


def test_floods_on_both_outputs_do_not_hang_a_call(any_host: Reached) -> None:
    script = "head -c 12000000 /dev/zero; head -c 12000000 /dev/zero >&2; cat >/dev/null; exit 5"
    finished = any_host.transport.shell(script, stdin=b"y" * 3_000_000, timeout_s=30)
    assert finished.exit_code == 5
    assert len(finished.stdout) == len(finished.stderr) == 8 * 1024 * 1024


def test_output_is_poured_whole_however_much_it_is(any_host: Reached) -> None:
    got = hashlib.sha256()
    finished = any_host.transport.pour("echo err >&2; head -c 30000000 /dev/zero; exit 6", got.update, timeout_s=30)
    assert (finished.exit_code, finished.stderr) == (6, b"err\n")
    assert got.digest() == hashlib.sha256(bytes(30_000_000)).digest()


def test_whoever_takes_what_is_poured_may_refuse_it(any_host: Reached) -> None:
    def refuse(data: bytes) -> None:
        raise BrokenPipeError(len(data))

    with pytest.raises(BrokenPipeError):
        any_host.transport.pour("cat /dev/zero", refuse, timeout_s=30)
    assert any_host.transport.shell("echo on", timeout_s=10).stdout == b"on\n"
    with pytest.raises(UnreachableError):
        any_host.transport.pour("cat /dev/zero", lambda _: None, timeout_s=0.5)


@pytest.mark.parametrize("stdin", [b"", b"x" * 20_000_000])
def test_a_deadline_holds(any_host: Reached, stdin: bytes) -> None:
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=any_host.host.name):
        any_host.transport.shell("sleep 30", stdin=stdin, timeout_s=0.7)
    assert time.monotonic() - began < 3
    assert any_host.transport.shell("echo on", timeout_s=10).stdout == b"on\n"


def test_more_calls_than_sessions_wait_for_their_turn(any_host: Reached) -> None:
    with ThreadPoolExecutor(24) as pool:
        answers = pool.map(lambda n: any_host.transport.shell(f"sleep 0.05; echo {n}", timeout_s=20).stdout, range(24))
    assert [int(answer) for answer in answers] == list(range(24))


def test_a_detached_program_does_not_hold_the_call(any_host: Reached) -> None:
    began = time.monotonic()
    any_host.transport.shell("setsid sleep 3 </dev/null >/dev/null 2>&1 &", timeout_s=10)
    assert time.monotonic() - began < 2


def test_a_python_file_of_ours_runs_there(any_host: Reached, tmp_path: Path) -> None:
    program = tmp_path / "shout.py"
    program.write_text("import sys\nprint(sys.stdin.read().upper(), sys.argv[1:])\nsys.exit(7)\n", encoding="utf-8")
    for _ in range(2):
        finished = any_host.transport.python(
            any_host.host.python or "", program, stdin="größer".encode(), arguments=["it's", "$HOME"], timeout_s=10
        )
        assert finished.exit_code == 7
        assert finished.stdout.decode() == "GRÖSSER [\"it's\", '$HOME']\n"
    assert len(list(any_host.root.glob("programs/*/shout.py"))) == 1


def test_a_folder_of_ours_runs_there_as_one_file(any_host: Reached, tmp_path: Path) -> None:
    folder = tmp_path / "shout"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "__main__.py").write_text("from .words import WORD\nprint(WORD, input())\n", encoding="utf-8")
    (folder / "words.py").write_text("WORD = 'größer'\n", encoding="utf-8")
    for _ in range(2):
        finished = any_host.transport.python(any_host.host.python or "", folder, stdin=b"than", timeout_s=10)
        assert finished.stdout.decode() == "größer than\n"
    (sent,) = any_host.root.glob("programs/*/shout")
    assert sent.is_file()


def test_what_prepares_a_program_may_print_and_read_and_disturbs_nothing(any_host: Reached, tmp_path: Path) -> None:
    program = tmp_path / "told.py"
    program.write_text("import os\nprint(input(), os.environ['TOLD'])\n", encoding="utf-8")
    setup = ("cat", "yes noise | head -c 3000000", "export TOLD=yes")
    finished = any_host.transport.python(any_host.host.python or "", program, stdin=b"said", setup=setup, timeout_s=20)
    assert (finished.exit_code, finished.stdout) == (0, b"said yes\n")
    failed = any_host.transport.python(any_host.host.python or "", program, stdin=b"said", setup=("echo why; exit 3",), timeout_s=20)
    assert (failed.exit_code, failed.stderr) == (3, b"why\n")


def test_a_missing_interpreter_is_said(any_host: Reached, tmp_path: Path) -> None:
    program = tmp_path / "some.py"
    program.write_text("pass\n", encoding="utf-8")
    finished = any_host.transport.python("/no/such python", program, timeout_s=10)
    assert finished.exit_code == 127
    assert b"/no/such python" in finished.stderr
    channel = any_host.transport.stream("/no/such python", program, timeout_s=10)
    with pytest.raises(HostError, match="/no/such python"):
        channel.read(5)
    channel.close()


def test_a_stream_goes_both_ways(any_host: Reached, tmp_path: Path) -> None:
    program = tmp_path / "echo.py"
    program.write_text("import sys\nfor line in sys.stdin:\n    print(line.strip()[::-1], flush=True)\n", encoding="utf-8")
    channel = any_host.transport.stream(any_host.host.python or "", program, timeout_s=10)
    channel.write(b"abc\n")
    assert channel.read(5) == b"cba\n"
    assert channel.read(0.05) == b""
    channel.close()


def test_a_stream_that_ends_says_why(any_host: Reached, tmp_path: Path) -> None:
    program = tmp_path / "fails.py"
    program.write_text("raise SystemExit('no more paper')\n", encoding="utf-8")
    channel = any_host.transport.stream(any_host.host.python or "", program, timeout_s=10)
    with pytest.raises(UnreachableError, match=r"fails.py on .* code 1: no more paper"):
        channel.read(5)
    channel.close()


def test_a_tree_is_written_whole(any_host: Reached) -> None:
    files = {"a": b"1", "sub/folder/ö '\"$x": b"2" * 100_000, "-rf": b"3", "empty": b""}
    folder = any_host.root / "tree"
    for _ in range(2):
        any_host.transport.put_tree(str(folder), files, timeout_s=10)
        found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        assert found == files
    assert (folder / "a").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a//b", "a\nb", "."])
def test_a_path_that_leaves_its_folder_is_refused(any_host: Reached, path: str) -> None:
    with pytest.raises(HostError, match="below its folder"):
        any_host.transport.put_tree(str(any_host.root), {path: b""}, timeout_s=10)
    assert not any_host.root.exists()


def test_a_tree_that_cannot_be_written_is_said(any_host: Reached) -> None:
    any_host.root.mkdir(parents=True)
    (any_host.root / "taken").write_bytes(b"")
    with pytest.raises(HostError, match="does not take files"):
        any_host.transport.put_tree(f"{any_host.root}/taken", {"a": b"1"}, timeout_s=10)


def objects(folder: Path, *contents: bytes) -> list[tuple[str, Path]]:
    folder.mkdir(exist_ok=True)
    found = []
    for content in contents:
        digest = hashlib.sha256(content).hexdigest()
        path = folder / digest
        path.write_bytes(content)
        found.append((digest, path))
    return found


def sending(any_host: Reached, wanted: list[tuple[str, Path]]) -> list[tuple[int, int]]:
    """Send, and what was told meanwhile: bytes sent, bytes to send."""
    told: list[tuple[int, int]] = []
    any_host.transport.put_objects(f"{any_host.root}/objects", wanted, timeout_s=20, progress=lambda *now: told.append(now))
    return told


def test_objects_are_sent_once(any_host: Reached, tmp_path: Path) -> None:
    store = any_host.root / "objects"
    first = objects(tmp_path / "from", b"one", b"", b"x" * 1_000_000, b"y" * 512)
    second = [*first, *objects(tmp_path / "from", b"four")]
    told = sending(any_host, first)
    assert told[-1] == (1_000_515, 1_000_515)
    assert told == sorted(told)
    assert sending(any_host, second) == [(4, 4)]
    assert sending(any_host, second) == []
    for digest, path in second:
        there = store / digest[:2] / digest
        assert there.read_bytes() == path.read_bytes()
        assert there.stat().st_mode & 0o777 == 0o444
    assert not list((store / ".partial").iterdir())


def test_a_damaged_object_is_not_stored(any_host: Reached, tmp_path: Path) -> None:
    store = any_host.root / "objects"
    (digest, path), (well, good) = objects(tmp_path / "from", b"one", b"two")
    path.write_bytes(b"0ne")
    with pytest.raises(HostError, match=f"damaged: {digest}"):
        sending(any_host, [(digest, path), (well, good)])
    assert not (store / digest[:2] / digest).exists()
    assert (store / well[:2] / well).read_bytes() == b"two"
    assert not list((store / ".partial").iterdir())


def test_an_interrupted_transfer_goes_on_inside_the_file(any_host: Reached, tmp_path: Path) -> None:
    store = f"{any_host.root}/objects"
    wanted = objects(tmp_path / "from", b"small", os.urandom(12_000_000))

    def interrupt(sent: int, _total: int) -> None:
        if sent > 8_000_000:
            raise OSError("the cable was pulled")

    with pytest.raises(OSError, match="cable"):
        any_host.transport.put_objects(store, wanted, timeout_s=20, progress=interrupt)
    (_, total), *_ = told = sending(any_host, wanted)
    assert told[-1] == (total, total)
    assert total < 12_000_000
    for digest, path in wanted:
        assert Path(store, digest[:2], digest).read_bytes() == path.read_bytes()


def test_of_two_that_send_the_same_one_sends(any_host: Reached, tmp_path: Path) -> None:
    wanted = objects(tmp_path / "from", *(os.urandom(200_000) for _ in range(20)))
    with ThreadPoolExecutor(2) as pool:
        told = [told[-1:] for told in pool.map(lambda _: sending(any_host, wanted), range(2))]
    assert sorted(told) == [[], [(4_000_000, 4_000_000)]]


@pytest.mark.parametrize("digest", ["a" * 63, "A" * 64, "../" + "a" * 61, ""])
def test_what_is_no_digest_is_refused(any_host: Reached, tmp_path: Path, digest: str) -> None:
    with pytest.raises(HostError, match="no sha256"):
        sending(any_host, [(digest, tmp_path)])


def test_a_tree_of_links_is_laid_once(any_host: Reached, tmp_path: Path) -> None:
    (digest, path), = objects(tmp_path / "from", b"pixels")
    sending(any_host, [(digest, path)])
    store, folder = any_host.root / "objects", any_host.root / "run" / "data"
    manifest = {"images/ö 1.jpg": digest, "images/1.jpg": digest, "-rf": digest}
    for laid in (manifest, {"other": digest}):
        assert any_host.transport.link_tree(str(store), str(folder), laid, timeout_s=10) == 0
        assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) == sorted(manifest)
    assert (folder / "-rf").samefile(store / digest[:2] / digest)
    with pytest.raises(HostError, match="below its folder"):
        any_host.transport.link_tree(str(store), str(folder), {"../x": digest}, timeout_s=10)


def test_a_file_is_fetched(any_host: Reached) -> None:
    any_host.root.mkdir(parents=True)
    data = os.urandom(9_000_000)
    (any_host.root / "-file").write_bytes(data)
    sink = io.BytesIO()
    assert any_host.transport.get(f"{any_host.root}/-file", sink, limit_bytes=len(data), timeout_s=20) == len(data)
    assert sink.getvalue() == data
    with pytest.raises(HostError, match="more than the limit"):
        any_host.transport.get(f"{any_host.root}/-file", io.BytesIO(), limit_bytes=len(data) - 1, timeout_s=20)
    with pytest.raises(HostError, match="is no file"):
        any_host.transport.get(f"{any_host.root}/none", io.BytesIO(), limit_bytes=1, timeout_s=20)
