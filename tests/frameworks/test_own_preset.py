"""MMDetection declared on a server, and a detector of one's own added as a preset: both through the doors that people use."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.loopback_sshd import find_sshd
from runner.entities import Run
from runner.environments import find_ready
from runner.service.environments import declare
from runner.service.presets import NewPreset, add
from runner.service.runs import submit_training
from runner.service.views import RunView
from runner.specs import DeclaredEnvironment
from runner.states import Reason
from runner.store import hosts
from tests.support.scripted_house import HOST, ScriptedHouse, scripted_house

OWN = Path(__file__).parent / "own_detector"
CONFIG = "retinanet_augfpn_autoaug.py"

pytestmark = [
    pytest.mark.frameworks, pytest.mark.timeout(600), pytest.mark.skipif(find_sshd() is None, reason="openssh-server is not installed"),
]  # fmt: skip


def ended(house: ScriptedHouse, run: Run) -> RunView:
    return house.wait_until(run, lambda view: view.run.state.final, timeout_s=240)


@pytest.fixture(scope="module")
def declared() -> Iterator[ScriptedHouse]:
    """A house whose server has MMDetection as a declared environment, looked at and tried."""
    ready = find_ready("upstream")
    if ready is None:
        pytest.skip("the training environment is not built: `make environment` builds it")
    with scripted_house(Path(tempfile.mkdtemp(prefix="house"))) as house, house.running():
        said = DeclaredEnvironment(framework="mmdet", python=ready.python, code="", variables=dict(ready.variables))
        looked = declare(house.house, house.who(), host=HOST, name="by-hand", declared=said)
        seen = ended(house, looked)
        assert seen.run.reason is Reason.COMPLETED, seen.run.detail
        assert "mmdet 3.3.0" in seen.run.detail
        assert seen.result["tried"] is True
        yield house


def test_the_environment_has_what_identify_found(declared: ScriptedHouse) -> None:
    [found] = [each for each in hosts.environments(declared.house.store.reading(), host=HOST) if each.name == "by-hand"]
    assert found.code.endswith(".mim")
    assert len(found.fingerprint) == 16


def test_own_modules_and_an_own_config_train_on_the_server(declared: ScriptedHouse) -> None:
    numbers = {"epochs": 1, "batch": 1, "lr": 0.001, "description": "RetinaNet with a pocket's backbone and neck"}
    options = ("train_dataloader.dataset.filter_cfg.min_size=8",)  # the pictures are small
    new = NewPreset("pocket", config=str(OWN / CONFIG), code=str(OWN), options=options, changed=numbers)
    made = add(declared.house, declared.who("add"), new)
    assert made.stored.preset.imports == ("pocket_augfpn", "pocket_mobilenet", "square_dataset")
    run = submit_training(declared.house, declared.who("run"), preset="pocket", dataset="fish")
    seen = ended(declared, run)
    assert seen.run.reason is Reason.COMPLETED, seen.run.detail
    assert seen.run.prepared is not None
    assert "PocketMobileNet" in str(seen.run.prepared["config"])
    assert "epoch_1.pth" in [checkpoint.name for _, checkpoint in seen.checkpoints]
    frozen = json.loads((declared.directory(run) / "spec.json").read_text())
    assert sorted(frozen["preset"]["code"]) == sorted(path.name for path in OWN.glob("*.py"))


def test_a_module_that_does_not_import_is_a_bad_spec_with_its_line(declared: ScriptedHouse, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import torch\nimport a_package_that_nobody_has\n")
    add(declared.house, declared.who("add"), NewPreset("broken", like="rtmdet-nano", code=str(tmp_path)))
    run = submit_training(declared.house, declared.who("run"), preset="broken", dataset="fish")
    seen = ended(declared, run)
    assert seen.run.reason is Reason.BAD_SPEC, seen.run.detail
    assert "a_package_that_nobody_has" in seen.run.detail
    assert "net.py, line 2" in seen.run.detail
