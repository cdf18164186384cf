"""Removing versions frees what nobody else uses, and loses nothing else: not to a crash, not to somebody who adds meanwhile."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from recipes.catalog import removal
from recipes.catalog.catalog import Catalog
from recipes.catalog.removal import Swept, remove, sweep, versions_of, would_free
from recipes.catalog.versions import DatasetVersion, Lineage
from recipes.errors import CatalogError
from recipes.summary import Summary

LINEAGE = Lineage("fish.zip", "signalbox", "2026-05-04T12:00:00+00:00")
EMPTY = Summary("vatic", 0, 0, 0, {}, {}, {})


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def add(catalog: Catalog, folder: Path, *, name: str = "fish", preview: bytes | None = None, **files: str) -> DatasetVersion:
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for stem, content in files.items():
        (folder / stem).write_text(content)
    return catalog.add_version(folder, name=name, summary=EMPTY, lineage=LINEAGE, preview=preview)


def objects(catalog: Catalog) -> int:
    return len(list((catalog.root / "objects").glob("*/*")))


def python(code: str, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)


def test_only_what_nobody_else_uses_is_freed(catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, tmp_path / "a", one="1", two="22", preview=b"picture")
    add(catalog, tmp_path / "a", two="22", three="333")
    assert would_free(catalog, ["fish@1"]) == would_free(catalog, ["fish@1"], hurried=True) == Swept(2, 8)
    done = remove(catalog, ["fish@1"])
    assert done.freed == Swept(2, 8)
    assert done.sentence() == "fish@1 is removed. 2 files with 0.0 MB are freed."
    assert catalog.numbers("fish") == (2,)
    assert catalog.verify() == ()
    with pytest.raises(CatalogError, match=r"fish@1 was removed. There are: fish@2."):
        catalog.get("fish@1")


def test_whoever_is_hurried_is_not_kept_by_very_many_manifests(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(catalog, tmp_path / "a", one="1")
    monkeypatch.setattr(removal, "QUICKLY_READ_BYTES", 100)
    assert would_free(catalog, ["fish@1"], hurried=True) is None
    assert would_free(catalog, ["fish@1"]) == Swept(1, 1)


def test_a_number_is_never_given_again(catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, tmp_path / "a", one="1")
    add(catalog, tmp_path / "a", one="2")
    assert versions_of(catalog, "fish") == ("fish@1", "fish@2")
    assert versions_of(catalog, "fish@2") == ("fish@2",)
    remove(catalog, versions_of(catalog, "fish"))
    assert (catalog.names(), objects(catalog)) == ((), 0)
    assert add(catalog, tmp_path / "a", one="1").reference == "fish@3"


def test_what_a_crash_cut_short_can_be_done_again(catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, tmp_path / "a", one="1")
    catalog.retire("fish", 1)  # and there it died
    assert objects(catalog) == 1
    assert remove(catalog, ["fish@1"]).freed == Swept(1, 1)


@pytest.mark.parametrize(("reference", "said"), [("fish@2", "no version fish@2"), ("fish", "Which version"), ("eel@1", "no version")])
def test_what_never_was_cannot_be_removed(catalog: Catalog, tmp_path: Path, reference: str, said: str) -> None:
    add(catalog, tmp_path / "a", one="1")
    with pytest.raises(CatalogError, match=said):
        remove(catalog, [reference])
    assert catalog.numbers("fish") == (1,)


def test_nothing_is_freed_while_a_manifest_cannot_be_read(catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, tmp_path / "a", one="1")
    add(catalog, tmp_path / "a", two="2")
    manifest = catalog.root / "datasets/fish/2.json"
    manifest.chmod(0o644)
    manifest.write_text("{")
    with pytest.raises(CatalogError, match="damaged"):
        remove(catalog, ["fish@1"])
    assert objects(catalog) == 2


def test_what_crashed_imports_left_is_freed_as_well(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("never published")
    catalog.objects.put(tmp_path / "x", move=False)
    (catalog.root / "objects/.0.partial").write_text("half")
    assert sweep(catalog) == Swept(1, 15)
    assert not (catalog.root / "objects/.0.partial").exists()


ADDS = """
import sys
from pathlib import Path
from recipes.catalog.catalog import Catalog
from recipes.summary import Summary
from recipes.catalog.versions import Lineage
catalog = Catalog(Path(sys.argv[1]))
with catalog.staging() as scratch:
    stored = catalog.objects.put(Path(sys.argv[2]) / "shared", move=False)  # finds it stored already
    print("found", flush=True)
    sys.stdin.readline()
    summary = Summary("vatic", 0, 0, 0, {}, {}, {})
    print(catalog.add_version(Path(sys.argv[2]), name="eel", summary=summary, lineage=Lineage("", "", "")).reference, flush=True)
"""


def test_what_another_process_found_stored_and_is_about_to_use_is_not_freed(catalog: Catalog, tmp_path: Path) -> None:
    add(catalog, tmp_path / "a", shared="the same in both")
    other = python(ADDS, catalog.root, tmp_path / "a")
    assert other.stdout is not None
    assert other.stdout.readline() == "found\n"
    done = remove(catalog, ["fish@1"])
    assert done.freed is None
    assert "is being added" in done.sentence()
    assert other.communicate("go\n", timeout=20)[0] == "eel@1\n"
    assert sweep(catalog) == Swept(0, 0)
    assert catalog.verify() == ()
    assert (catalog.names(), objects(catalog)) == (("eel",), 1)


CHURN = """
import sys
from pathlib import Path
from recipes.catalog.catalog import Catalog
from recipes.catalog.removal import remove
from recipes.summary import Summary
from recipes.catalog.versions import Lineage
catalog, folder, name = Catalog(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
print("begun", flush=True)
while True:
    version = catalog.add_version(folder, name=name, summary=Summary("vatic", 0, 0, 0, {}, {}, {}), lineage=Lineage("", "", ""))
    remove(catalog, [version.reference])
"""


def killed(processes: Sequence[subprocess.Popen[str]]) -> None:
    for process in processes:
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)


@pytest.mark.slow
def test_two_that_add_and_remove_the_same_killed_at_any_moment_leave_the_others_whole(catalog: Catalog, tmp_path: Path) -> None:
    contents = {f"image{number}": f"content {number}" for number in range(12)}
    kept = add(catalog, tmp_path / "a", name="kept", **dict(list(contents.items())[:6]))
    add(catalog, tmp_path / "a", name="other", **contents)
    remove(catalog, ["other@1"])
    for number in range(5):
        both = [python(CHURN, catalog.root, tmp_path / "a", name) for name in ("eel", "cod")]
        assert [process.stdout.readline() for process in both if process.stdout] == ["begun\n"] * 2
        time.sleep(0.03 + 0.017 * number)
        killed(both)
        assert catalog.verify() == ()
    remove(catalog, [reference for name in ("eel", "cod") if catalog.numbers(name) for reference in versions_of(catalog, name)])
    assert sweep(catalog) == Swept(0, 0)
    assert catalog.names() == ("kept",)
    assert {file.digest for file in kept.contents} == {path.parent.name + path.name for path in (catalog.root / "objects").glob("*/*")}


def test_adding_a_dataset_again_mends_what_rotted(catalog: Catalog, tmp_path: Path) -> None:
    version = add(catalog, tmp_path / "a", one="right")
    rotten = catalog.objects.path(version.files["one"].digest)
    rotten.chmod(0o644)
    rotten.write_text("wrong")
    assert catalog.verify() == ("fish@1/one: changed on disk.",)
    add(catalog, tmp_path / "a", one="right")
    assert catalog.verify() == ()
