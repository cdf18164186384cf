"""What belongs to no dataset is kept until it is released, whatever is swept and whoever sweeps meanwhile."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from recipes.catalog.catalog import Catalog
from recipes.catalog.keeping import keep, kept, release
from recipes.catalog.removal import Swept, sweep


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def test_files_and_texts_are_kept_by_their_content(catalog: Catalog, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("class Net: ...\n")
    stored = keep(catalog, [tmp_path / "net.py", b"text", b"text"])
    assert stored[1] == stored[2]
    assert (tmp_path / "net.py").exists()
    assert kept(catalog) == {file.digest for file in stored}
    assert [catalog.objects.path(file.digest).read_bytes() for file in stored] == [b"class Net: ...\n", b"text", b"text"]
    assert not list((catalog.root / "staging").iterdir())


def test_sweeping_leaves_what_is_kept_and_frees_what_was_released(catalog: Catalog) -> None:
    first, second = keep(catalog, [b"first", b"the second"])
    assert sweep(catalog) == Swept(0, 0)
    release(catalog, [second.digest, "0" * 64])
    assert sweep(catalog) == Swept(1, 10)
    assert catalog.objects.path(first.digest).read_bytes() == b"first"
    assert keep(catalog, [b"the second"]) == (second,)


def test_nothing_is_lost_to_those_who_sweep_meanwhile(catalog: Catalog) -> None:
    done = threading.Event()

    def sweeping() -> None:
        while not done.is_set():
            sweep(catalog)

    thread = threading.Thread(target=sweeping)
    thread.start()
    try:
        stored = [keep(catalog, [f"content {number}".encode()])[0] for number in range(40)]
    finally:
        done.set()
        thread.join(10)
    assert [catalog.objects.trouble(file) for file in stored] == [""] * 40
