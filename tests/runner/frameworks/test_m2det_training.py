"""Trainings, evaluations and predictions of M2Det in a stand-in for its checkout, from preparing to what the log says.

Every failure that is known of the real programs is shown twice: it happens where somebody starts them by hand, and Signalbox refuses
the run before it begins, or nothing of the kind happens.
"""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy
import pytest

from runner.entities import Checkpoint, Evaluation, Progress, WorkResult
from runner.errors import BadSpecError
from runner.frameworks.base import Prepared
from runner.host.prepare_m2det.config import parsed
from runner.specs import Kind, ResultFile, StartMode
from tests.support.m2det_standin import (
    Attempt,
    Standin,
    annotation,
    ask,
    new_environment,
    read_weights,
    write_picture,
    write_voc,
    write_weights,
)

pytestmark = pytest.mark.slow
FINAL = "Final_M2Det_VOC_size320_netvgg16.pth"
EPOCH = "M2Det_VOC_size320_netvgg16_epoch{}.pth"
EPOCHS, IMAGES, BATCH = 7, 4, 2


@pytest.fixture
def standin(tmp_path: Path) -> Standin:
    return Standin(tmp_path, new_environment(tmp_path))


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> tuple[Standin, Prepared, Attempt]:
    """A finished training of seven epochs, a checkpoint every two."""
    folder = tmp_path_factory.mktemp("parent")
    standin = Standin(folder, new_environment(folder))
    spec = standin.spec(epochs=EPOCHS, eval_every=2)
    prepared = standin.prepare(spec)
    return standin, prepared, standin.run(spec, prepared)


def points(attempt: Attempt) -> list[Progress]:
    return [record for record in attempt.records if isinstance(record, Progress)]


def names(attempt: Attempt) -> dict[str, int]:
    return {record.name: record.epoch for record in attempt.records if isinstance(record, Checkpoint)}


def evaluation(attempt: Attempt) -> Evaluation:
    (found,) = [record for record in attempt.records if isinstance(record, Evaluation)]
    return found


