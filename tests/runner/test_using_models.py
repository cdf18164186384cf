"""Trained models are evaluated, used, exported, fetched and shown, over a real sshd with the scripted framework."""

from __future__ import annotations

import json
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from runner.entities import Environment, Run
from runner.errors import RequestError
from runner.service import models, presets
from runner.service.runs import request_stop, submit_convert, submit_training
from runner.service.views import RunView, history
from runner.settings import Limits
from runner.specs import ModelSpec
from runner.states import Reason, State
from runner.store import hosts, past_runs
from tests.support.hosts import eventually
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse, scripted_house

pytestmark = pytest.mark.slow
LIMIT = 10_000_000


@dataclass(frozen=True)
class Trained:
    """A house with a trained model, and its runner at work."""

    scripted: ScriptedHouse
    run: Run

    def done(self, run: Run, reason: Reason = Reason.COMPLETED) -> RunView:
        return self.scripted.wait(run, reason, Reason.COMPLETED, Reason.NONZERO_EXIT, Reason.BAD_SPEC, Reason.ENVIRONMENT_ERROR)

    def results(self, run: Run) -> dict[str, int]:
        return {file.name: file.size_bytes for file in models.results_of(self.scripted.house, run.id)}


@pytest.fixture(scope="module")
def trained() -> Iterator[Trained]:
    limits = Limits(stop_grace_s=2, retry_delay_s=0.2, heartbeat_timeout_s=15, result_bytes=LIMIT)
    with scripted_house(Path(tempfile.mkdtemp(prefix="house")), limits=limits) as scripted:
        run = scripted.submit()
        with scripted.running():
            scripted.wait(run, Reason.COMPLETED)
            yield Trained(scripted, run)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "my fish; $(id).JPEG"
    Image.new("RGB", (32, 24), "teal").save(path)
    return path


def test_a_model_is_measured_and_that_is_no_new_best_of_anything(trained: Trained) -> None:
    house, who = trained.scripted.house, trained.scripted.who("eval")
    measured = models.submit_eval(house, who, trained.run.id, checkpoint="epoch_2")
    seen = trained.done(measured)
    assert [(item.epoch, item.ap, dict(item.per_class)) for item in seen.evaluations] == [(2, 0.4, {"fish": 0.4})]
    assert seen.run.detail == "bbox mAP 0.400"
    assert not seen.devices
    assert isinstance(seen.run.spec, ModelSpec)
    assert (str(seen.run.spec.dataset), seen.run.spec.split) == ("fish@1", "val")
    assert [event.payload["best"] for event in history(house, measured.id) if event.kind == "evaluation"] == [False]
    assert len(trained.scripted.view(trained.run).evaluations) == 3
    assert str((seen.run.prepared or {})["checkpoint"]).endswith("/epoch_2.pth")


def test_a_training_is_measured_beside_itself_and_goes_on(trained: Trained) -> None:
    scripted = trained.scripted
    training = scripted.submit("step_s=0.1", epochs=20)
    scripted.wait_until(training, lambda view: view.checkpoints)
    measured = models.submit_eval(scripted.house, scripted.who("beside"), training.id, gpus=0)
    assert len(trained.done(measured).evaluations) == 1
    seen = scripted.view(training)
    assert seen.run.reason is Reason.WORKING
    assert seen.devices
    request_stop(scripted.house, scripted.who("enough"), training.id)
    scripted.wait(training, Reason.BY_USER)


def test_given_pictures_come_back_drawn(trained: Trained, picture: Path) -> None:
    house, who = trained.scripted.house, trained.scripted.who("predict")
    used = models.submit_predict(house, who, trained.run.id, files=[picture, picture])
    seen = trained.done(used)
    assert set(trained.results(used)) == {"pictures/my_fish_id_.jpg", "pictures/my_fish_id_-2.jpg", "predictions.json"}
    assert seen.run.detail == "2 boxes in 2 pictures."
    drawn = house.settings.results / used.id / "pictures" / "my_fish_id_.jpg"
    assert drawn.read_bytes() == picture.read_bytes()
    told = next(event.payload for event in history(house, used.id) if event.kind == "results")
    assert told["count"] == 3
    assert {file["name"]: file["size_bytes"] for file in told["files"]} == trained.results(used)  # type: ignore[attr-defined]
    assert [event.payload["reason"] for event in history(house, used.id) if event.kind == "state"][-1] == "COMPLETED"
    assert seen.result["per_class"] == {"fish": 2}


