"""A dataset to a host: ours against rsync and scp, over one loopback sshd with one cipher, in alternation.

Ours counts from a new connection until the tree of links lies in an attempt's directory, every byte verified on the host. What rsync and
scp take includes the start of their program; none of them compresses.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd
from runner.transports.ssh import CIPHERS
from tests.benchmarks.figures import Figure, table
from tests.support.hosts import reach_over_ssh

ROUNDS = 5
MANY = {f"images/{number:05}.jpg": 60_000 for number in range(3000)}
ONE = {"video.mp4": 400_000_000}
CHANGED_SHARE = 100
MOMENTS = ("first time", "1 % changed")


@dataclass(frozen=True, slots=True)
class Version:
    """A folder of files, and their digests as the catalog knows them."""

    folder: Path
    manifest: dict[str, str]


Send = Callable[[LoopbackSshd, Version, Path], None]


def measure() -> list[Figure]:
    """Send 3,000 files of 60 kB, and one of 400 MB, and each again with 1 % changed."""
    with tempfile.TemporaryDirectory(prefix="transfer") as name:
        folder = Path(name)
        with LoopbackSshd(folder / "sshd", variables={"HOME": name}, lines=("Subsystem sftp internal-sftp",)) as sshd:
            return [
                *_compared("3,000 files of 60 kB", _versions(folder / "many", MANY), sshd, judge="rsync", factor=1.0),
                *_compared("a file of 400 MB", _versions(folder / "one", ONE), sshd, judge="scp", factor=1.3),
            ]


def _compared(name: str, versions: list[Version], sshd: LoopbackSshd, *, judge: str, factor: float) -> list[Figure]:
    ways: dict[str, Send] = {"Signalbox": _ours, "rsync": _rsync, "scp": _scp}
    took: dict[tuple[str, str], list[float]] = {(moment, way): [] for moment in MOMENTS for way in ways}
    there = sshd.folder.parent / "there"
    for _ in range(ROUNDS):
        for way, send in ways.items():
            there.mkdir()
            for moment, version in zip(MOMENTS, versions, strict=True):
                os.sync()
                began = time.monotonic()
                send(sshd, version, there)
                took[moment, way].append(time.monotonic() - began)
            shutil.rmtree(there)
    return [
        Figure(f"{name}, {moment}: {way}", seconds, "median", factor * statistics.median(took[moment, judge]))
        if way == "Signalbox" else Figure(f"{name}, {moment}: {way}", seconds)
        for (moment, way), seconds in took.items()
    ]


def _versions(folder: Path, sizes: dict[str, int]) -> list[Version]:
    """Random bytes; then the same with every hundredth file, or the first hundredth of the only one, drawn anew."""
    first, second = folder / "first", folder / "second"
    for path, size in sizes.items():
        (first / path).parent.mkdir(parents=True, exist_ok=True)
        (first / path).write_bytes(os.urandom(size))
    shutil.copytree(first, second)
    for path in list(sizes)[::CHANGED_SHARE]:
        with (second / path).open("r+b") as file:
            file.write(os.urandom(sizes[path] // (CHANGED_SHARE if len(sizes) == 1 else 1)))
    return [Version(folder, {path: _digest(folder / path) for path in sizes}) for folder in (first, second)]


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ours(sshd: LoopbackSshd, version: Version, there: Path) -> None:
    transport = reach_over_ssh(sshd, there).transport
    objects = [(digest, version.folder / path) for path, digest in version.manifest.items()]
    transport.put_objects(f"{there}/objects", objects, timeout_s=600)
    transport.link_tree(f"{there}/objects", f"{there}/{version.folder.name}/data", version.manifest, timeout_s=600)
    transport.close()


def _rsync(sshd: LoopbackSshd, version: Version, there: Path) -> None:
    shell = f"ssh -p {sshd.port} {' '.join(_options(sshd))}"
    subprocess.run(["rsync", "-a", "-e", shell, f"{version.folder}/", f"{sshd.user}@{sshd.address}:{there}/"], check=True)


def _scp(sshd: LoopbackSshd, version: Version, there: Path) -> None:
    sources = map(str, version.folder.iterdir())
    subprocess.run(
        ["scp", "-q", "-r", "-P", str(sshd.port), *_options(sshd), *sources, f"{sshd.user}@{sshd.address}:{there}/"],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def _options(sshd: LoopbackSshd) -> list[str]:
    settings = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "Compression=no")
    return ["-F", "none", "-i", str(sshd.key_path), "-c", CIPHERS[0], *(word for setting in settings for word in ("-o", setting))]


if __name__ == "__main__":
    print(table(measure()))