def test_a_training_tells_its_epochs_and_its_checkpoints(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, prepared, attempt = parent
    assert attempt.exit_code == 0, attempt.log
    assert [(point.epoch, point.iteration) for point in points(attempt)] == [(epoch, at) for epoch in range(1, 8) for at in (1, 2)]
    assert names(attempt) == {EPOCH.format(2): 2, EPOCH.format(4): 4, EPOCH.format(6): 6, FINAL: 7}
    assert standin.weights(EPOCH.format(0)).exists()  # untrained, and not offered
    assert read_weights(standin.weights(FINAL))["unet1.seen"] == [EPOCHS * IMAGES]
    assert (prepared.epochs, prepared.batch, prepared.iterations) == (EPOCHS, BATCH, IMAGES // BATCH)
    assert "This host offers no CUDA device to M2Det: it works on the CPU, slowly." in prepared.notes
    assert parsed(prepared.config)["train_cfg"]["num_workers"] == 0


def test_the_checkout_stays_as_it_is(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, prepared, _ = parent
    answer = ask(standin.environment.python, standin.folder, "identify", json.dumps({"code": standin.environment.code}).encode())
    assert json.loads(answer.stdout)["revision"] == prepared.revision
    assert "aeroplane" in Path(standin.environment.code, "data/voc0712.py").read_text()


def test_a_resume_goes_on_from_the_newest_whole_checkpoint(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    weights = standin.made[0] / "weights"
    broken = standin.folder / "broken" / EPOCH.format(6)
    broken.parent.mkdir(exist_ok=True)
    broken.write_bytes((weights / EPOCH.format(6)).read_bytes()[:-40])
    spec = standin.spec(StartMode.RESUME)
    prepared = standin.prepare(spec, broken, weights / EPOCH.format(4), trained=trained)
    assert prepared.refused[0][0] == str(broken)
    assert "truncated" in prepared.refused[0][1]
    assert (prepared.checkpoint_epoch, prepared.epochs, prepared.lr) == (4, EPOCHS, trained.lr)
    assert prepared.config == trained.config
    attempt = standin.run(spec, prepared)
    assert attempt.exit_code == 0, attempt.log
    assert sorted({point.epoch for point in points(attempt)}) == [5, 6, 7]
    assert names(attempt) == {EPOCH.format(6): 6, FINAL: 7}
    assert read_weights(standin.weights(FINAL))["unet1.seen"] == [EPOCHS * IMAGES]


def test_a_finished_training_goes_on_for_more_epochs_at_the_rate_that_was_asked_for(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    final = standin.made[0] / "weights" / FINAL
    with pytest.raises(BadSpecError, match="would go on at epoch 8 and ends at epoch 7"):
        standin.prepare(standin.spec(StartMode.RESUME), final, trained=trained)
    spec = standin.spec(StartMode.RESUME, epochs=10, lr=0.125)
    prepared = standin.prepare(spec, final, trained=trained)
    attempt = standin.run(spec, prepared)
    assert (points(attempt)[0].epoch, points(attempt)[0].lr, points(attempt)[-1].epoch) == (8, prepared.lr, 10)
    assert prepared.lr == 0.125


def test_a_spoilt_checkpoint_is_passed_over(standin: Standin) -> None:
    spec = standin.spec(epochs=6, eval_every=2)
    prepared = standin.prepare(spec)
    attempt = standin.run(spec, prepared, M2DET_STANDIN_NAN="1")
    assert attempt.exit_code == 0  # as the real one: it goes on to the end
    assert all(point.loss is not None and math.isnan(point.loss) for point in points(attempt))
    with pytest.raises(BadSpecError, match="not finite numbers"):
        standin.prepare(standin.spec(StartMode.RESUME), standin.weights(FINAL), standin.weights(EPOCH.format(4)), trained=prepared)


def test_a_fine_tune_takes_the_weights_and_counts_from_the_start(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    final = standin.made[0] / "weights" / FINAL
    spec = standin.spec(StartMode.FINETUNE, epochs=6)
    prepared = standin.prepare(spec, final, trained=trained)
    assert (prepared.taken_parameters, prepared.new_parameters, prepared.checkpoint) == (4, (), str(final))
    attempt = standin.run(spec, prepared)
    assert [point.epoch for point in points(attempt)][::2] == [1, 2, 3, 4, 5, 6]
    assert read_weights(standin.weights(FINAL))["unet1.seen"] == [(EPOCHS + 6) * IMAGES]


def test_a_fine_tune_may_count_from_an_epoch(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    final = standin.made[0] / "weights" / FINAL
    spec = standin.spec(StartMode.FINETUNE, at_epoch=100, epochs=102, eval_every=1)
    attempt = standin.run(spec, standin.prepare(spec, final, trained=trained))
    assert sorted({point.epoch for point in points(attempt)}) == [101, 102]
    assert points(attempt)[0].lr == 4e-06  # the last of the schedule, without a warm-up
    assert names(attempt) == {EPOCH.format(101): 101, FINAL: 102}
    with pytest.raises(BadSpecError, match="would go on at epoch 201 and ends at epoch 160"):
        standin.prepare(standin.spec(StartMode.FINETUNE, at_epoch=200), final, trained=trained)


def test_a_fine_tune_for_other_classes_begins_its_heads_anew(parent: tuple[Standin, Prepared, Attempt], tmp_path: Path) -> None:
    old, trained, _ = parent
    final = old.made[0] / "weights" / FINAL
    standin = Standin(tmp_path, new_environment(tmp_path), classes=("Fish", "sea star"))
    spec = standin.spec(StartMode.FINETUNE, epochs=6)
    with pytest.raises(BadSpecError, match="tells 1 classes apart and this model 2; use finetune"):
        standin.prepare(standin.spec(StartMode.RESUME, epochs=8), final, trained=trained)
    prepared = standin.prepare(spec, final, trained=trained, trained_classes=("fish",))
    assert prepared.new_parameters == ("conf.0.weight", "conf.0.bias")
    assert "The heads are made for other classes and start anew; all else is taken over." in prepared.notes
    attempt = standin.run(spec, prepared)
    assert attempt.exit_code == 0, attempt.log
    assert read_weights(standin.weights(FINAL))["unet1.seen"] == [(EPOCHS + 6) * IMAGES]
    by_hand = standin.run(spec, replace(prepared, checkpoint=str(final)))
    assert "size mismatch for conf.0.weight" in by_hand.log


def test_only_so_many_checkpoints_stay(standin: Standin) -> None:
    spec = standin.spec(epochs=6, eval_every=1, keep=2)
    attempt = standin.run(spec, standin.prepare(spec))
    gone = [record.name for record in attempt.records if isinstance(record, Checkpoint) and record.removed]
    assert gone == [EPOCH.format(number) for number in (1, 2, 3)]
    assert not standin.weights(EPOCH.format(1)).exists()
    assert standin.weights(EPOCH.format(5)).exists()
    assert standin.weights(FINAL).exists()


def test_an_evaluation_measures_each_class_by_the_names_of_the_dataset(tmp_path: Path) -> None:
    standin = Standin(tmp_path, new_environment(tmp_path), classes=("Fish", "sea star"), voc_folder="VOCsherlock")
    spec = standin.spec(epochs=6)
    trained = standin.prepare(spec)
    assert "VOCsherlock is shown to M2Det as VOC2012, for it needs a year." in trained.notes
    assert standin.run(spec, trained).exit_code == 0
    final = standin.weights(FINAL)
    prepared = standin.prepare(standin.using(Kind.EVAL), final, trained=trained)
    attempt = standin.run(standin.using(Kind.EVAL), prepared)
    assert attempt.exit_code == 0, attempt.log
    measured = evaluation(attempt)
    # Everything is found and called Fish; nothing is called a sea star, which ends the real evaluation in an error.
    assert (measured.epoch, measured.ap50, measured.per_class) == (6, 0.5, {"Fish": 1.0, "sea star": 0.0})
    # What it writes may be large, and stays where a fetch finds it.
    assert len((standin.made[-1] / "VOCdevkit/results/VOC2012/Main/comp4_det_test_Fish.txt").read_text().splitlines()) == IMAGES
    assert (standin.made[-1] / "eval/VOC/detections.pkl").exists()
    assert list((standin.made[-1] / "results").iterdir()) == []


def test_a_dataset_that_spells_the_classes_in_another_way_is_measured_all_the_same(parent: tuple[Standin, Prepared, Attempt]) -> None:
    old, trained, _ = parent
    standin = replace(old, classes=("FISH",))
    spec = standin.using(Kind.EVAL)
    final = old.made[0] / "weights" / FINAL
    attempt = standin.run(spec, standin.prepare(spec, final, trained=trained, trained_classes=("fish",)))
    assert evaluation(attempt).per_class == {"FISH": 1.0}


def test_classes_that_only_one_side_knows_are_told(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    final = standin.made[0] / "weights" / FINAL
    dataset = replace(standin.dataset(), classes=("crab",))
    notes = standin.prepare(standin.using(Kind.EVAL), final, trained=trained, dataset=dataset).notes
    assert "fish@1 has no box of fish: M2Det counts that as AP 0, which lowers the mean." in notes
    assert "The model does not know crab, and passes over their boxes." in notes
    with pytest.raises(BadSpecError, match="fewer than two"):
        standin.prepare(standin.using(Kind.EVAL), final, trained=trained, dataset=replace(standin.dataset(), images={"val": 1}))


def test_coco_is_read_from_names_that_m2det_makes_up(tmp_path: Path) -> None:
    standin = Standin(tmp_path, new_environment(tmp_path), form="coco")
    spec = standin.spec(epochs=6)
    trained = standin.prepare(spec)
    attempt = standin.run(spec, trained)
    assert attempt.exit_code == 0, attempt.log
    final = standin.weights("Final_M2Det_COCO_size320_netvgg16.pth")
    measured = standin.run(standin.using(Kind.EVAL), standin.prepare(standin.using(Kind.EVAL), final, trained=trained))
    assert measured.exit_code == 0, measured.log
    assert (evaluation(measured).epoch, evaluation(measured).ap) == (6, 0.5)
    assert (standin.made[-1] / "home/data/coco_cache/eval_gt_roidb.pkl").exists()
    assert not (tmp_path / "data").exists()  # the person's own home stays as it is


def test_a_prediction_draws_and_lists_what_it_finds(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    final = standin.made[0] / "weights" / FINAL
    spec = standin.predicting(results=(ResultFile.PICTURES, ResultFile.PICKLE, ResultFile.COCO))
    attempt = standin.run(spec, standin.prepare(spec, final, trained=trained))
    assert attempt.exit_code == 0, attempt.log
    results = standin.made[-1] / "results"
    found = json.loads((results / "predictions.json").read_text())
    assert len(found) == IMAGES
    assert (found[0]["category"], found[0]["category_id"], found[0]["file_name"]) == ("fish", 1, "val_0.jpg")
    assert [round(value) for value in found[0]["bbox"]] == [10, 8, 19, 19]
    assert sorted(path.name for path in (results / "pictures").iterdir()) == [f"val_{number}.jpg" for number in range(IMAGES)]
    assert len(json.loads((results / "coco.bbox.json").read_text())) == IMAGES
    (made,) = [record.summary for record in attempt.records if isinstance(record, WorkResult)]
    assert (made["images"], made["boxes"], made["classes"]) == (IMAGES, IMAGES, {"fish": IMAGES})
    assert made["shown"][0] == {"picture": "pictures/val_0.jpg", "boxes": 1, "score": 0.9}  # type: ignore[index]
    by_class = pickle.loads((results / "predictions.pkl").read_bytes())
    assert [len(by_class), len(by_class[1])] == [2, IMAGES]


def test_nothing_is_drawn_where_only_boxes_are_asked_for(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    spec = standin.predicting(results=(ResultFile.COCO,))
    attempt = standin.run(spec, standin.prepare(spec, standin.made[0] / "weights" / FINAL, trained=trained))
    assert attempt.exit_code == 0, attempt.log
    assert not list((standin.made[-1] / "results/pictures").iterdir())


def test_given_pictures_and_videos_are_drawn_and_what_is_neither_is_told(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    spec = standin.predicting("a b.png", "a b.jpg", "clip.mp4", "notes.txt", "list.mp4")
    prepared = standin.prepare(spec, standin.made[0] / "weights" / FINAL, trained=trained)
    directory = standin.directory()
    inputs = directory / "data" / "inputs"
    inputs.mkdir()
    for name in ("a b.png", "a b.jpg"):
        write_picture(inputs / name)
    (inputs / "notes.txt").write_text("neither")
    write_video(inputs / "clip.mp4")
    # What lists other files is not followed to them.
    (inputs / "list.mp4").write_text("ffconcat version 1.0\nfile clip.mp4\n")
    attempt = standin.run(spec, prepared, directory=directory)
    assert attempt.exit_code == 0, attempt.log
    for name in ("notes.txt", "list.mp4"):
        assert f"left out: {name}: it is neither a picture nor a video that can be read" in attempt.log
    drawn = {path.name for path in (directory / "results/pictures").iterdir()}
    assert drawn == {"a b.jpg", "a b_2.jpg", *(f"clip_{number:06d}.jpg" for number in range(1, 6))}
    video = cv2.VideoCapture(str(directory / "results/video.mp4"))
    assert (video.get(cv2.CAP_PROP_FRAME_COUNT), video.get(cv2.CAP_PROP_FPS), video.get(cv2.CAP_PROP_FRAME_WIDTH)) == (5, 5, 64)
    assert {entry["file_name"] for entry in json.loads((directory / "results/predictions.json").read_text())} >= {"a b.png", "clip.mp4#5"}


def write_video(path: Path) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 5.0, (64, 48))
    picture = numpy.zeros((48, 64, 3), numpy.uint8)
    picture[10:30, 10:30] = 250
    for _ in range(5):
        writer.write(picture)
    writer.release()


def test_files_that_m2det_cannot_make_are_refused(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    with pytest.raises(BadSpecError, match="no cityscapes files"):
        standin.prepare(standin.predicting(results=(ResultFile.CITYSCAPES,)), standin.made[0] / "weights" / FINAL, trained=trained)


def by_hand(standin: Standin, program: str, *arguments: str, lines: str = "", config: str = "mine.py") -> Attempt:
    """As somebody starts it who only edits the config: VOC root, train_sets and what ``lines`` say."""
    directory = standin.directory()
    root = directory / "data"
    text = (Path(standin.environment.code) / "configs/m2det320_vgg.py").read_text()
    sets = f'dataset["VOC"] = dict(train_sets=[("{standin.voc_folder[3:]}", "train")], eval_sets=[("{standin.voc_folder[3:]}", "val")])'
    tiny = 'train_cfg.update(cuda=False, per_batch_size=2, print_epochs=1, step_lr=dict(COCO=[2, 3, 4, 5, 6], VOC=[1, 2, 3, 3, 8]))'
    start = f'model.update(pretrained={str(Path(standin.environment.code) / "weights/vgg16_reducedfc.pth")!r})'
    (directory / config).write_text(f"{text}\nVOCroot = {str(root)!r}\n{sets}\n{tiny}\n{start}\n{lines}\n")
    argv = [standin.environment.python, f"{standin.environment.code}/{program}", "-c", config, "-d", "VOC", *arguments]
    return standin.execute(directory, argv)


@pytest.fixture
def dogs(tmp_path: Path) -> Standin:
    """A dataset whose class M2Det knows."""
    return Standin(tmp_path, new_environment(tmp_path), classes=("dog",))


def test_a_missing_folder_for_weights(dogs: Standin) -> None:
    attempt = by_hand(dogs, "train.py")
    assert attempt.exit_code == 1
    assert "weights/M2Det_VOC_size320_netvgg16_epoch0.pth" in attempt.log
    assert dogs.run(dogs.spec(epochs=2), dogs.prepare(dogs.spec(epochs=2))).exit_code == 0


HERE = "import os; os.makedirs('weights', exist_ok=True)"


def test_a_resume_beyond_the_steps(dogs: Standin) -> None:
    net = {"base.0.weight": [1.0] * 4, "unet1.seen": [9.0], "conf.0.weight": [0.5] * 12, "conf.0.bias": [0.5] * 12}
    path = dogs.folder / EPOCH.format(6)
    write_weights(path, net)
    lines = f"{HERE}; model['m2det_config']['num_classes'] = 2"
    attempt = by_hand(dogs, "train.py", "--resume_net", str(path), "--resume_epoch", "6", lines=lines)
    assert "NameError: name 'lr' is not defined" in attempt.log
    with pytest.raises(BadSpecError, match="beyond its steps M2Det has no learning rate"):
        dogs.prepare(dogs.spec(StartMode.RESUME, epochs=6), path)


def test_a_class_that_m2det_does_not_know(standin: Standin) -> None:
    attempt = by_hand(standin, "train.py", lines=HERE)
    assert "KeyError: 'fish'" in attempt.log
    assert standin.run(standin.spec(epochs=2), standin.prepare(standin.spec(epochs=2))).exit_code == 0


def test_a_year_that_is_no_number(tmp_path: Path) -> None:
    standin = Standin(tmp_path, new_environment(tmp_path), classes=("dog",), voc_folder="VOCsherlock")
    net = tmp_path / "net.pth"
    write_weights(net, {"unet1.seen": [9.0]})
    attempt = by_hand(standin, "test.py", "-m", str(net))
    assert "ValueError: invalid literal for int() with base 10: 'sherlock'" in attempt.log


def test_a_class_without_any_detection(dogs: Standin) -> None:
    net = dogs.folder / "net.pth"
    write_weights(net, {"unet1.seen": [9.0]})
    assert "IndexError: too many indices for array" in by_hand(dogs, "test.py", "-m", str(net)).log


def test_a_dataset_smaller_than_a_batch(dogs: Standin) -> None:
    attempt = by_hand(dogs, "train.py", lines=f"{HERE}; train_cfg['per_batch_size'] = 16")
    assert attempt.exit_code == 0  # and nothing was trained
    assert points(attempt) == []
    assert dogs.weights(FINAL).exists()
    with pytest.raises(BadSpecError, match="4 images to train on, fewer than one batch of 16"):
        dogs.prepare(dogs.spec(batch=16))
    with pytest.raises(BadSpecError, match="fewer than one batch of 8"):
        dogs.prepare(dogs.spec(gpus=4))


def test_a_dot_in_the_name_of_a_config(dogs: Standin) -> None:
    assert "ValueError: Dots are not allowed" in by_hand(dogs, "train.py", config="m2det320.v2.py").log
    code = Path(dogs.environment.code, "configs/m2det320_vgg.py").read_text()
    spec = dogs.spec(epochs=2)
    spec = spec.model_copy(update={"preset": spec.preset.model_copy(update={"config": "m2det320.v2.py", "code": {"m2det320.v2.py": "0"}})})
    assert dogs.run(spec, dogs.prepare(spec, code={"m2det320.v2.py": code})).exit_code == 0


def test_a_model_whose_parts_do_not_fit(dogs: Standin) -> None:
    with pytest.raises(BadSpecError, match="M2Det cannot build the config's model: RuntimeError: running_mean should contain 1024"):
        dogs.prepare(dogs.spec(options=("model.m2det_config.num_levels=4",)))
    with pytest.raises(BadSpecError, match=r"only M2Det320,M2Det512 M2Det704 or M2Det800"):
        dogs.prepare(dogs.spec(options=("model.input_size=300",)))


def test_a_checkpoint_of_another_model(dogs: Standin) -> None:
    path = dogs.folder / EPOCH.format(2)
    heads = {"conf.0.weight": [0.5] * 12, "conf.0.bias": [0.5] * 12}
    write_weights(path, {**heads, "unet1.seen": [2.0]})
    with pytest.raises(BadSpecError, match=r"is of another model: base\.0\.weight is not in it; use finetune"):
        dogs.prepare(dogs.spec(StartMode.RESUME, epochs=8), path)
    prepared = dogs.prepare(dogs.spec(StartMode.FINETUNE), path, trained_classes=())
    assert (prepared.taken_parameters, prepared.new_parameters) == (3, ("base.0.weight",))
    assert "1 weights do not fit and start anew; all else is taken over." in prepared.notes
    write_weights(path, {**heads, "unet1.seen": [2.0], "base.0.weight": [1.0]})
    with pytest.raises(BadSpecError, match=r"base\.0\.weight has another shape"):
        dogs.prepare(dogs.using(Kind.EVAL), path)
    write_weights(path, {"of.another": [1.0]})
    with pytest.raises(BadSpecError, match=r"Nothing of .* fits this model"):
        dogs.prepare(dogs.spec(StartMode.FINETUNE), path)


def test_a_missing_backbone(dogs: Standin) -> None:
    backbone = Path(dogs.environment.code, "weights/vgg16_reducedfc.pth")
    backbone.unlink()
    assert "FileNotFoundError" in by_hand(dogs, "train.py").log
    with pytest.raises(BadSpecError, match=r"The backbone's weights .*vgg16_reducedfc\.pth are not on the host"):
        dogs.prepare(dogs.spec())
    notes = dogs.prepare(dogs.spec(options=("model.pretrained=None",))).notes
    assert "The backbone starts from random weights: the config names no file for it." in notes


def test_a_python_that_is_too_new(dogs: Standin) -> None:
    reader = Path(dogs.environment.code, "configs/CC.py")
    reader.write_text(reader.read_text().replace("collections.abc", "collections"))
    assert sys.version_info >= (3, 10)
    assert "ImportError: cannot import name 'Iterable' from 'collections'" in by_hand(dogs, "train.py").log
    with pytest.raises(BadSpecError, match=r"configs\.CC imports collections\.Iterable, which Python 3\.10 removed"):
        dogs.prepare(dogs.spec())


def test_what_is_missing_in_an_environment_is_told_at_once(standin: Standin) -> None:
    def identify(code: str) -> str:
        return str(json.loads(ask(standin.environment.python, standin.folder, "identify", json.dumps({"code": code}).encode()).stdout))

    assert "is no checkout of M2Det: it lacks the file train.py, the file test.py" in identify(str(standin.folder))
    Path(standin.environment.code, "utils/nms_wrapper.py").write_text("from .nms.cpu_nms import cpu_nms")
    said = identify(standin.environment.code)
    assert "utils.nms_wrapper does not import (No module named 'utils.nms'); build it with the checkout's make.sh" in said


def test_a_checkout_that_changed_since_it_was_prepared_is_not_run(standin: Standin) -> None:
    prepared = standin.prepare(standin.spec(epochs=2))
    Path(standin.environment.code, "utils/more.py").touch()
    attempt = standin.run(standin.spec(epochs=2), prepared)
    assert attempt.exit_code == 1
    assert attempt.log.startswith("signalbox refuses: The checkout is not what it was when this run was prepared")


@pytest.mark.parametrize("beside", [True, False])
def test_annotations_that_m2det_fails_on(standin: Standin, beside: bool) -> None:
    """Where the data lies beside, preparing refuses them; else the launch, in its first second."""
    spec = standin.spec(epochs=2)
    if beside:
        write_voc(standin.folder / "prepared" / "data", images=1)
        (standin.folder / "prepared/data/VOC2007/Annotations/train_0.xml").write_text(annotation("crab"))
        with pytest.raises(BadSpecError, match=r"train_0\.xml: the class 'crab' is not among the dataset's"):
            standin.prepare(spec)
        return
    prepared = standin.prepare(spec)
    directory = standin.directory()
    (directory / "data/VOC2007/Annotations/train_1.xml").write_text(annotation("fish").replace("<xmin>11<", "<xmin>11.5<"))
    attempt = standin.run(spec, prepared, directory=directory)
    assert attempt.exit_code == 1
    said = "signalbox refuses: M2Det cannot read 1 annotations: train_1.xml: xmin is 11.5, and M2Det reads whole numbers only"
    assert said in attempt.log


def test_an_unknown_config_or_option_names_the_nearest(standin: Standin) -> None:
    spec = standin.spec()
    wrong = spec.model_copy(update={"preset": spec.preset.model_copy(update={"config": "m2det320_vgg16.py"})})
    with pytest.raises(BadSpecError, match=r"no config 'm2det320_vgg16\.py' \(did you mean 'm2det320_vgg\.py'\?\)"):
        standin.prepare(wrong)
    with pytest.raises(BadSpecError, match="did you mean 'score_threshold'"):
        standin.prepare(standin.spec(options=("test_cfg.score_treshold=0.2",)))
    config = standin.prepare(standin.spec(options=("test_cfg.score_threshold=0.2",))).config
    assert "'score_threshold': 0.2" in config


def old_pythons() -> list[str]:
    """Interpreters of M2Det's own time, where pyenv has built some."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    built = [str(path) for version in ("3.6", "3.7", "3.8", "3.9") for path in root.glob(f"versions/{version}.*/bin/python")]
    return built[:1] or [found for version in ("3.6", "3.7", "3.8", "3.9") if (found := shutil.which(f"python{version}"))][:1]


@pytest.mark.skipif(not old_pythons(), reason="there is no Python of M2Det's own time (3.6 to 3.9) here")
def test_preparing_works_in_a_python_of_its_own_time(parent: tuple[Standin, Prepared, Attempt], tmp_path: Path) -> None:
    old, trained, _ = parent
    python = tmp_path / "old"
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in ("numpy", "cv2"):
        (packages / f"{name}.py").touch()
    python.write_text(f"#!/bin/sh\nPYTHONPATH={packages}${{PYTHONPATH:+:$PYTHONPATH}} exec {old_pythons()[0]} \"$@\"\n")
    python.chmod(0o755)
    standin = Standin(tmp_path, new_environment(tmp_path, str(python)))
    reader = Path(standin.environment.code, "configs/CC.py")
    reader.write_text(reader.read_text().replace("collections.abc", "collections"))
    fresh = standin.prepare(standin.spec(epochs=EPOCHS, eval_every=2))
    assert {**parsed(fresh.config), "model": None} == {**parsed(trained.config), "model": None}
    final = old.made[0] / "weights" / FINAL
    assert standin.prepare(standin.spec(StartMode.FINETUNE), final, trained=trained).taken_parameters == 4


def test_files_of_which_none_can_be_read_end_a_prediction(parent: tuple[Standin, Prepared, Attempt]) -> None:
    standin, trained, _ = parent
    spec = standin.predicting("lost.png")
    attempt = standin.run(spec, standin.prepare(spec, standin.made[0] / "weights" / FINAL, trained=trained))
    assert attempt.exit_code == 1
    assert attempt.log.endswith("failed to load image: lost.png (the file is not there)\n")
