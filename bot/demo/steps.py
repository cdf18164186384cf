"""The steps of the story, in order. Each does one thing as a person would and insists on what that person must see."""

from __future__ import annotations

import contextlib
import io
import json
import re
import resource
import time
from collections import Counter
from pathlib import Path

from bot.demo.play import Play, Unseen, expect, pictures
from bot.demo.processes import marked
from bot.demo.scene import HOST
from runner.entities import Progress
from runner.service import hosts
from runner.service.views import history, points
from runner.states import Reason, State

FIRST_BUILD_S = 30 * 60.0
TRAINING_S = 20 * 60.0
"""Two minutes where nothing else is at work; a slow machine is no reason to fail."""
WANTED_AP50 = 0.7


def the_bot_answers(play: Play) -> None:
    """The bot is in the channel, over Socket Mode, and answers."""
    deadline = time.monotonic() + 60
    while True:
        try:
            answer = play.command("help")
        except Unseen:
            answer = ""
        if "run" in answer and "convert" in answer:
            return
        expect(time.monotonic() < deadline, f"The bot did not answer `help` with its verbs: {answer}")
        time.sleep(1)


def a_gpu_server_is_added(play: Play) -> None:
    """This machine becomes the GPU server gpu-1: a real sshd on loopback, its key pinned, and real screen."""
    play.transcript.note(f"in a terminal: signalbox host add {HOST} …")
    play.transcript.note(play.scene.add_host())
    if play.scene.without_sshd:
        play.scene.ada.say(play.scene.channel, f"{play.scene.without_sshd}; so {HOST} is this machine without ssh.")
    play.wait(lambda: hosts.host_view(play.scene.house, HOST).host.seen_at, timeout_s=120, what=f"an answer of {HOST}")
    expect(re.search(rf"{HOST}\W+answers", play.command("host list")), f"{HOST} does not answer in `host list`.")


def a_zip_becomes_a_dataset(play: Play) -> None:
    """Somebody drops a zip with a VATIC annotation and its frames; the bot answers with a card and a picture."""
    play.scene.ada.upload(play.scene.channel, play.upload, filename="fish.zip")
    card = play.message("fish@1", "300 images", timeout_s=120)
    for word in ("fish", "crab", "lost", "occluded"):
        expect(word in card["text"], f"The dataset card does not speak of {word}: {card['text']}")
    expect(pictures(card), "The dataset card shows no samples.")


def a_recipe_makes_training_data(play: Play) -> None:
    """A recipe drops lost and occluded boxes, splits by track and time, and writes COCO as a new version."""
    run_id = play.start("convert", "convert fish vatic-to-coco")
    play.card(run_id, "fish@2", timeout_s=120)
    card = play.message("fish@2", "train", "val", "Left out", timeout_s=120)
    expect("fish@1" in card["text"] and "vatic-to-coco" in card["text"], f"The card does not tell the lineage: {card['text']}")


def an_environment_is_built_while_a_run_waits(play: Play) -> None:
    """The training environment is built (or found built) on the server; a run waits for it, and says so."""
    build = play.start("build", f"host bootstrap {HOST}")
    run_id = play.start("first", "run rtmdet-nano on fish")
    play.wait(lambda: len(_reasons(play, "first")) > 1, timeout_s=120, what="a reason to wait")
    if play.view("build").run.state is not State.SUCCEEDED:
        play.card(run_id, build, timeout_s=120)
    play.wait(lambda: play.view("build").run.state.final, timeout_s=FIRST_BUILD_S, what="the end of the build")
    expect(play.view("build").run.state is State.SUCCEEDED, f"The build failed: {play.view('build').run.detail}")
    play.card(build, "Finished", timeout_s=120)
    expect(Reason.WAITING_FOR_ENVIRONMENT in _reasons(play, "first"), "The run did not wait for the environment.")