def test_a_split_of_the_dataset_is_predicted_where_nothing_is_given(trained: Trained) -> None:
    used = models.submit_predict(trained.scripted.house, trained.scripted.who("split"), trained.run.id)
    trained.done(used)
    assert set(trained.results(used)) == {"pictures/val_1.jpg", "pictures/val_2.jpg", "predictions.json"}
    path = trained.scripted.house.settings.results / used.id / "predictions.json"
    assert [item["category"] for item in json.loads(path.read_bytes())] == ["fish", "fish"]


def test_an_exported_model_becomes_the_start_of_a_preset(trained: Trained) -> None:
    scripted = trained.scripted
    made = models.submit_export(scripted.house, scripted.who("export"), trained.run.id, publish_as="fish-net")
    seen = trained.done(made)
    assert set(trained.results(made)) == {"model/quick.pth"}
    assert seen.result["model"] == "model/quick.pth"
    preset = presets.find(scripted.house, "fish-net")
    assert preset.start == f"sha256:{seen.result['sha256']}"
    assert (preset.framework, preset.options) == (trained.run.spec.preset.framework, trained.run.spec.preset.options)  # type: ignore[union-attr]
    assert seen.run.detail.endswith("The preset fish-net starts from it.")
    tuned = submit_training(scripted.house, scripted.who("tune"), preset="fish-net", dataset="fish")
    after = trained.done(tuned)
    assert [point.epoch for point in after.epoch_ends] == [1, 2, 3]
    assert str((after.run.prepared or {})["checkpoint"]).endswith(str(seen.result["sha256"]))


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("best", {"epoch_3.pth"}),
        ("latest", {"epoch_3.pth"}),
        ("epoch_2", {"epoch_2.pth"}),
        ("all-checkpoints", {"epoch_1.pth", "epoch_2.pth", "epoch_3.pth"}),
        ("config", {"config.py"}),
        ("log", {"log"}),
        ("results", None),
        ("epoch_9", None),
    ],
)
def test_files_of_a_run_are_fetched(trained: Trained, what: str, names: set[str] | None) -> None:
    house, who = trained.scripted.house, trained.scripted.who(what)
    if what == "epoch_9":
        with pytest.raises(RequestError, match=f"has no checkpoint {what}; it left: epoch_3, epoch_2, epoch_1"):
            models.submit_fetch(house, who, trained.run.id, what=what)
        return
    fetched = models.submit_fetch(house, who, trained.run.id, what=what)
    seen = trained.done(fetched, Reason.DATA_ERROR)
    if names is None:
        assert seen.diagnosis is not None
        assert seen.run.reason is Reason.DATA_ERROR
        assert "There is no such file in" in seen.diagnosis.sentence
        return
    assert set(trained.results(fetched)) == names, (seen.run.reason, seen.run.detail, seen.diagnosis, seen.result)
    assert seen.run.detail.startswith(f"{len(names)} file")
    assert not seen.devices


def test_a_run_of_this_machine_leaves_a_log_that_can_be_fetched_as_well(trained: Trained) -> None:
    house = trained.scripted.house
    converted = submit_convert(house, trained.scripted.who("convert"), dataset="fish", recipe="coco:voc", name="voc-fish")
    trained.done(converted)
    fetched = models.submit_fetch(house, trained.scripted.who("local"), converted.id, what="log")
    seen = trained.done(fetched)
    assert seen.run.host == "local"
    assert (house.settings.results / fetched.id / "log").read_bytes() == (house.settings.logs / f"{converted.id}-1.log").read_bytes()
    with pytest.raises(RequestError, match="is convert, not a training"):
        models.submit_fetch(house, trained.scripted.who("none"), converted.id, what="best")


def test_what_is_too_much_or_leads_elsewhere_stays_on_the_host_and_the_run_says_where(trained: Trained) -> None:
    scripted = trained.scripted
    options = ('links={"passwd":"/etc/passwd"}', 'sparse={"huge.bin":3000000000,"small.bin":100}')
    used = models.submit_predict(scripted.house, scripted.who("greedy"), trained.run.id, options=options)
    seen = trained.done(used)
    assert seen.run.state is State.SUCCEEDED
    assert set(trained.results(used)) == {"pictures/val_1.jpg", "pictures/val_2.jpg", "predictions.json", "small.bin"}
    where = scripted.directory(used) / "results"
    assert f"Left on {HOST} in {where}: passwd (a link), huge.bin (3,000,000,000 bytes, over the limit)." in seen.run.detail


