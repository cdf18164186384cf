"""What can be refused of an evaluation, a prediction or an export before any framework loads; and the programs that lie beside them."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runner.host.prepare_mmdet.errors import BadSpecError
from runner.host.prepare_mmdet.preparing import prepare
from runner.host.prepare_mmdet.using import wanted_of

HOST = Path(__file__).parents[3] / "runner" / "host"
SPLITS = {"train": ["data/train.json", "data/images"], "val": ["data/val.json", "data/images"]}
DATASET = {"name": "fish@2", "classes": ["cod", "eel"], "splits": SPLITS, "images": {"train": 9, "val": 3, "test": 5}}
TRAINED = {"config": "a = 1", "epochs": 3, "batch": 8, "lr": 0.01, "revision": "r"}
PRESET = {"name": "p", "config": "c.py", "epochs": 3, "batch": 8, "lr": 0.01}


def spec(kind: str, **more: Any) -> dict[str, Any]:
    reference = {"name": "fish", "version": 2}
    return {"kind": kind, "preset": PRESET, "model": {"mode": "finetune", "run_id": "r-1"}, "trained_on": reference, **more}


def test_an_evaluation_takes_the_test_split_where_there_is_one() -> None:
    with_test = {**DATASET, "splits": {**SPLITS, "test": ["data/test.json", "data/images"]}}
    assert wanted_of(spec("eval"), with_test, ["cod", "eel"])["split"] == "test"
    values = wanted_of(spec("eval"), DATASET, ["eel", "cod"])
    assert (values["split"], values["listing"], values["images"], values["reordered"]) == ("val", "data/val.json", "data/images", True)
    assert wanted_of(spec("eval", split="train"), DATASET, ["cod", "eel"])["split"] == "train"


def test_a_prediction_takes_whatever_split_there_is_and_any_classes() -> None:
    only_train = {**DATASET, "splits": {"train": SPLITS["train"]}}
    values = wanted_of(spec("predict"), only_train, ["tuna"])
    assert (values["split"], values["classes"]) == ("train", ["tuna"])
    assert "listing" not in wanted_of(spec("predict", files=[{"name": "a.jpg", "digest": "0"}]), None, ["tuna"])


@pytest.mark.parametrize(
    ("asked", "dataset", "classes", "said"),
    [
        (spec("eval"), None, ["cod"], "needs a dataset"),
        (spec("eval", split="test"), DATASET, ["cod", "eel"], "test split of fish@2 has no annotations"),
        (spec("eval", split="nowhere"), DATASET, ["cod", "eel"], "has no nowhere split; it has: train, val"),
        (spec("eval"), DATASET, ["cod", "tuna"], "the dataset lacks tuna; the model does not know eel"),
        (spec("predict"), None, ["cod"], "nothing to predict on"),
        (spec("predict", gpus=2), DATASET, ["cod"], "one GPU"),
    ],
)
def test_what_could_never_work_is_refused(asked: dict[str, Any], dataset: Any, classes: list[str], said: str) -> None:
    with pytest.raises(BadSpecError, match=said):
        wanted_of(asked, dataset, classes)


def test_an_unknown_key_and_an_unprepared_training_are_refused() -> None:
    request = {"spec": spec("export"), "dataset": None, "checkpoints": [], "folder": ".", "trained": None, "trained_classes": []}
    with pytest.raises(BadSpecError, match="never prepared"):
        prepare(request)
    with pytest.raises(BadSpecError, match=r"unknown key 'splt'.*split"):
        prepare({**request, "spec": spec("export", splt="val"), "trained": TRAINED, "trained_classes": ["cod"]})
    with pytest.raises(BadSpecError, match=r"No checkpoint can be used \(there is none"):
        prepare({**request, "trained": TRAINED, "trained_classes": ["cod"]})


def run(program: str, request: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "request.json").write_text(json.dumps(request))
    return subprocess.run([sys.executable, str(HOST / program), "request.json"], cwd=folder, capture_output=True, text=True, check=False)


def test_a_listing_is_laid_in_the_trained_order_with_its_ids(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "eel"}, {"id": 2, "name": "cöd"}]
    (tmp_path / "val.json").write_text(json.dumps({"images": [], "annotations": [{"category_id": 2}], "categories": categories}))
    assert run("in_trained_order.py", {"listing": "val.json", "classes": ["cöd", "eel"]}, tmp_path).returncode == 0
    made = json.loads((tmp_path / "annotations_in_trained_order.json").read_text())
    assert made == {"images": [], "annotations": [{"category_id": 2}], "categories": categories[::-1]}
    refused = run("in_trained_order.py", {"listing": "val.json", "classes": ["tuna"]}, tmp_path)
    assert (refused.returncode, refused.stderr) == (1, "val.json has no category tuna.\n")


# As publish_model.py of mmdet 3.3 ends: the digest is put into the name by a process that nobody waits for.
TOOL = """
import hashlib, shutil, subprocess, sys
content = open(sys.argv[1], "rb").read()
open(sys.argv[2], "wb").write(content)
final = sys.argv[2][:-4] + "-" + hashlib.sha256(content).hexdigest()[:8] + ".pth"
subprocess.Popen(["sh", "-c", 'sleep 0.3; mv "$0" "$1"', sys.argv[2], final])
"""


def test_an_export_waits_for_the_tool_and_lays_config_classes_and_code_beside_the_weights(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(TOOL)
    (tmp_path / "config.py").write_text("a = 1\n")
    (tmp_path / "epoch_3.pth").write_bytes(b"weights")
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "neck.py").write_text("b = 2\n")
    request = {"tool": "tool.py", "checkpoint": "epoch_3.pth", "config": "config.py", "folder": "results/model", "name": "fish [1]"}
    done = run("publish_mmdet.py", {**request, "epoch": 3, "revision": "mmdet 3.3.0", "classes": ["cod"]}, tmp_path)
    assert done.returncode == 0, done.stderr
    made = sorted(str(path.relative_to(tmp_path / "results/model")) for path in (tmp_path / "results/model").rglob("*") if path.is_file())
    digest = hashlib.sha256(b"weights").hexdigest()
    stem = f"fish [1]-{digest[:8]}"
    assert made == ["code/neck.py", f"{stem}.json", f"{stem}.pth", f"{stem}.py"]
    summary = json.loads(done.stdout)["summary"]
    assert (summary["file"], summary["size_bytes"], summary["epoch"]) == (f"results/model/{stem}.pth", 7, 3)
    assert summary["sha256"] == digest


def test_a_tool_that_leaves_nothing_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text("")
    done = run("publish_mmdet.py", {"tool": "tool.py", "checkpoint": "c", "folder": "out", "name": "n"}, tmp_path)
    assert done.returncode == 1
    assert "left no out/n-<digest>.pth" in done.stderr