def it_trains_through_a_kill_of_bot_and_runner(play: Play) -> None:
    """Real MMDetection trains in a detached screen; bot and runner are killed and come back; the card goes on."""
    run_id = play.runs["first"]
    play.wait(lambda: play.view("first").run.reason is Reason.WORKING, timeout_s=300, what="the start of the training")
    began = time.monotonic()
    play.wait(lambda: len(play.view("first").evaluations) >= 2, timeout_s=TRAINING_S, what="the second epoch")
    before = _process(play, "first")
    killed = play.scene.kill_signalbox()
    play.transcript.note(f"SIGKILL to bot and runner ({killed})")
    expect(play.scene.signalbox_restarted(without=killed), "Bot and runner were not started again.")
    expect(_process(play, "first") == before, "The training is not the same process after the kill.")
    play.card(run_id, "Finished", timeout_s=TRAINING_S)
    took = time.monotonic() - began
    seen = play.view("first")
    best50 = max(item.ap50 or 0.0 for item in seen.evaluations)
    play.transcript.note(f"AP50 {best50:.3f} after {took:.0f} s")
    expect(best50 >= WANTED_AP50, f"AP50 is {best50:.3f}, under {WANTED_AP50}.")
    play.reply(run_id, "Epochs of", "★")
    result = play.reply(run_id, "finished in", "AP50", "fish", "crab", timeout_s=120)
    expect(pictures(result), "The result shows no curve.")
    _each_iteration_once(play, "first")


def the_number_is_right(play: Play) -> None:
    """The number in the channel is what pycocotools computes from the predictions and the ground truth."""
    seen = play.view("first")
    assert seen.attempt is not None
    directory = Path(seen.attempt.directory)
    measured = _pycocotools_ap(directory / "data/annotations/instances_val.json", directory / "work_dir/val.bbox.json")
    told = seen.evaluations[-1].ap
    play.transcript.note(f"pycocotools {measured:.4f}, the last epoch's mAP {told}")
    expect(told is not None and abs(told - measured) <= 1e-3, f"The card says {told}, pycocotools {measured:.4f}.")
    best = seen.best
    assert best is not None
    expect(f"{best.ap:.3f}" in play.card(play.runs["first"])["text"], "The card does not show the best mAP.")


def a_failing_checkpoint_is_told_and_resumed(play: Play) -> None:
    """A checkpoint cannot be written whole: the alert says why and what to do; its button resumes from the one before."""
    run_id = play.start("second", "run rtmdet-nano on fish --epochs 6")
    play.wait(lambda: max(_epochs_saved(play, "second"), default=0) >= 2, timeout_s=300, what="the second checkpoint")
    _limit_file_size(play, "second")
    alert = play.message(run_id, "failed", "What to do", timeout_s=120)
    expect("File too large" in alert["text"] or "file" in alert["text"].lower(), f"The alert does not name the cause: {alert['text']}")
    newest = max(_epochs_saved(play, "second"))
    known = {message["ts"] for message in play.scene.ada.messages(play.scene.channel)}
    play.press(alert, f"resume {run_id}")
    play.runs["resumed"] = play.wait(lambda: _new_run(play, known), timeout_s=120, what="the resumed run")
    first = play.wait(lambda: next(iter(points(play.scene.house, play.runs["resumed"])), None), timeout_s=120, what="its first line")
    prepared = play.view("resumed").run.prepared or {}
    expect(str(prepared.get("checkpoint", "")).endswith(f"epoch_{newest - 1}.pth"), f"It resumed from {prepared.get('checkpoint')}.")
    expect(first.epoch == newest, f"Its first epoch is {first.epoch}, not {newest}.")
    play.reply(play.runs["resumed"], f"epoch_{newest}.pth", timeout_s=120)
    _goes_on_where_it_was(play, first, epoch=newest)
    play.card(play.runs["resumed"], "Finished", timeout_s=TRAINING_S)


def another_learning_rate_is_the_first_one_logged(play: Play) -> None:
    """``resume --lr`` starts with the learning rate asked for."""
    run_id = play.start("slower", f"resume {play.runs['second']} --lr 0.0005")
    first = play.wait(lambda: next(iter(points(play.scene.house, run_id)), None), timeout_s=120, what="its first line")
    expect(first.lr is not None and abs(first.lr - 0.0005) < 1e-6, f"The first learning rate logged is {first.lr}.")
    play.command(f"stop {run_id} --yes")
    play.card(run_id, "Stopped", timeout_s=120)


def weights_are_taken_over(play: Play) -> None:
    """``finetune`` starts at epoch 0 with the weights of the first run."""
    run_id = play.start("tuned", f"finetune {play.runs['first']} on fish")
    first = play.wait(lambda: next(iter(points(play.scene.house, run_id)), None), timeout_s=120, what="its first line")
    expect(first.epoch == 1, f"It starts in epoch {first.epoch}.")
    prepared = play.view("tuned").run.prepared or {}
    expect(prepared.get("taken_parameters"), "No weights were taken over.")
    expect(not prepared.get("new_parameters"), f"New weights although the classes are the same: {prepared.get('new_parameters')}")
    measured = play.wait(lambda: play.view("tuned").evaluations, timeout_s=120, what="its first evaluation")[0].ap or 0.0
    scratch = play.view("first").evaluations[0].ap or 0.0
    expect(measured > scratch + 0.2, f"After one epoch its mAP is {measured}, the parent's was {scratch}: the weights differ.")


