from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import pytest

from recipes.catalog.catalog import Catalog
from recipes.catalog.objects import ObjectStore
from recipes.catalog.versions import diff, lacking
from recipes.errors import ArchiveError, CatalogError, DatasetError, FormatError
from recipes.ingest import convert, ingest
from recipes.recipe import load_recipe

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def staged(catalog: Catalog) -> list[str]:
    return [path.name for path in (catalog.root / "staging").iterdir()]


@pytest.mark.parametrize("pack", [False, True], ids=["folder", "zip"])
def test_ingests_what_was_sent_unchanged_and_describes_it(
    catalog: Catalog, video: Path, packed: Callable[[Path], Path], pack: bool
) -> None:
    before = tree(video)
    version = ingest(catalog, packed(video) if pack else video, name="fish", created_at=NOW, created_by="U1")
    assert {name: catalog.objects.path(file.digest).read_bytes() for name, file in version.files.items()} == before == tree(video)
    assert (version.reference, version.format, version.summary.images) == ("fish@1", "vatic", 100)
    assert version.summary.classes.keys() == {"fish", "traffic light"}
    assert sum(version.summary.classes.values()) == version.summary.boxes
    assert set(version.summary.flags) == {"generated", "lost", "occluded"}
    assert (version.lineage.created_at, version.lineage.created_by) == ("2026-05-04T12:00:00+00:00", "U1")
    assert (catalog.preview_path(version) or Path()).read_bytes().startswith(b"\x89PNG")
    assert catalog.get("fish") == catalog.get("fish@1") == version
    assert {stat.S_IMODE(path.stat().st_mode) for path in (catalog.root / "objects").glob("*/*")} == {0o444}
    assert os.access(video / "frames/0.jpg", os.W_OK)
    assert staged(catalog) == []
    json.dumps(version.card())


def test_equal_contents_are_stored_once_and_have_one_fingerprint(catalog: Catalog, video: Path) -> None:
    one = ingest(catalog, video, name="fish", created_at=NOW)
    count = len(tree(catalog.root / "objects"))
    two = ingest(catalog, video, name="copy", created_at=NOW)
    assert len(tree(catalog.root / "objects")) == count
    assert one.fingerprint == two.fingerprint
    (video / "frames/0.jpg").rename(video / "frames/00.jpg")
    assert ingest(catalog, video, name="fish", created_at=NOW).fingerprint != one.fingerprint


def test_converts_into_the_next_version_with_lineage(catalog: Catalog, video: Path, tmp_path: Path) -> None:
    ingest(catalog, video, name="fish", created_at=NOW)
    recipe = load_recipe("vatic-to-coco", ["gap=4"])
    version = convert(catalog, "fish", recipe, created_at=NOW, created_by="U2")
    assert (version.reference, version.format, version.lineage.source) == ("fish@2", "coco", "fish@1")
    assert version.lineage.recipe == "vatic-to-coco"
    assert version.lineage.recipe_text == recipe.text
    assert version.lineage.parameters == recipe.parameters()
    assert set(version.summary.splits) == {"train", "val"}
    assert {(entry.step, entry.reason) for entry in version.summary.left_out} >= {("drop_flagged", "lost"), ("split", "gap between splits")}
    catalog.materialize(version, tmp_path / "out")
    assert {name.split("/")[0] for name in version.files} == {"annotations", "images"}
    assert tree(tmp_path / "out").keys() == version.files.keys()
    image = next(name for name in version.files if name.endswith(".jpg"))
    assert (tmp_path / "out" / image).stat().st_ino == catalog.objects.path(version.files[image].digest).stat().st_ino
    again = convert(catalog, "fish", recipe, created_at=NOW)
    assert (again.reference, again.lineage.source, again.fingerprint) == ("fish@3", "fish@1", version.fingerprint)
    assert convert(catalog, "fish@1", recipe, name="other", created_at=NOW).reference == "other@1"


