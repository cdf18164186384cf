"""A folder of a host becomes a dataset through a real sshd and the recipes' own program; what is not right is refused, nothing lands."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from recipes.catalog.catalog import Catalog
from runner.host_folder import HOST, main
from tests.support.hosts import Reached
from tests.support.scripted_house import write_coco


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "da ta's" / "fish ünï")


def imported(
    reached: Reached, path: Path | str, catalog: Path, capfd: pytest.CaptureFixture[str], **given: object
) -> tuple[int, dict[str, Any], str]:
    """Exit status, the JSON that was said last, and the progress."""
    Catalog(catalog)
    host_file = catalog / "host.json"
    host_file.write_bytes(HOST.dump_json(reached.host))
    source = str(path) if reached.host.transport == "local" else "/dev/stdin"
    ingest = ["-m", "recipes", "ingest", source, "--name", "fish", "--title", f"gpu-1:{path}", "--catalog", str(catalog), "--json"]
    cost = {"max-bytes": 10_000_000, "timeout-s": 60} | given
    status = main([
        str(host_file), str(path), *(f"--{name}={value}" for name, value in cost.items()), "--catalog", str(catalog), "--",
        sys.executable, *ingest, "--progress", "json",
    ])  # fmt: skip
    out, err = capfd.readouterr()
    return status, json.loads(out.splitlines()[-1]), err


def test_a_folder_becomes_a_dataset_and_stays_as_it_is(
    any_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "images" / "again.jpg").symlink_to("train_1.jpg")
    os.link(folder / "images" / "val_1.jpg", folder / "images" / "hard.jpg")
    before = sorted(folder.rglob("*"))
    status, card, err = imported(any_host, folder, tmp_path / "catalog", capfd)
    assert (status, card["reference"], card["summary"]["images"]) == (0, "fish@1", 4), card
    assert card["lineage"]["source"] == f"gpu-1:{folder}"
    assert sorted(folder.rglob("*")) == before
    received = [json.loads(line) for line in err.splitlines() if "receiving" in line]
    if any_host.host.transport != "local":
        assert received[-1]["done"] == received[-1]["total"] > 1000
        assert received[-1]["unit"] == "bytes"
    version = Catalog(tmp_path / "catalog").get("fish")
    assert version.size_bytes == sum(path.stat().st_size for path in before if path.is_file())


def test_an_archive_on_a_host_is_unpacked(ssh_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive = shutil.make_archive(str(tmp_path / "fish 1"), "zip", folder)
    status, card, _ = imported(ssh_host, archive, tmp_path / "catalog", capfd)
    assert (status, card.get("reference")) == (0, "fish@1"), card


@pytest.mark.parametrize("target", ["/etc/hostname", "../outside", "nowhere", "."])
def test_links_that_lead_out_are_refused_by_name(
    any_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], target: str
) -> None:
    (folder.parent / "outside").mkdir()
    (folder / "a link").symlink_to(target)
    status, answer, _ = imported(any_host, folder, tmp_path / "catalog", capfd)
    assert status == 1
    error = answer["error"]
    assert error["where"] == f"gpu-1:{folder}" or any_host.host.transport == "local"
    assert "Links may not lead out of the folder: ./a link leads to" in error["message"]
    assert not Catalog(tmp_path / "catalog").names()


def test_what_is_not_there_or_too_much_is_refused(
    any_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path, given, sentence in (
        (folder / "no such", {}, "It is not there."),
        (f"{folder}; touch {tmp_path}/evil", {}, "It is not there."),
        (folder, {"max-bytes": 1000}, "at most 1,000 are taken"),
    ):
        status, answer, _ = imported(any_host, path, tmp_path / "catalog", capfd, **given)
        assert (status, sentence in answer["error"]["message"]) == (1, True), answer
    assert not (tmp_path / "evil").exists()


def test_what_the_dataset_lacks_is_said_by_the_program_itself(
    ssh_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo(folder / "pipe")
    status, answer, _ = imported(ssh_host, folder, tmp_path / "catalog", capfd)
    assert (status, answer["error"]["message"]) == (1, "The member is a link or a device.")
    assert answer["error"]["where"].startswith(f"gpu-1:{folder}, ")


def test_a_connection_that_breaks_leaves_nothing(
    ssh_host: Reached, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "images" / "large.jpg").write_bytes(os.urandom(3_000_000))
    # The host's tar dies in the middle: what it sent before is a proper beginning of a tar.
    monkeypatch.setattr("runner.host_folder._POUR", 'tar -chf - "$what" | head -c 1024000; exit 2')
    status, answer, _ = imported(ssh_host, folder, tmp_path / "catalog", capfd)
    assert status == 1
    assert "It was not read to its end" in answer["error"]["message"]
    # And at the very end, when all files have come: tar's own doubts still count.
    monkeypatch.setattr("runner.host_folder._POUR", 'tar -chf - "$what"; echo "file changed as we read it" >&2; exit 1')
    status, answer, _ = imported(ssh_host, folder, tmp_path / "catalog", capfd)
    assert (status, "file changed as we read it" in answer["error"]["message"]) == (1, True)
    assert not Catalog(tmp_path / "catalog").names()
    assert not [path for path in (tmp_path / "catalog" / "staging").iterdir() if path.suffix != ".lock"]
