"""Promise 6: frozen at submission. What runs at three in the morning is what was asked for at six in the evening."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from recipes.ingest import ingest
from recipes.recipe import load_recipe
from runner.entities import Run
from runner.errors import NotAllowedError
from runner.kinds import all_kinds
from runner.service.runs import submit_convert
from runner.settings import Role
from runner.specs import ConvertSpec, TrainSpec
from runner.states import Reason
from runner.store import attempts, hosts, runs
from tests.support.hosts import end_all
from tests.support.run_rows import host_value
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse, write_coco

pytestmark = pytest.mark.slow


@pytest.fixture
def extended(scripted: ScriptedHouse, tmp_path: Path) -> ScriptedHouse:
    """The house with an extension folder of its own, whose files a test may change."""
    shutil.copytree(SCRIPTED, tmp_path / "extension")
    settings = scripted.house.settings.model_copy(update={"extensions": (tmp_path / "extension",)})
    return replace(scripted, house=replace(scripted.house, settings=settings))


def preset_of(house: ScriptedHouse) -> Path:
    return house.house.settings.extensions[0] / "presets" / "quick.yaml"


def test_a_preset_changed_or_gone_after_submission_changes_nothing(extended: ScriptedHouse) -> None:
    run = extended.submit()
    preset = preset_of(extended)
    preset.write_text(preset.read_text().replace("epochs: 3", "epochs: 9"))
    later = extended.submit()
    preset.unlink()
    with extended.running():
        seen, seen_later = extended.wait(run, Reason.COMPLETED), extended.wait(later, Reason.COMPLETED)
    assert [len(view.epoch_ends) for view in (seen, seen_later)] == [3, 9]


def test_a_newer_version_of_the_dataset_is_not_taken(scripted: ScriptedHouse, tmp_path: Path) -> None:
    run = scripted.submit()
    ingest(scripted.house.catalog, write_coco(tmp_path / "more", images=3), name="fish", created_at=datetime.now(UTC))
    later = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
        scripted.wait(later, Reason.COMPLETED)
    assert len(list(scripted.directory(run).glob("data/images/**/*.jpg"))) == 4
    assert len(list(scripted.directory(later).glob("data/images/**/*.jpg"))) == 6


def test_a_version_whose_content_is_no_longer_what_was_frozen_is_refused(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    assert isinstance(run.spec, TrainSpec)
    spec = run.spec.model_copy(update={"dataset": run.spec.dataset.model_copy(update={"fingerprint": "0" * 64})})
    with scripted.house.store.writing() as db:
        db.conn.execute("UPDATE runs SET spec = ? WHERE id = ?", (spec.model_dump_json(), run.id))
    with scripted.running():
        seen = scripted.wait(run, Reason.BAD_SPEC)
    assert seen.run.detail == "fish@1 is no longer what it was when this was submitted (its fingerprint differs)."
    assert seen.attempt is None


def test_an_environment_whose_code_changed_is_a_bad_spec_at_launch(scripted: ScriptedHouse) -> None:
    first = scripted.submit("step_s=0.3")
    with scripted.running():
        scripted.wait(first, Reason.WORKING)
        second = scripted.submit()
        scripted.wait(second, Reason.WAITING_FOR_GPU)
        change_environment(scripted)
        seen = scripted.wait(second, Reason.BAD_SPEC)
        assert "is not the one this run was prepared with" in seen.run.detail
        assert seen.attempt is None
        scripted.wait(first, Reason.COMPLETED)


def test_an_environment_that_changes_between_placing_and_starting_is_noticed_too(scripted: ScriptedHouse) -> None:
    run = scripted.submit()
    with scripted.running():
        scripted.wait(run, Reason.COMPLETED)
    run = placed(scripted, runs.get(scripted.house.store.reading(), run.id))
    change_environment(scripted)
    with scripted.running():
        seen = scripted.wait(run, Reason.BAD_SPEC)
    assert "submit it again" in seen.run.detail
    assert seen.attempt is not None
    assert seen.attempt.fenced
    assert not seen.devices


def placed(scripted: ScriptedHouse, twin: Run) -> Run:
    """A run like another one, prepared and placed, whose runner died before it could lay a directory."""
    run = scripted.submit()
    with scripted.house.store.writing() as db:
        runs.keep_prepared(db, run.id, twin.prepared or {})
        hosts.lease(db, run, HOST, ("cpu:0",), now=scripted.house.now())
        attempts.begin(db, run, number=1, host=HOST, root=str(scripted.root), now=scripted.house.now())
        return runs.transition(db, run, Reason.STAGING, now=scripted.house.now(), attempt=1, host=HOST)


def change_environment(scripted: ScriptedHouse) -> None:
    with scripted.house.store.writing() as db:
        hosts.put_environment(db, replace(hosts.environments(db, host=HOST)[0], fingerprint="scripted-2"))


def test_the_config_resolved_once_serves_every_attempt(extended: ScriptedHouse) -> None:
    run = extended.submit("step_s=0.2")
    with extended.running():
        first = extended.wait_until(run, lambda view: view.checkpoints).run.prepared
        assert first is not None
        prepare = extended.house.settings.extensions[0] / "prepare_scripted.py"
        prepare.write_text(prepare.read_text().replace("scenario = dict(", "scenario = {'changed': 1} | dict("))
        end_from_outside(extended, run)
        seen = extended.wait(run, Reason.COMPLETED)
    assert seen.run.attempt == 2
    assert seen.run.prepared is not None
    assert seen.run.prepared["config"] == first["config"]
    configs = [extended.directory(run, number).joinpath("config.py").read_text() for number in (1, 2)]
    assert configs[0] == configs[1]


def end_from_outside(scripted: ScriptedHouse, run: Run) -> None:
    attempt = scripted.view(run).attempt
    assert attempt is not None
    assert attempt.pid is not None
    os.kill(attempt.pid, signal.SIGKILL)
    end_all(attempt.marker)


def test_a_conversion_carries_its_recipe_whole(scripted: ScriptedHouse) -> None:
    """A recipe of the library that changes with the next release does not change what was asked for before."""
    run = submit_convert(scripted.house, scripted.who(), dataset="fish", recipe="coco:coco")
    assert isinstance(run.spec, ConvertSpec)
    assert run.spec.text == load_recipe("coco:coco").text
    frozen = run.spec.model_copy(update={"text": "name: kept\ntitle: Kept\nread: {format: coco}\nwrite: {format: coco}\n"})
    work = all_kinds()[run.kind].work(scripted.house, replace(run, spec=frozen), host=host_value("local"), environment=None)
    assert work.plan.files == {"recipe.yaml": frozen.text.encode()}
    assert "recipe.yaml" in work.plan.argv
    assert "coco:coco" not in work.plan.argv
    with scripted.running():
        seen = scripted.wait(run, Reason.COMPLETED)
    assert seen.run.detail == "fish@2"
    assert scripted.house.catalog.get("fish@2").lineage.recipe_text == run.spec.text


def test_a_recipe_file_of_this_machine_is_no_members_business(scripted: ScriptedHouse) -> None:
    with pytest.raises(NotAllowedError, match="operator"):
        submit_convert(scripted.house, scripted.who(role=Role.MEMBER), dataset="fish", recipe="/etc/anything.yaml")
