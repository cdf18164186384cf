from __future__ import annotations

import os
import shutil
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd
from runner.transports.probe import probe
from tests.support.hosts import Reached, reach_over_ssh


def test_a_whole_host_lacks_nothing(any_host: Reached) -> None:
    found = probe(any_host.transport, root=any_host.host.root)
    assert found.missing == ()
    assert found.host_name == os.uname().nodename
    assert found.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    assert Path(found.python).is_absolute()
    assert found.free_bytes > 0
    assert found.screen == (shutil.which("screen") is not None)
    assert any_host.root.is_dir()


def test_what_is_missing_is_named_in_words(tmp_path: Path) -> None:
    bare = tmp_path / "bin"
    bare.mkdir()
    for program in ("sh", "id", "uname", "head", "mkdir", "rm", "df", "awk", "tar", "setsid", "cat"):
        (bare / program).symlink_to(shutil.which(program) or "")
    wrapper = f"ForceCommand PATH='{bare}' HOME=/none exec sh -s"
    with LoopbackSshd(tmp_path / "sshd", lines=(wrapper,)) as sshd:
        reached = reach_over_ssh(sshd, tmp_path)
        found = probe(reached.transport, root="/proc/nobody writes here")
        reached.transport.close()
    assert any("sha256sum" in words for words in found.missing)
    assert any("a folder /proc/nobody writes here" in words for words in found.missing)
    assert not any("tar," in words for words in found.missing)
    assert any("screen is not installed" in words for words in found.notes)
