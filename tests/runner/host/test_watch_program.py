"""watch_host by itself: what it reads, says and survives."""

from __future__ import annotations

import ast
import atexit
import functools
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.host import watch
from runner.host_program import packed
from tests.support.nvidia_standin import NvidiaStandin, app, gpu

PROGRAM = Path(__file__).parents[3] / "runner/host/watch_host"
OLD_PYTHONS = [path for path in (shutil.which(f"python3.{minor}") for minor in (6, 8)) if path]


@functools.cache
def sent() -> str:
    """The program as a host gets it."""
    folder = tempfile.TemporaryDirectory()
    atexit.register(folder.cleanup)
    path = Path(folder.name) / PROGRAM.name
    path.write_bytes(packed(PROGRAM))
    return str(path)


class Program:
    """A running watch_host."""

    def __init__(self, interpreter: str = sys.executable, **variables: str) -> None:
        self.process = subprocess.Popen(
            [interpreter, sent()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **variables}
        )

    def order(self, **order: object) -> None:
        self.raw(json.dumps(order).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def frame(self, kind: str) -> dict[str, Any]:
        """The next frame of a kind, with its body."""
        assert self.process.stdout
        while True:
            line = self.process.stdout.readline()
            assert line, "watch_host ended"
            frame = json.loads(line)
            frame["body"] = self.process.stdout.read(frame["length"])
            if frame["frame"] == kind:
                return dict(frame)

    def close(self) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        code = self.process.wait(10)
        self.process.stdout.close()
        return code


@pytest.fixture
def program() -> Iterator[Program]:
    running = Program()
    yield running
    if running.process.poll() is None:
        running.close()


def watched(directory: Path, **changes: object) -> dict[str, object]:
    return {"directory": str(directory), "marker": "r-9-none/1", "offset": 0, "generation": 0, "inode": 0, **changes}


def attempt(tmp_path: Path, log: bytes = b"", *, claim: bool = True) -> Path:
    """A directory whose holder is this very test process."""
    directory = tmp_path / "run ö" / "1"
    directory.mkdir(parents=True)
    (directory / "log").write_bytes(log)
    if claim:
        started = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        (directory / "claim").symlink_to(f"abc:{os.getpid()}:{started}:{boot_id}")
    return directory


def end(directory: Path, text: str = "0 1700000000\n") -> None:
    (directory / "exit.new").write_text(text, encoding="ascii")
    (directory / "exit.new").rename(directory / "exit")


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="this Python has no pidfd_open, so watch.py looks again and again")
def test_the_end_of_a_launch_wakes_whoever_waits_for_it() -> None:
    launch = subprocess.Popen(["/bin/sleep", "60"])
    started = watch.start_time(launch.pid)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert watch.held_by(f"abc:{launch.pid}:{started}:another-boot") is None
    assert watch.held_by(f"abc:{launch.pid}:{started}0:{boot_id}") is None, "another process of that number"
    holder = watch.held_by(f"abc:{launch.pid}:{started}:{boot_id}")
    assert select.select([holder], [], [], 0)[0] == []
    launch.kill()
    assert select.select([holder], [], [], 10)[0] == [holder]
    os.close(holder)
    launch.wait()
    assert watch.held_by(f"abc:{launch.pid}:{started}:{boot_id}") is None


def test_an_exit_says_when_it_was_written_in_either_form(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path)
    end(directory, "3\n" + " " * 60)
    os.utime(directory / "exit", (1700000001, 1700000001.25))
    program.order(watch=[watched(directory)])
    ended = program.frame("exit")
    assert (ended["code"], ended["ended_at"]) == (3, 1700000001.25)


def test_it_is_python_36() -> None:
    ast.parse((PROGRAM / "watch.py").read_text(encoding="utf-8"), feature_version=(3, 6))