def a_run_is_stopped(play: Play) -> None:
    """``stop`` asks first, says what is lost, then ends every process of the run."""
    run_id = play.runs["tuned"]
    answer = play.command(f"stop {run_id}")
    expect("Stop" in answer and "lost" in answer, f"It did not ask: {answer}")
    question = play.message(f"Stop `{run_id}`")
    seen = play.view("tuned")
    assert seen.attempt is not None
    play.press(question, "confirm ")
    play.card(run_id, "Stopped", timeout_s=120)
    expect(not marked(seen.attempt.marker), "Processes of the stopped run are left.")


def a_schedule_speaks_in_words(play: Play) -> None:
    """A schedule answers with its next three times."""
    answer = play.command('schedule add "every day 02:30" run rtmdet-nano on fish')
    expect(len(re.findall(r"02:30", answer)) >= 3, f"The next three times are not there: {answer}")


def every_delivery_came_once(play: Play) -> None:
    """Nothing was lost and nothing doubled, through the kill and all."""
    seen = Counter(play.delivery_ids())
    expect(seen, "No delivery carries an id.")
    twice = [name for name, count in seen.items() if count > 1]
    expect(not twice, f"Delivered twice: {twice}")
    for name in ("first", "second", "resumed"):
        view = play.view(name)
        assert view.attempt is not None
        attempts = Path(view.attempt.directory).parent.iterdir()
        claims = [attempt for attempt in attempts if (attempt / "claim").is_symlink()]  # it points nowhere
        expect(len(claims) == 1, f"{view.run.id} was claimed {len(claims)} times.")


def _reasons(play: Play, name: str) -> list[Reason]:
    story = history(play.scene.house, play.runs[name])
    return [Reason(str(event.payload["reason"])) for event in story if event.kind == "state"]


def _process(play: Play, name: str) -> tuple[int, str]:
    """The training's pid and start time, as the host's own process table has them."""
    attempt = play.view(name).attempt
    assert attempt is not None
    pid = int((Path(attempt.directory) / "pid").read_text())
    return pid, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def _each_iteration_once(play: Play, name: str) -> None:
    logged = [(point.epoch, point.iteration) for point in points(play.scene.house, play.runs[name])]
    expect(logged == sorted(set(logged)), "Iterations are missing, doubled or out of order after the kill.")
    attempt = play.view(name).attempt
    assert attempt is not None
    lines = Path(attempt.directory, "log").read_text(errors="replace").count("Epoch(train)")
    expect(len(logged) == lines, f"The log has {lines} training lines, the database {len(logged)}.")


def _limit_file_size(play: Play, name: str) -> None:
    """Let no file of the running training grow beyond half a checkpoint, as a full quota would: the next save breaks off."""
    view = play.view(name)
    assert view.attempt is not None
    written = next(Path(view.attempt.directory, "work_dir").glob("epoch_*.pth"))
    limit = written.stat().st_size // 2
    for pid in marked(view.attempt.marker):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, limit))
    play.transcript.note(f"the disk quota is full: no file may grow beyond {limit:,} bytes")


def _epochs_saved(play: Play, name: str) -> list[int]:
    return [checkpoint.epoch for _, checkpoint in play.view(name).checkpoints if not checkpoint.best]


def _new_run(play: Play, known: set[str]) -> str | None:
    for message in play.scene.ada.messages(play.scene.channel):
        if message["ts"] not in known and (found := re.search(r"`(r-[a-z0-9]+)`", message.get("text", ""))):
            return found[1]
    return None


def _goes_on_where_it_was(play: Play, first: Progress, *, epoch: int) -> None:
    """The optimizer's state came back: loss and learning rate are those that the parent had in the same epoch."""
    before = next(point for point in points(play.scene.house, play.runs["second"]) if point.epoch == epoch)
    expect(first.lr == before.lr, f"The learning rate is {first.lr}, the parent's was {before.lr}.")
    expect(
        first.loss is not None and before.loss is not None and abs(first.loss - before.loss) < 0.25 * before.loss,
        f"The first loss is {first.loss}, the parent's was {before.loss}.",
    )


def _pycocotools_ap(truth: Path, predictions: Path) -> float:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        ground = COCO(str(truth))
        judge = COCOeval(ground, ground.loadRes(json.loads(predictions.read_text())), "bbox")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


