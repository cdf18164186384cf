"""What is screen's own: people may attach, and hosts without it are served as well."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import LoopbackSshd
from runner.executors.screen import executor
from tests.support.hosts import NONCE, end_all, eventually, order, reach_over_ssh


def launch(sshd: LoopbackSshd, root: Path, program: str, run: str) -> tuple[Path, str]:
    reached = reach_over_ssh(sshd, root)
    wanted = order(root, program, run=run)
    executor.stage(reached.transport, wanted, root=str(root))
    executor.launch(reached.transport, wanted)
    reached.transport.close()
    return Path(wanted.directory), wanted.session


@pytest.mark.skipif(shutil.which("screen") is None, reason="screen is not installed")
def test_the_window_shows_the_log_and_ctrl_c_harms_nothing(sshd: LoopbackSshd, tmp_path: Path) -> None:
    directory, session = launch(sshd, tmp_path, "echo shown; while [ ! -e done ]; do sleep 0.05; done", "r-window")
    shot = tmp_path / "shot"

    def window() -> bool:
        subprocess.run(["screen", "-S", session, "-p", "0", "-X", "hardcopy", str(shot)], check=False, capture_output=True)
        return shot.exists() and b"shown" in shot.read_bytes()

    eventually(window)
    for key in ("^C", "^Z", "^\\\\"):
        subprocess.run(["screen", "-S", session, "-p", "0", "-X", "stuff", key], check=True, capture_output=True)
    subprocess.run(["screen", "-S", session, "-X", "quit"], check=True, capture_output=True)
    (directory / "done").touch()
    assert eventually(lambda: (directory / "exit").exists() and (directory / "exit").read_text().split()[0]) == "0"


def test_without_screen_setsid_holds(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("/usr/bin", "/bin"):
        for program in Path(name).iterdir():
            if program.name != "screen" and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    with LoopbackSshd(tmp_path / "sshd", variables={"PATH": str(folder), "HOME": str(tmp_path)}) as sshd:
        directory, session = launch(sshd, tmp_path / "root", "echo $PPID; sleep 0.2", "r-bare")
        assert eventually((directory / "exit").exists)
    assert session not in subprocess.run(["screen", "-ls"], check=False, capture_output=True, text=True).stdout
    claim = str((directory / "claim").readlink()).split(":")
    assert (directory / "log").read_text(encoding="ascii").split() == [claim[1]]
    end_all(f"r-bare-{NONCE}/1")


@pytest.mark.slow
def test_a_screen_that_does_nothing_is_not_believed(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "screen").write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    (folder / "screen").chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    with LoopbackSshd(tmp_path / "sshd", variables={"PATH": path, "HOME": str(tmp_path)}) as sshd:
        directory, _ = launch(sshd, tmp_path / "root", "echo trained", "r-lying")
        assert eventually((directory / "exit").exists)
    assert (directory / "log").read_text(encoding="ascii") == "trained\n"