@pytest.mark.parametrize("interpreter", OLD_PYTHONS)
def test_it_runs_on_old_pythons(interpreter: str, tmp_path: Path) -> None:
    version = Path(interpreter).name.removeprefix("python")
    known = os.environ.get("PYENV_ROOT", str(Path.home() / ".pyenv"))
    exact = next((path.name for path in Path(known, "versions").glob(f"{version}.*")), "") if Path(known).is_dir() else ""
    running = Program(interpreter, PYENV_VERSION=exact)
    directory = attempt(tmp_path, b"hello")
    running.order(root=str(tmp_path))
    assert running.frame("resources")["disk_total_bytes"] > 0
    running.order(watch=[watched(directory)])
    assert running.frame("log")["body"] == b"hello"
    end(directory)
    assert running.frame("exit")["code"] == 0
    assert running.close() == 0


def test_it_introduces_itself_and_ends_with_its_input(program: Program) -> None:
    connected = program.frame("connected")
    assert connected["host_name"] == os.uname().nodename
    assert connected["python"] == sys.executable
    assert program.frame("heartbeat")["host_time"] > 0
    assert program.close() == 0


def test_all_log_bytes_come_before_the_exit(program: Program, tmp_path: Path) -> None:
    log = os.urandom(3_000_000)
    directory = attempt(tmp_path, log)
    end(directory, "137 1700000000.5\n" + " " * 40)
    program.order(watch=[watched(directory, offset=5)])
    assert program.frame("claim")["text"].startswith("abc:")
    data = b""
    while len(data) < len(log) - 5:
        frame = program.frame("log")
        assert (frame["offset"], frame["generation"]) == (5 + len(data), 0)
        assert frame["length"] <= 256 * 1024
        data += frame["body"]
    assert data == log[5:]
    ended = program.frame("exit")
    assert (ended["code"], ended["ended_at"]) == (137, 1700000000.5)


def test_the_exit_tells_whether_the_kernel_killed_for_want_of_memory_while_somebody_looked(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"x")
    program.order(watch=[watched(directory), watched(tmp_path / "never back", claimed=True)])
    program.frame("gone")  # both were looked at by now
    end(directory)
    counted = "\noom_kill " in Path("/proc/vmstat").read_text(encoding="ascii")
    assert (program.frame("exit")["oom_kills"] is not None) is counted


def test_what_ended_before_anybody_looked_has_no_count_of_kills(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"x")
    end(directory)
    program.order(watch=[watched(directory)])
    assert program.frame("exit")["oom_kills"] is None


def test_a_truncated_log_starts_a_generation(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"first words")
    program.order(watch=[watched(directory)])
    assert program.frame("log")["body"] == b"first words"
    (directory / "log").write_bytes(b"again")
    frame = program.frame("log")
    assert (frame["generation"], frame["offset"], frame["body"]) == (1, 0, b"again")


def test_a_rotated_log_is_read_to_its_end_first(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"old ")
    program.order(watch=[watched(directory)])
    inode = program.frame("log")["inode"]
    (directory / "next").write_bytes(b"new")
    with (directory / "log").open("ab") as log:
        log.write(b"words")
    (directory / "log").rename(directory / "log.1")
    (directory / "next").rename(directory / "log")
    frame = program.frame("log")
    assert (frame["generation"], frame["offset"], frame["body"]) == (0, 4, b"words")
    frame = program.frame("log")
    assert (frame["generation"], frame["offset"], frame["body"]) == (1, 0, b"new")
    assert frame["inode"] != inode


def test_a_log_rotated_while_nobody_watched_starts_a_generation(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"a longer log than before")
    program.order(watch=[watched(directory, offset=3, generation=2, inode=1)])
    frame = program.frame("log")
    assert (frame["generation"], frame["offset"], frame["body"]) == (3, 0, b"a longer log than before")


