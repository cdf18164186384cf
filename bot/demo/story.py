"""The demo: from an upload to mAP, through a failure and a kill, played on real parts and checked in the workspace itself.

``signalbox demo`` plays it beside a page that anybody may join; ``--headless`` prints the conversation, ends afterwards, and
exits 0 only if every step was seen.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from bot.demo import steps
from bot.demo.footage import write_footage
from bot.demo.play import Play, Unseen
from bot.demo.scene import Scene
from bot.demo.transcript import Transcript

STEPS = (
    steps.the_bot_answers,
    steps.a_gpu_server_is_added,
    steps.a_zip_becomes_a_dataset,
    steps.a_recipe_makes_training_data,
    steps.an_environment_is_built_while_a_run_waits,
    steps.it_trains_through_a_kill_of_bot_and_runner,
    steps.the_number_is_right,
    steps.a_failing_checkpoint_is_told_and_resumed,
    steps.another_learning_rate_is_the_first_one_logged,
    steps.weights_are_taken_over,
    steps.a_run_is_stopped,
    steps.a_schedule_speaks_in_words,
    steps.every_delivery_came_once,
)


def main(words: Sequence[str]) -> int:
    """Play the demo; 0 when every step was seen."""
    parser = argparse.ArgumentParser(prog="signalbox demo", description="From annotated data to mAP on this machine.")
    parser.add_argument("--headless", action="store_true", help="no person: print the conversation, end when the story ends")
    parser.add_argument("--port", type=int, default=8484, help="port of the page on 127.0.0.1; 0 takes any free one")
    parser.add_argument("--folder", type=Path, help="where everything is kept (default: a temporary folder, removed at the end)")
    options = parser.parse_args(words)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = options.folder or Path(tempfile.mkdtemp(prefix="signalbox-demo-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with Scene(folder, port=0 if options.headless else options.port) as scene:
            return _play(scene, headless=options.headless)
    except KeyboardInterrupt:
        return 130
    finally:
        if options.folder is None:
            shutil.rmtree(folder, ignore_errors=True)


def _play(scene: Scene, *, headless: bool) -> int:
    sys.stdout.write(f"The workspace is open: {scene.workspace.page_url}\n")
    names = {str(person["id"]): str(person.get("name", person["id"])) for person in scene.ada.state()["people"]}
    transcript = Transcript(scene.ada, scene.channel, names=names)
    play = Play(scene, transcript)
    write_footage(play.upload)
    began = time.monotonic()
    try:
        for number, step in enumerate(STEPS, start=1):
            transcript.note(f"{number} of {len(STEPS)}: {(step.__doc__ or '').splitlines()[0]}")
            started = time.monotonic()
            step(play)
            transcript.note(f"seen, in {time.monotonic() - started:.0f} s")
    except (Unseen, TimeoutError, RuntimeError) as error:
        transcript.close()
        sys.stdout.write(f"\nNOT SEEN: {error}\n{_last_words(scene)}")
        return 1
    sys.stdout.write(f"\nEvery step was seen, in {time.monotonic() - began:.0f} s.\n")
    if not headless:
        sys.stdout.write(f"Now it is yours: {scene.workspace.page_url}  (Ctrl-C ends everything)\n")
        threading.Event().wait()
    transcript.close()
    return 0


def _last_words(scene: Scene) -> str:
    log = scene.folder / "serve.log"
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-40:] if log.exists() else []
    return "\n".join(lines) + "\n"
