"""What `make` asks of the machine: the interpreter it finds and the packages it installs or names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parent.parent / "deploy"
BROKEN = "#!/bin/sh\nexit 1\n"
RECORDING = '#!/bin/sh\necho "$@" >>"{log}"\n'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A folder that is all of PATH: what is not put there is not installed."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def _put(path: Path, name: str, text: str) -> Path:
    program = path / name
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return program


def _run(script: str, path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["/bin/sh", str(DEPLOY / script), *arguments]
    return subprocess.run(command, env={"PATH": str(path)}, capture_output=True, text=True, timeout=30, check=False)


def _everything(path: Path) -> None:
    for name in ("gcc", "g++", "sshd", "screen", "chromium", "prometheus-alertmanager", "promtool", "tsp"):
        _put(path, name, BROKEN)


def test_the_newest_interpreter_that_works_is_taken(path: Path) -> None:
    _put(path, "python3.13", BROKEN)  # a shim that leads nowhere
    (path / "python3.11").symlink_to(sys.executable)

    found = _run("find-python.sh", path)

    assert found.returncode == 0
    assert Path(found.stdout.strip()).exists()


def test_no_interpreter_is_a_sentence_that_names_the_package(path: Path) -> None:
    _put(path, "python3", "#!/bin/sh\n")  # one that is too old says nothing

    found = _run("find-python.sh", path)

    assert found.returncode == 1
    assert "Python 3.11 or newer" in found.stderr
    assert "apt-get install python3" in found.stderr


def test_nothing_is_done_where_all_is_there(path: Path) -> None:
    _everything(path)

    done = _run("install-system-packages.sh", path, sys.executable)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_root_installs_what_is_missing_and_no_more(path: Path, tmp_path: Path) -> None:
    _everything(path)
    log = tmp_path / "apt.log"
    _put(path, "id", "#!/bin/sh\necho 0\n")
    _put(path, "apt-get", RECORDING.format(log=log))
    for name in ("screen", "chromium", "g++"):
        (path / name).unlink()

    done = _run("install-system-packages.sh", path, str(_put(path, "python", BROKEN)))

    assert done.returncode == 0, done.stderr
    update, needed, optional = log.read_text(encoding="utf-8").splitlines()
    assert update == "update -qq"
    assert needed == "install -y -qq --no-install-recommends python3-venv python3-dev g++ screen"
    assert optional == "install -y -qq --no-install-recommends chromium fonts-dejavu-core fonts-noto-color-emoji"


def test_a_chromium_that_cannot_be_installed_stops_nothing(path: Path) -> None:
    _everything(path)
    (path / "chromium").unlink()
    _put(path, "id", "#!/bin/sh\necho 0\n")
    _put(path, "apt-get", BROKEN)

    done = _run("install-system-packages.sh", path, sys.executable)

    assert done.returncode == 0
    assert "tests of the page will be skipped" in done.stderr


def test_no_server_is_started_that_was_only_installed_for_its_tools(path: Path, tmp_path: Path) -> None:
    _everything(path)
    log = tmp_path / "calls.log"
    _put(path, "id", "#!/bin/sh\necho 0\n")
    for name in ("apt-get", "systemctl"):
        _put(path, name, RECORDING.format(log=log))
    (path / "promtool").unlink()

    assert _run("install-system-packages.sh", path, sys.executable).returncode == 0
    assert log.read_text(encoding="utf-8").splitlines() == [
        "update -qq", "mask prometheus", "install -y -qq --no-install-recommends prometheus", "unmask prometheus", "disable prometheus",
    ]


def test_a_needed_package_that_cannot_be_installed_stops(path: Path) -> None:
    _everything(path)
    (path / "screen").unlink()
    _put(path, "id", "#!/bin/sh\necho 0\n")
    _put(path, "apt-get", BROKEN)

    assert _run("install-system-packages.sh", path, sys.executable).returncode != 0


@pytest.mark.parametrize(("python", "code", "says"), [(sys.executable, 0, "Going on without them"), ("", 1, "nothing can be installed")])
def test_others_are_told_what_to_ask_for(path: Path, python: str, code: int, says: str) -> None:
    _everything(path)
    _put(path, "id", "#!/bin/sh\necho 1000\n")
    (path / "screen").unlink()

    done = _run("install-system-packages.sh", path, python or str(_put(path, "python", BROKEN)))

    assert done.returncode == code
    assert "apt-get install --no-install-recommends" in done.stderr
    assert says in done.stderr