def test_a_directory_that_was_there_is_gone_and_one_to_come_is_awaited(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"x")
    program.order(watch=[watched(tmp_path / "to come"), watched(directory), watched(tmp_path / "never back", claimed=True)])
    assert program.frame("gone")["directory"] == str(tmp_path / "never back")
    shutil.rmtree(directory)
    assert program.frame("gone")["directory"] == str(directory)


def test_a_holder_that_died_without_an_exit_has_vanished(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, b"last words", claim=False)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    (directory / "claim").symlink_to(f"abc:{os.getpid()}:1:{boot_id}")
    program.order(watch=[watched(directory)])
    assert program.frame("log")["body"] == b"last words"
    assert program.frame("vanished")["directory"] == str(directory)


def test_after_a_reboot_all_have_vanished(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path)
    claim = str((directory / "claim").readlink())
    (directory / "claim").unlink()
    (directory / "claim").symlink_to(claim.rpartition(":")[0] + ":another-boot")
    program.order(watch=[watched(directory)])
    assert program.frame("vanished")["directory"] == str(directory)


@pytest.mark.slow
def test_a_marked_process_alone_keeps_an_attempt_from_vanishing(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, claim=False)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    rank = subprocess.Popen(["sleep", "30"], env={"PATH": os.environ["PATH"], "SIGNALBOX_ATTEMPT": "r-9-none/1"})
    (directory / "claim").symlink_to(f"abc:{os.getpid()}:1:{boot_id}")
    program.order(watch=[watched(directory), watched(tmp_path / "never back", claimed=True)])
    program.frame("gone")  # both were looked at by now
    rank.send_signal(signal.SIGKILL)
    rank.wait()
    assert program.frame("vanished")["directory"] == str(directory)


def test_a_cancelled_claim_is_the_last_word(program: Program, tmp_path: Path) -> None:
    directory = attempt(tmp_path, claim=False)
    (directory / "claim").symlink_to("cancelled:abc")
    program.order(watch=[watched(directory)])
    assert program.frame("claim")["text"] == "cancelled:abc"


@pytest.mark.parametrize(
    "line", [b"no json", b"[1]", b'{"watch": [{}]}', b'{"watch": 3}', b"\xff\xfe", b'{"watch": [{"directory": 1, "marker": 2}]}']
)
def test_an_order_it_cannot_read_ends_nothing(program: Program, tmp_path: Path, line: bytes) -> None:
    program.raw(line + b"\n")
    assert "cannot read an order" in program.frame("note")["text"]
    program.order(watch=[watched(attempt(tmp_path, b"on"))])
    assert program.frame("log")["body"] == b"on"


def test_one_bad_path_ends_nothing(program: Program, tmp_path: Path) -> None:
    bad = tmp_path / "bad"
    (bad / "log").mkdir(parents=True)
    good = attempt(tmp_path, b"on")
    end(bad, "no number")
    program.order(watch=[watched(bad), watched(good)])
    assert program.frame("note")["directory"] == str(bad)
    assert program.frame("log")["body"] == b"on"


def test_gpus_are_told_among_the_resources(tmp_path: Path) -> None:
    standin = NvidiaStandin(tmp_path)
    standin.shows(gpu(0, memory__used=1234), apps=[app(0, os.getpid(), 1200)])
    running = Program(**standin.variables)
    running.order(root=str(tmp_path))
    resources = running.frame("resources")
    (device,) = resources["devices"]
    assert (device["uuid"], device["used_mib"], device["processes"][0]["used_mib"]) == ("GPU-0", 1234, 1200)
    assert resources["driver"] == "550.54.15"
    running.close()


def test_a_broken_nvidia_smi_becomes_a_note(tmp_path: Path) -> None:
    standin = NvidiaStandin(tmp_path)
    standin.shows(fails="Failed to initialize NVML: Driver/library version mismatch")
    running = Program(**standin.variables)
    running.order(root=str(tmp_path))
    resources = running.frame("resources")
    assert resources["devices"] is None
    assert "version mismatch" in resources["notes"][0]
    running.close()