def test_a_failure_brings_nothing(trained: Trained) -> None:
    scripted = trained.scripted
    used = models.submit_predict(scripted.house, scripted.who("fail"), trained.run.id, options=("exit_code=7",))
    seen = trained.done(used, Reason.NONZERO_EXIT)
    assert seen.run.reason is Reason.NONZERO_EXIT
    assert trained.results(used) == {}


def test_tensorboard_says_where_it_listens_and_ends_when_it_is_stopped(trained: Trained, tmp_path: Path) -> None:
    scripted = trained.scripted
    (tmp_path / "tensorboard").mkdir()
    (tmp_path / "tensorboard" / "main.py").write_text(STAND_IN)
    (tmp_path / "tensorboard" / "__init__.py").touch()
    environment = Environment(
        HOST, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1", variables={"PYTHONPATH": str(tmp_path)}
    )
    with scripted.house.store.writing() as db:
        hosts.put_environment(db, environment)
    shown = models.submit_board(scripted.house, scripted.who("board"), trained.run.id, hours=1)
    assert models.submit_board(scripted.house, scripted.who("again"), trained.run.id).id == shown.id
    port = int(str(scripted.wait_until(shown, lambda view: view.result).result["port"]))
    with socket.create_connection(("127.0.0.1", port), timeout=5) as answered:
        assert answered.recv(200).decode() == f"{scripted.directory(trained.run)}/work_dir"
    assert scripted.view(shown).run.reason is Reason.WORKING
    request_stop(scripted.house, scripted.who("stop"), shown.id)
    scripted.wait(shown, Reason.BY_USER)
    eventually(lambda: not _listens(port))
    brief = models.submit_board(scripted.house, scripted.who("brief"), trained.run.id, hours=0.0001)
    assert trained.done(brief).run.detail == "Its 0.0001 hours are over."


def test_without_tensorboard_it_says_what_to_install(trained: Trained) -> None:
    scripted = trained.scripted
    with scripted.house.store.writing() as db:
        hosts.put_environment(db, Environment(HOST, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1"))
    shown = models.submit_board(scripted.house, scripted.who("none"), trained.run.id)
    seen = trained.done(shown, Reason.ENVIRONMENT_ERROR)
    assert seen.diagnosis is not None
    assert f"`{sys.executable} -m pip install tensorboard` on this host installs it." in seen.diagnosis.sentence


def test_checkpoints_are_listed_with_their_measure(trained: Trained) -> None:
    listed = models.checkpoints_of(trained.scripted.house, trained.run.id)
    assert [(item.name, item.epoch, item.ap, item.there, item.attempt) for item in listed] == [
        ("epoch_1.pth", 1, 0.2, True, 1), ("epoch_2.pth", 2, 0.4, True, 1), ("epoch_3.pth", 3, 0.6, True, 1),
    ]
    assert [item.epoch for item in listed if item.best] == [3]  # no file is called so: it measured most


def test_pictures_that_were_given_are_kept_as_long_as_they_may_be_needed(trained: Trained, tmp_path: Path) -> None:
    scripted, picture = trained.scripted, tmp_path / "one.png"
    Image.new("RGB", (7, 7), "red").save(picture)
    used, later = (models.submit_predict(scripted.house, scripted.who(name), trained.run.id, files=[picture]) for name in ("a", "b"))
    assert isinstance(used.spec, ModelSpec)
    digest = used.spec.files[0].digest
    ends = sorted(trained.done(run).run.ended_at for run in (used, later))  # type: ignore[type-var]
    db = scripted.house.store.reading()
    assert digest not in past_runs.files_no_longer_needed(db, ended_before=ends[0])  # type: ignore[arg-type]
    assert digest in past_runs.files_no_longer_needed(db, ended_before=ends[1])  # type: ignore[arg-type]


def _listens(port: int) -> bool:
    with socket.socket() as asking:
        asking.settimeout(1)
        return asking.connect_ex(("127.0.0.1", port)) == 0


STAND_IN = '''
import argparse, socket
parser = argparse.ArgumentParser()
parser.add_argument("--logdir", required=True)
parser.add_argument("--host", required=True)
parser.add_argument("--port", type=int, required=True)
given = parser.parse_args()
with socket.create_server((given.host, given.port)) as server:
    print("TensorBoard 2.20.0 at http://%s:%d/ (Press CTRL+C to quit)" % (given.host, server.getsockname()[1]), flush=True)
    while True:
        connection, _ = server.accept()
        connection.sendall(given.logdir.encode())
        connection.close()
'''