def test_a_manifest_diff_tells_what_a_host_lacks(catalog: Catalog, video: Path, draw: Callable[..., None]) -> None:
    old = ingest(catalog, video, name="fish", created_at=NOW)
    draw(video / "frames/5.jpg", shade=999)
    (video / "frames/6.jpg").rename(video / "frames/006.jpg")
    new = ingest(catalog, video, name="fish", created_at=NOW)
    change = diff(old, new)
    assert (change.added, change.removed, change.changed) == (("frames/006.jpg",), ("frames/6.jpg",), ("frames/5.jpg",))
    assert lacking(new, {file.digest for file in old.contents}) == (new.files["frames/5.jpg"],)
    assert len(lacking(new, ())) == len(new.contents)


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("fsh", "There is no dataset fsh. Did you mean fish?"),
        ("fish@9", "There is no version fish@9. There are: fish@1."),
        ("Fish", "'Fish' is no dataset."),
        ("../x", "'../x' is no dataset."),
        ("fish@", "'fish@' is no dataset."),
    ],
)
def test_unknown_references(catalog: Catalog, video: Path, reference: str, says: str) -> None:
    ingest(catalog, video, name="fish", created_at=NOW)
    with pytest.raises(CatalogError) as caught:
        catalog.get(reference)
    assert says in str(caught.value)


def test_a_format_that_no_version_has(catalog: Catalog, video: Path) -> None:
    ingest(catalog, video, name="fish", created_at=NOW)
    with pytest.raises(CatalogError, match=r"No version of fish is coco. Convert one first."):
        catalog.get("fish", format_name="coco")


@pytest.mark.parametrize("name", ["Fish", "a b", "", "ä", "../x", "a" * 64, "-x", "a@1", "a.b"])
def test_names_are_typable(catalog: Catalog, video: Path, name: str) -> None:
    with pytest.raises(CatalogError, match=r"cannot be called"):
        ingest(catalog, video, name=name, created_at=NOW)


def test_what_is_unfit_is_refused_whole(catalog: Catalog, video: Path, packed: Callable[[Path], Path], tmp_path: Path) -> None:
    frame = video / "frames/7.jpg"
    frame.write_bytes(frame.read_bytes()[:-30])
    with pytest.raises(FormatError, match=r"frames/7.jpg") as caught:
        ingest(catalog, packed(video), name="fish", created_at=NOW)
    assert "1 images are cut off before their end" in str(caught.value)
    (tmp_path / "x.zip").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(ArchiveError, match=r"x.zip"):
        ingest(catalog, tmp_path / "x.zip", name="fish", created_at=NOW)
    assert catalog.names() == ()
    assert tree(catalog.root / "objects") == {}
    assert staged(catalog) == []


def test_verify_names_every_damaged_file(catalog: Catalog, video: Path) -> None:
    version = ingest(catalog, video, name="fish", created_at=NOW)
    assert catalog.verify() == ()
    rotten = catalog.objects.path(version.files["frames/3.jpg"].digest)
    rotten.chmod(0o644)
    rotten.write_bytes(rotten.read_bytes()[:-1] + b"!")
    catalog.objects.path(version.files["fish.txt"].digest).unlink()
    assert sorted(catalog.verify("fish")) == ["fish@1/fish.txt: missing.", "fish@1/frames/3.jpg: changed on disk."]
    with pytest.raises(CatalogError, match=r"fish@1/fish.txt: Its content is missing."):
        catalog.materialize(version, catalog.root / "out")
    assert not (catalog.root / "out").exists()


def test_materialize_never_overwrites(catalog: Catalog, video: Path, tmp_path: Path) -> None:
    version = ingest(catalog, video, name="fish", created_at=NOW)
    with pytest.raises(DatasetError, match=r"is there already"):
        catalog.materialize(version, video)
    (tmp_path / "empty").mkdir()
    catalog.materialize(version, tmp_path / "empty")
    assert tree(tmp_path / "empty") == tree(video)


@pytest.mark.parametrize("text", [b"{}", b"", b"nonsense", b'{"schema": 1}'])
def test_a_damaged_manifest_is_named(catalog: Catalog, video: Path, text: bytes) -> None:
    ingest(catalog, video, name="fish", created_at=NOW)
    manifest = catalog.root / "datasets/fish/1.json"
    manifest.chmod(0o644)
    manifest.write_bytes(text)
    with pytest.raises(CatalogError, match=r"1\.json: The manifest is damaged"):
        catalog.get("fish")


