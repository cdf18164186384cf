"""Presets that people add: versions, rights, names, and their code in every attempt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from recipes.catalog.keeping import keep
from recipes.catalog.removal import sweep
from runner.entities import Environment
from runner.errors import NotAllowedError, RequestError
from runner.service.house import House, Requester
from runner.service.presets import NewPreset, add, all_presets, find, preset_view, preset_views, remove
from runner.service.runs import submit_training
from runner.settings import Role
from runner.specs import TrainSpec
from runner.states import Reason
from runner.store import hosts
from tests.support.run_rows import house_in
from tests.support.scripted_house import ScriptedHouse
from tests.support.words_house import words_house

NANO = "rtmdet-nano"


def who(role: Role = Role.OPERATOR) -> Requester:
    return Requester("U1", role, "test", "1")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = house_in(tmp_path)
    yield made
    made.store.close()


def test_one_like_another_changes_what_was_said(house: House) -> None:
    made = add(house, who(), NewPreset("mine", like=NANO, options=("model.a.b=[1, 2]", "model.c=true"), changed={"epochs": 3, "lr": None}))
    preset, like = made.stored.preset, find(house, NANO)
    assert (preset.name, preset.epochs, preset.lr, preset.config) == ("mine", 3, like.lr, like.config)
    assert preset.options == {**like.options, "model.a.b": [1, 2], "model.c": True}
    assert find(house, "mine") == preset
    assert set(all_presets(house)) >= {"mine", NANO}


def test_another_config_takes_no_options_of_the_first(house: House) -> None:
    made = add(house, who(), NewPreset("mine", config="ssd/ssd300_coco.py", like=NANO))
    assert made.stored.preset.options == {}
    assert made.stored.preset.description == f"ssd/ssd300_coco.py, otherwise as {NANO}"


def test_the_same_again_changes_nothing_and_another_is_the_next_version(house: House) -> None:
    new = NewPreset("mine", like=NANO)
    assert [add(house, who(), new).stored.version for _ in range(2)] == [1, 1]
    assert add(house, who(), NewPreset("mine", like=NANO, changed={"batch": 2})).stored.version == 2
    assert [each.version for each in preset_view(house, "mine").versions] == [2, 1]
    assert len(remove(house, who(), "mine")) == 2
    with pytest.raises(RequestError, match="There is no preset 'mine'"):
        remove(house, who(), "mine")
    assert add(house, who(), new).stored.version == 3


def test_its_code_is_kept_as_long_as_the_preset_whatever_is_swept(house: House, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("class Net: ...\n")
    (tmp_path / "config.py").write_text("model = 1\n")
    made = add(house, who(), NewPreset("mine", config=str(tmp_path / "config.py"), code=None, like=NANO))
    sweep(house.catalog)
    [(path, digest)] = made.stored.preset.code.items()
    assert (path, house.catalog.objects.path(digest).read_text()) == ("config.py", "model = 1\n")
    again = add(house, who(), NewPreset("other", like="mine", changed={"epochs": 2})).stored.preset
    assert (again.config, again.code) == ("config.py", made.stored.preset.code)


def test_the_start_of_a_forgotten_preset_is_freed_once_nothing_needs_it(house: House) -> None:
    [weights] = keep(house.catalog, [b"weights"])
    start = f"sha256:{weights.digest}"
    for name in ("mine", "other"):
        add(house, who(), NewPreset(name, like=NANO, changed={"start": start}))
    remove(house, who(), "mine")
    sweep(house.catalog)
    assert house.catalog.objects.path(weights.digest).exists()
    remove(house, who(), "other")
    sweep(house.catalog)
    assert not house.catalog.objects.path(weights.digest).exists()
    with pytest.raises(RequestError, match="is not in the store"):
        add(house, who(), NewPreset("mine", like=NANO, changed={"start": start}))


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (NewPreset("Mine Own", like=NANO), "cannot name a preset"),
        (NewPreset(NANO, like=NANO), "comes with this installation; give yours another name"),
        (NewPreset("mine"), "Give --config FILE, or --like PRESET"),
        (NewPreset("mine", config="a.py", changed={"epochs": 3}), "The preset mine needs --batch, --lr too"),
        (NewPreset("mine", like=NANO, changed={"framework": "yolo"}), "There is no framework 'yolo'"),
        (NewPreset("mine", like=NANO, options=("depth",)), "write key=value"),
        (NewPreset("mine", like=NANO, options=("depth=[1",)), "cannot be read as YAML"),
        (NewPreset("mine", like=NANO, options=("a=[&x [1], *x]",)), "cannot be read as YAML"),
        (NewPreset("mine", like=NANO, changed={"lr": -1}), "mine cannot be a preset: lr: "),
        (NewPreset("mine", like=NANO, changed={"start": "w.pth"}), "is no start checkpoint"),
        (NewPreset("mine", like="rtmdet-nanno"), "Did you mean rtmdet-nano"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_kept(house: House, new: NewPreset, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        add(house, who(), new)
    assert "mine" not in all_presets(house)


def test_what_is_signalboxs_own_does_not_travel(house: House, tmp_path: Path) -> None:
    state = house.settings.state
    (tmp_path / "linked").symlink_to(state)
    key = tmp_path / ".ssh" / "id_ed25519"
    key.parent.mkdir()
    key.write_text("secret")
    for new in (
        NewPreset("mine", like=NANO, config=str(state / "signalbox.db")), NewPreset("mine", like=NANO, code=str(state.parent)),
        NewPreset("mine", like=NANO, code=str(tmp_path / "linked" / "logs")),
        NewPreset("mine", like=NANO, changed={"start": f"file://{state}/signalbox.db"}),
        NewPreset("mine", like=NANO, changed={"start": f"FILE://{state}/signalbox.db"}), NewPreset("mine", like=NANO, config=str(key)),
    ):
        with pytest.raises(RequestError, match="holds keys, or Signalbox's own settings or state"):
            add(house, who(), new)


def test_only_operators_add_and_remove(house: House) -> None:
    for act in (lambda: add(house, who(Role.MEMBER), NewPreset("mine", like=NANO)), lambda: remove(house, who(Role.MEMBER), "mine")):
        with pytest.raises(NotAllowedError, match="operator"):
            act()
    with pytest.raises(RequestError, match="comes with this installation and stays"):
        remove(house, who(), NANO)


def test_the_list_says_what_each_server_can_run(tmp_path: Path) -> None:
    house = words_house(tmp_path)
    with house.store.writing() as db:
        hosts.put_environment(db, Environment("gpu1", "onedl", "mmdet", "/p", "/c", "f"))
    add(house, who(), NewPreset("pinned", like=NANO, changed={"environment": "upstream"}))
    found = {view.preset.name: [(each.host, each.environment) for each in view.hosts] for view in preset_views(house)}
    assert found[NANO] == [("gpu1", "onedl")]
    assert found["pinned"] == [("gpu1", None)]
    assert preset_view(house, "pinned").hosts[0].advice == "`host bootstrap gpu1` builds one."
    house.store.close()


def test_its_modules_lie_in_every_attempt_and_stay_as_they_were(scripted: ScriptedHouse, tmp_path: Path) -> None:
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "net.py").write_text("class Net: ...\n")
    add(scripted.house, scripted.who(), NewPreset("mine", like="quick", code=str(tmp_path / "nets")))
    run = submit_training(scripted.house, scripted.who(), preset="mine", dataset="fish")
    (tmp_path / "nets" / "net.py").write_text("class Another: ...\n")
    add(scripted.house, scripted.who(), NewPreset("mine", like="quick", code=str(tmp_path / "nets")))
    remove(scripted.house, scripted.who(), "mine")
    with scripted.running():
        seen = scripted.wait(run, Reason.COMPLETED)
    assert (scripted.directory(run) / "code" / "net.py").read_text() == "class Net: ...\n"
    assert isinstance(seen.run.spec, TrainSpec)
    assert seen.run.spec.preset.imports == ("net",)
