"""run, plan, finetune and presets as people type them: what is frozen, what is said, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.answer import Answer
from bot.grammar import answer
from bot.views.presets import preset_list, preset_page
from bot.views.runs_in_words import again
from runner.entities import Environment, Host, Run, StoredPreset, TransportName
from runner.evidence import DeviceUse, Resources
from runner.service.house import House
from runner.service.presets import HostForPreset, PresetView
from runner.settings import Role
from runner.specs import ModelSpec, Preset, StartMode, TrainSpec
from runner.store import hosts, runs
from tests.support.payloads import HOSTILE, assert_sendable
from tests.support.words_house import NOW, add_dataset, at_work, somebody, training, words_house

START = "https://example.org/weights.pth"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """gpu1 has four GPUs and an environment; ``begun`` is a preset with a start checkpoint, fish has 80 pictures to train on."""
    made = words_house(tmp_path / "state")
    add_dataset(made, "fish")
    with made.store.writing() as db:
        devices = tuple(DeviceUse(f"GPU-{number}", number, "H200", 140_000, 0) for number in range(4))
        hosts.note_resources(db, Resources("gpu1", devices))
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/p", "/c", "f"))
    assert ask(made, f"presets add begun --like rtmdet-nano --start {START}").ok
    yield made
    made.store.close()


def ask(house: House, line: str, role: Role = Role.OPERATOR) -> Answer:
    return answer(house, somebody(role=role), line)


def queued(house: House, line: str) -> Run:
    given = ask(house, line)
    assert given.ok, given.text
    return runs.get(house.store.reading(), given.run_id or "")


def frozen(house: House, line: str) -> TrainSpec:
    spec = queued(house, line).spec
    assert isinstance(spec, TrainSpec)
    return spec


@pytest.mark.parametrize(
    "line",
    [
        "run rtmdet-nano on fish@1 --host gpu1:2,3 --batch 4 --keep 3",
        "run begun on fish@1 --gpus 2 --no-distributed --lr 0.001",
        "finetune begun on fish@1 --host gpu1 --at-epoch 100 --eval-every 5",
        "run rtmdet-nano on fish@1 -- train_dataloader.num_workers=0",
    ],
)
def test_running_again_asks_for_the_very_same(house: House, line: str) -> None:
    first = queued(house, line)
    assert frozen(house, again(first)) == first.spec


def test_what_was_said_is_frozen(house: House) -> None:
    spec = frozen(house, "run rtmdet-nano on fish --host gpu1:3,0 --keep 2 --no-distributed")
    assert (spec.host, spec.gpus, spec.devices) == ("gpu1", 2, ("GPU-3", "GPU-0"))
    assert (spec.overrides.keep, spec.overrides.distributed) == (2, False)
    assert spec.start.mode is StartMode.FRESH
    begun = frozen(house, "run begun on fish")
    assert (begun.start.mode, begun.start.run_id, begun.preset.start) == (StartMode.FINETUNE, None, START)
    assert frozen(house, "finetune begun on fish --at-epoch 7").start.at_epoch == 7


def test_the_answer_says_when_the_learning_rate_is_scaled(house: House) -> None:
    said = "Learning rate 0.008 for 16 images a step: the preset's 0.004 belongs to 8 (linear scaling)."
    assert said in ask(house, "run rtmdet-nano on fish --gpus 2").text
    assert "Learning rate" not in ask(house, "run rtmdet-nano on fish --gpus 2 --lr 0.1").text
    assert "from the preset's start checkpoint" in ask(house, "run begun on fish").text


def test_a_plan_says_all_and_writes_nothing(house: House) -> None:
    given = ask(house, "plan begun on fish gpus=2 --batch 4", Role.VIEWER)
    assert given.text.splitlines() == [
        "*begun on fish@1*, as `run begun on fish --gpus 2 --batch 4` would do it",
        "*Dataset* `fish@1` (coco): 80 images to train on, 2 classes (cod, eel)",
        "*Steps* 20 epochs of 10 iterations, 8 images a step (2 GPUs with 4 each)",
        "*Learning rate* 0.004, the preset's own for 8 images a step.",
        f"*Weights* from {START}, fetched here once and sent to the host",
        "*Config* `rtmdet/rtmdet_tiny_8xb32-300e_coco.py` of mmdet",
        "*When* Number 1 of 1 in the queue: starts at once on gpu1 (GPU 0, 1: H200); how long it takes is not known: no run of this model "
        "on this dataset has done three epochs yet.",
        "*Memory* of each GPU is not known: no such run was measured, so it gets GPUs that nobody else uses (`--mem 20G` asks for less).",
        "*Servers*",
        "✅ gpu1 could train it (environment `upstream`, 4 of 4 devices free)",
        "      • disk: 33 B (33 B of the dataset; 5 checkpoints of unknown size: no run of this preset has told it yet); "
        "what is free there is not known",
    ]
    assert runs.newest(house.store.reading(), limit=9) == []
    assert_sendable(given.text, list(given.blocks))


def test_a_plan_names_what_is_in_the_way(house: House) -> None:
    run = training(house)
    with house.store.writing() as db:
        hosts.lease(db, run, "gpu1", ["GPU-1"], now=NOW)
        hosts.remove_environment(db, "gpu1", "upstream")
    assert "❌ gpu1 has no mmdet environment. `host bootstrap gpu1` builds one." in ask(house, "plan rtmdet-nano on fish").text
    with house.store.writing() as db:
        hosts.put_environment(db, Environment("gpu1", "upstream", "mmdet", "/p", "/c", "f"))
    assert f"Needs gpu1:0, gpu1:1 on gpu1: held by {run.id}." in ask(house, "plan rtmdet-nano on fish --host gpu1:0,1").text
    assert "starts at once on gpu1 (GPU 0, 2: H200)" in ask(house, "plan rtmdet-nano on fish --host gpu1:0,2").text
    assert "gpu1 has only 4 of the 8 devices asked for" in ask(house, "plan rtmdet-nano on fish --gpus 8").text
    assert "A step takes 256 images, and there are only 80 to train on." in ask(house, "plan rtmdet-nano on fish --batch 256").text
    assert "looks like one for masks" in ask(house, "plan mask-rcnn-r50 on fish").text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("plan rtmdet-nano on fish --host gpu1:9", "gpu1 has no device 9; it has 0 (GPU-0), 1 (GPU-1), 2 (GPU-2), 3 (GPU-3)."),
        ("run rtmdet-nano on fish --host gpu2:1", "Did you mean gpu1?"),
        ("finetune rtmdet-nano on fish", "rtmdet-nano has no start checkpoint to fine-tune from."),
        ("finetune begun on fish --from epoch_3", "The preset begun has one file to start from; --from names a checkpoint of a run."),
        ("finetune r-none on fish", "There is no run and no preset 'r-none'."),
        ("finetune begunn on fish", "There is no preset 'begunn'. Did you mean begun?"),
        ("presets add x --like rtmdet-nano --start w.pth", "is no start checkpoint"),
        ("presets remove rtmdet-nano", "comes with this installation and stays"),
        ("presets show begn", "Did you mean begun?"),
        ("host declare gpu1 old --framework m2det --python /p --set A", "--set"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(house: House, line: str, words: str) -> None:
    given = ask(house, line)
    assert not given.ok
    assert words in given.text
    assert runs.newest(house.store.reading(), limit=1) == []


def test_a_model_is_measured_on_the_gpus_that_were_chosen(house: House) -> None:
    add_dataset(house, "fish", classes={"cod": 1, "eel": 2})
    trained = at_work(house, training(house))
    first = queued(house, f"eval {trained.id} --split val --host gpu1:3,1")
    assert isinstance(first.spec, ModelSpec)
    assert (first.spec.host, first.spec.gpus, first.spec.devices) == ("gpu1", 2, ("GPU-3", "GPU-1"))
    assert queued(house, again(first)).spec == first.spec
    with house.store.writing() as db:
        hosts.put(db, Host("gpu2", TransportName.SSH, "/r"))
    assert "lies on gpu1, so it is used there; choose GPUs as gpu1:2,3." in ask(house, f"eval {trained.id} --host gpu2").text
    assert "lie on gpu1, so it is fine-tuned there" in ask(house, f"finetune {trained.id} on fish --host gpu2").text


def test_a_preset_is_added_shown_and_forgotten(house: House, tmp_path: Path) -> None:
    folder = tmp_path / "my nets"
    (folder / ".git").mkdir(parents=True)
    (folder / "net.py").write_text("class Net: ...\n")
    (folder / "mine.py").write_text("model = 1\n")
    line = f"presets add mine --like rtmdet-nano --config '{folder}/mine.py' --code '{folder}' --epochs 4 -- model.depth=18"
    assert not ask(house, line, Role.MEMBER).ok
    given = ask(house, line)
    assert given.text.splitlines()[:3] == [
        "`mine` is added: its own config.",
        "2 files travel with every run of it; before the config is built, `net` is imported.",
        "Left behind: `.git`.",
    ]
    assert "`mine`  mine.py, otherwise as rtmdet-nano (4 epochs)" in ask(house, "presets").text
    page = ask(house, "presets show mine").text
    assert "• own code: `mine.py`, `net.py`, imports `net`" in page
    assert "• options `model.depth=18`" in page
    assert "✅ gpu1, environment `upstream`" in page
    assert ask(house, "presets remove mine --yes").text == "`mine` is forgotten; its runs keep what they had of it."
    assert not ask(house, "presets show mine").ok


def test_lists_of_hostile_presets_can_be_sent() -> None:
    hostile = Preset(
        name="x", framework=HOSTILE, config=HOSTILE, description=HOSTILE * 9, epochs=1, batch=1, lr=1, environment=HOSTILE, start=HOSTILE,
        code={HOSTILE * 3: "0" * 64}, imports=(HOSTILE,), options={HOSTILE: HOSTILE * 50},
    )
    servers = [HostForPreset(HOSTILE, None, HOSTILE * 5), HostForPreset(HOSTILE, HOSTILE, "")] * 20
    view = PresetView(hostile, servers, HOSTILE, [StoredPreset(hostile, 1, "terminal:" + HOSTILE, NOW)] * 3)
    assert_sendable(*preset_list([view] * 90))
    assert_sendable(*preset_page(view, zone=NOW.tzinfo))  # type: ignore[arg-type]