def test_a_manifest_cannot_lead_out_of_its_folder(catalog: Catalog, video: Path) -> None:
    ingest(catalog, video, name="fish", created_at=NOW)
    manifest = catalog.root / "datasets/fish/1.json"
    manifest.chmod(0o644)
    manifest.write_bytes(manifest.read_bytes().replace(b'"fish.txt"', b'"../x.txt"'))
    with pytest.raises(CatalogError, match=r"leads out of its folder"):
        catalog.get("fish")


def test_a_number_is_never_given_twice(catalog: Catalog, video: Path) -> None:
    for _ in range(2):
        ingest(catalog, video, name="fish", created_at=NOW)
    newest = catalog.root / "datasets/fish/2.json"
    newest.rename(newest.with_name("2.removed"))
    assert ingest(catalog, video, name="fish", created_at=NOW).reference == "fish@3"
    assert catalog.numbers("fish") == (1, 3)


def _add(root: Path, video: Path) -> int:
    return ingest(Catalog(root), video, name="fish", created_at=NOW).number


def test_two_processes_at_once_get_two_numbers(catalog: Catalog, video: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        numbers = list(pool.map(_add, [catalog.root] * 6, [video] * 6))
    assert sorted(numbers) == [1, 2, 3, 4, 5, 6]
    assert catalog.verify() == ()
    assert staged(catalog) == []


class Crash(BaseException):
    """Dies like a process: nothing may handle it."""


@pytest.mark.parametrize(
    ("step", "call"), [("chmod", 1), ("chmod", 5), ("replace", 1), ("replace", 5), ("link", 1), ("fsync", 1), ("fsync", 2), ("fsync", 3)]
)
def test_a_crash_at_any_step_leaves_the_old_versions_whole(
    catalog: Catalog,
    video: Path,
    packed: Callable[[Path], Path],
    draw: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    call: int,
) -> None:
    old = ingest(catalog, video, name="fish", created_at=NOW)
    for frame in range(8):
        draw(video / f"frames/{frame}.jpg", shade=500 + frame)
    archive = packed(video)
    calls = 0
    home = Path if step in {"chmod", "replace"} else os
    real = getattr(home, step)

    def crash(*arguments: object, **keywords: object) -> object:
        nonlocal calls
        calls += 1
        if calls == call:
            raise Crash
        return real(*arguments, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(home, step, crash)
        with pytest.raises(Crash):
            ingest(catalog, archive, name="fish", created_at=NOW)
    assert catalog.get("fish@1") == old
    assert catalog.verify() == ()
    assert ingest(catalog, archive, name="fish", created_at=NOW).number == len(catalog.numbers("fish"))
    assert catalog.verify() == ()


def test_killed_processes_leave_nothing_that_stays(catalog: Catalog, video: Path, packed: Callable[[Path], Path]) -> None:
    """SIGKILL at different moments of an ingest and a conversion; the next work clears what they left."""
    ingest(catalog, video, name="fish", created_at=NOW)
    archive = packed(video)
    commands = [["ingest", str(archive), "--name", "fish"], ["convert", "fish", "vatic-to-coco"]]
    for number in range(6):
        arguments = [sys.executable, "-m", "recipes", *commands[number % 2], "--catalog", str(catalog.root)]
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 5
        while process.poll() is None and time.monotonic() < deadline and not staged(catalog):
            time.sleep(0.002)
        time.sleep(0.01 * number)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=5)
        assert catalog.verify() == ()
    ingest(catalog, video, name="fish", created_at=NOW)
    assert staged(catalog) == []
    assert catalog.numbers("fish") == tuple(range(1, len(catalog.numbers("fish")) + 1))


def test_an_object_cut_short_by_a_power_cut_is_written_again(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    (tmp_path / "a").write_bytes(b"content")
    stored = store.put(tmp_path / "a", move=False)
    store.path(stored.digest).chmod(0o644)
    store.path(stored.digest).write_bytes(b"")
    assert store.trouble(stored) == "changed on disk"
    assert store.put(tmp_path / "a", move=False) == stored
    assert store.path(stored.digest).read_bytes() == b"content"
    assert (tmp_path / "a").read_bytes() == b"content"
