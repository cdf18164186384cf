"""What an export made is found out here, and kept where a preset can start from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.catalog.keeping import kept
from runner.publishing import exported, preset_from
from runner.service.house import House
from runner.specs import Kind, ModelSpec, Start, StartMode
from runner.start_checkpoints import start_checkpoints
from tests.support.run_rows import DATASET, PRESET, house_in, run_value

SPEC = ModelSpec(
    kind=Kind.EXPORT, preset=PRESET, model=Start(mode=StartMode.FINETUNE, run_id="r-9"), trained_on=DATASET, host="gpu-1", publish_as="mine"
)
TENSORFLOW = (
    "model/checkpoint/ckpt-0.index", "model/checkpoint/ckpt-0.data-00000-of-00001", "model/checkpoint/checkpoint", "model/pipeline.config",
    "model/saved_model/saved_model.pb", "model/saved_model/variables/variables.index",
    "model/saved_model/variables/variables.data-00000-of-00001",
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    opened = house_in(tmp_path / "variables")  # a folder of people may be called as TensorFlow calls one
    yield opened
    opened.store.close()


def results(house: House, *names: str) -> Path:
    folder = house.settings.results / "r-1"
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def test_one_file_of_torch_is_the_model(house: House) -> None:
    folder = results(house, "model/quick-ab12.pth", "model/config.py")
    digest = hashlib.sha256(b"model/quick-ab12.pth").hexdigest()
    made = exported(house, run_value(spec=SPEC), folder)
    assert made == {"files": 2, "size_bytes": 35, "model": "model/quick-ab12.pth", "sha256": digest, "start": f"sha256:{digest}"}
    assert kept(house.catalog) == {digest}
    preset = preset_from(run_value(spec=SPEC), str(made["start"]))
    assert preset is not None
    assert (preset.name, preset.start, preset.framework, preset.description) == (
        "mine", f"sha256:{digest}", "scripted", "quick as r-9 learned fish@1"
    )


def test_a_checkpoint_of_tensorflow_starts_a_preset_as_it_lay_in_the_export(house: House) -> None:
    folder = results(house, *TENSORFLOW)
    made = exported(house, run_value(spec=SPEC), folder)
    assert "model" not in made
    assert exported(house, run_value(spec=SPEC), folder) == made  # the same bytes, however often
    start = start_checkpoints(house).brought(str(made["start"]), lambda _done, _total: None)
    assert start.path == "ckpt-0"
    assert {name: house.catalog.objects.path(digest).read_text() for name, digest in start.files.items()} == {
        "ckpt-0.data-00000-of-00001": TENSORFLOW[1], "ckpt-0.index": TENSORFLOW[0],
    }


@pytest.mark.parametrize("names", [(), ("model/a.pth", "model/b.pth"), ("model/a.pth", "model/ckpt-0.index"), ("model/model.onnx",)])
def test_what_has_no_weights_or_several_starts_nothing_and_says_so(house: House, names: tuple[str, ...]) -> None:
    made = exported(house, run_value(spec=SPEC), results(house, *names))
    assert made["trouble"] == f"no preset was made: {len(names)} files came and not one set of weights"
    assert "start" not in made
    assert kept(house.catalog) == frozenset()


def test_nothing_is_kept_unless_it_was_asked_for(house: House) -> None:
    plain = SPEC.model_copy(update={"publish_as": None})
    made = exported(house, run_value(spec=plain), results(house, "model/quick.pth"))
    assert set(made) == {"files", "size_bytes", "model", "sha256"}
    assert kept(house.catalog) == frozenset()
    assert exported(house, run_value(), results(house, "model/quick.pth")) == {}
    assert preset_from(run_value(spec=plain), "sha256:ab") is None
