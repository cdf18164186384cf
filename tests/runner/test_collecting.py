"""What a run made comes here from a real host: whole, within its limits, and however often it is tried."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner import collecting
from runner.collecting import Brought, bring, forget_old
from runner.errors import HostError, UnreachableError
from tests.support.hosts import Reached
from tests.support.run_rows import NOW, house_in

LIMIT = 50_000_000


@pytest.fixture
def made(any_host: Reached) -> Path:
    """A folder of results on the host."""
    folder = any_host.root / "runs" / "r-1" / "1" / "results"
    (folder / "pictures").mkdir(parents=True)
    (folder / "predictions.json").write_text("[1, 2]")
    (folder / "empty.txt").touch()
    (folder / "pictures" / 'fish "1"; $(id) ünï.jpg').write_bytes(b"\xff\xd8\xff")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state" / "results" / "r-1"


def nobody(_done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def brought(host: Reached, made: Path, place: Path, *, limit: int = LIMIT, progress: Callable[[int, int], None] = nobody) -> Brought:
    return bring(host.transport, host.host, str(made), place, limit_bytes=limit, progress=progress)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_folder_comes_as_it_is_and_again_as_often_as_one_likes(any_host: Reached, made: Path, place: Path) -> None:
    first = brought(any_host, made, place)
    assert tree(place) == tree(made)
    assert dict(first.files) == {name: len(data) for name, data in tree(made).items()}
    assert first.left == ""
    told: list[tuple[int, int]] = []
    assert brought(any_host, made, place, progress=lambda done, total: told.append((done, total))) == first
    assert tree(place) == tree(made)
    assert set(told) == {(0, 0)}  # nothing came twice
    assert [path.name for path in place.parent.iterdir()] == ["r-1"]


def test_a_run_that_made_nothing_leaves_an_empty_folder(any_host: Reached, tmp_path: Path, place: Path) -> None:
    assert brought(any_host, tmp_path / "absent", place) == Brought()
    assert list(place.iterdir()) == []


def test_links_devices_and_strange_names_stay_on_the_host(any_host: Reached, made: Path, place: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("private")
    (made / "out").symlink_to(secret / "key")
    (made / "folder").symlink_to(secret)
    os.mkfifo(made / "pipe")
    (made / "two\nlines").write_text("x")
    (made / os.fsdecode(b"not utf-8 \xff")).write_text("x")
    (made / "back\\slash").write_text("x")
    got = brought(any_host, made, place)
    assert sorted(tree(place)) == ["empty.txt", 'pictures/fish "1"; $(id) ünï.jpg', "predictions.json"]
    assert f"Left on {any_host.host.name} in {made}: " in got.left
    for words in ("out (a link)", "folder (a link)", "and 1 more"):
        assert words in got.left
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in place.rglob("*") if not path.is_dir())


def test_a_results_folder_that_is_a_link_is_not_followed(any_host: Reached, made: Path, place: Path) -> None:
    moved = made.with_name("elsewhere")
    made.rename(moved)
    made.symlink_to(moved)
    got = brought(any_host, made, place)
    assert got.files == ()
    assert "results (a link)" in got.left


def test_what_is_over_the_limit_stays_and_the_smaller_files_come(any_host: Reached, made: Path, place: Path) -> None:
    with (made / "huge.bin").open("wb") as file:
        file.truncate(3_000_000_000)
    got = brought(any_host, made, place)
    assert "huge.bin" not in tree(place)
    assert len(got.files) == 3
    assert got.left == f"Left on {any_host.host.name} in {made}: huge.bin (3,000,000,000 bytes, over the limit)."


def test_a_full_disk_here_counts_as_a_limit(any_host: Reached, made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "RESERVE_BYTES", 1 << 60)
    got = brought(any_host, made, place)
    assert [size for _, size in got.files] == [0]
    assert "over the limit" in got.left


def test_what_was_interrupted_goes_on_inside_a_file(any_host: Reached, made: Path, place: Path) -> None:
    data = os.urandom(20_000_000)
    (made / "video.mp4").write_bytes(data)

    def give_up(done: int, _total: int) -> None:
        if done > 8_000_000:
            raise UnreachableError("the way broke")

    with pytest.raises(UnreachableError):
        brought(any_host, made, place, progress=give_up)
    assert not place.exists()
    totals: set[int] = set()
    brought(any_host, made, place, progress=lambda _done, total: totals.add(total))
    assert tree(place) == tree(made)
    assert max(totals) < 13_000_000


def test_what_changed_on_the_host_meanwhile_replaces_what_was_here(any_host: Reached, made: Path, place: Path) -> None:
    brought(any_host, made, place)
    (made / "predictions.json").write_text("[]")
    (made / "empty.txt").unlink()
    brought(any_host, made, place)
    assert tree(place) == tree(made)


@pytest.mark.parametrize(("script", "error"), [("echo no such module >&2; exit 1", HostError), ("kill -9 $$", UnreachableError)])
def test_a_program_that_breaks_there_is_told_from_one_that_was_killed(
    any_host: Reached, made: Path, place: Path, tmp_path: Path, script: str, error: type[Exception]
) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    broken = replace(any_host, host=replace(any_host.host, python=str(python)))
    with pytest.raises(error, match=any_host.host.name):
        brought(broken, made, place)
    assert not place.exists()


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=300), max_size=6), st.lists(st.integers(1, 400), min_size=1, max_size=8), st.integers(0, 400))
def test_a_stream_is_the_same_however_it_is_cut(contents: list[bytes], cuts: list[int], held: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        files = [(f"{'deep/' * (number % 3)}{number}.bin", content) for number, content in enumerate(contents)]
        had = {name: min(held, len(content)) for name, content in files[::2]}
        for name, size in had.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(dict(files)[name][:size])
        header = {"files": [(name, len(content)) for name, content in files], "left": [["a\u0007b", "c"]], "left_more": 0}
        stream = json.dumps(header).encode() + b"\n" + b"".join(content[had.get(name, 0) :] for name, content in files)
        incoming = collecting._Incoming(place, had, LIMIT, nobody)
        at = 0
        while at < len(stream):
            cut = cuts[at % len(cuts)]
            incoming(stream[at : at + cut])
            at += cut
        incoming(b"")
        assert [name for name, _ in incoming.whole()] == [name for name, _ in files]
        assert tree(place) == dict(files)
        assert incoming.left == [("a?b", "c")]


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"files": [["../evil", 1]]}, "would lie elsewhere"),
        ({"files": [["/etc/passwd", 1]]}, "would lie elsewhere"),
        ({"files": [["a/./b", 1]]}, "would lie elsewhere"),
        ({"files": [["a", 1], ["a", 1]]}, "or one twice"),
        ({"files": [["a", LIMIT + 1]]}, "more files than it was asked for"),
        ({"files": [["a", -1]]}, "is no file"),
        ({"files": [["a", True]]}, "is no file"),
        ({"files": [["a", 1]], "left_more": "x"}, "cannot be read"),
        ({"files": 3}, "cannot be read"),
        ({"files": []}, "more than it had announced"),
    ],
)
def test_what_a_host_says_is_not_believed(any_host: Reached, place: Path, header: dict[str, object], words: str) -> None:
    text = json.dumps({"files": [], "left": [], "left_more": 0, **header}).encode() + b"\nxx"
    place.mkdir(parents=True)
    incoming = collecting._Incoming(place, {}, LIMIT, nobody)
    with pytest.raises(HostError, match=words):
        for byte in text:
            incoming(bytes([byte]))
    incoming.close()
    assert [path for path in place.parent.parent.rglob("*") if path.is_file()] == []


def test_results_of_long_ago_are_forgotten(tmp_path: Path) -> None:
    house = house_in(tmp_path, result_days=2)
    for name, days in (("r-old", 3), ("r-new", 1)):
        folder = house.settings.results / name / "pictures"
        folder.mkdir(parents=True)
        (folder / "1.jpg").touch()
        moment = NOW.timestamp() - days * 86_400
        os.utime(folder.parent, (moment, moment))
    forget_old(house, NOW)
    assert [path.name for path in house.settings.results.iterdir()] == ["r-new"]
    house.store.close()
