"""Presets are read from files, once as long as a file stays as it is."""

from __future__ import annotations

from pathlib import Path

from runner.presets import find_preset

WRITTEN = "{{name: tiny, framework: scripted, config: none, description: for tests, epochs: {epochs}, batch: 1, lr: 0.1}}\n"


def test_a_changed_preset_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "presets" / "tiny.yaml"
    path.parent.mkdir()
    path.write_text(WRITTEN.format(epochs=3))
    first = find_preset("tiny", [tmp_path])
    assert first is find_preset("tiny", [tmp_path])
    path.write_text(WRITTEN.format(epochs=12))
    assert (first.epochs, find_preset("tiny", [tmp_path]).epochs) == (3, 12)
