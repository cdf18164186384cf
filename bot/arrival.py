"""``--to FOLDER`` of the terminal: wait for what a run brings here, then put it there."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from bot.views.states import explanation, headline
from bot.views.words import code, count, prose, sentence, size
from runner.errors import SignalboxError
from runner.service import models, views
from runner.service.house import House
from runner.states import State

_LOOK_S = 0.3


def put_into(house: House, run_id: str, folder: Path, *, say: Callable[[str], None]) -> None:
    """Copy everything that the run brought into ``folder`` once it has ended; SignalboxError where it failed or a file is there already.

    What it waits for is said, each state once. Ended by Ctrl-C, the run goes on.
    """
    said = ""
    while True:
        run = views.view(house, run_id).run
        if run.state.final:
            break
        silent = views.runner_silent_since(house) is not None
        line = f"{headline(run)}: {sentence(prose(explanation(run), 300))}{' The runner does not answer.' if silent else ''}"
        if line != said:
            say(line)
            said = line
        time.sleep(_LOOK_S)
    if run.state is not State.SUCCEEDED:
        raise SignalboxError(f"{run_id} brought nothing: {run.detail or run.reason.in_words} `log {run_id}` tells more.")
    files = models.results_of(house, run_id)
    taken = [file.name for file in files if (folder / file.name).exists()]
    if taken:
        more = f" and {len(taken) - 3} more" if len(taken) > 3 else ""
        raise SignalboxError(f"{folder} has {', '.join(taken[:3])}{more} already; nothing was copied. Name another folder with `--to`.")
    for file in files:
        target = folder / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f"{target.name}.part")
        shutil.copyfile(file.path, partial)
        partial.rename(target)
    total = sum(file.size_bytes for file in files)
    left = f" {sentence(prose(run.detail))}" if run.detail else ""
    say(f"{count(len(files), 'file')}, {size(total)}, in {code(str(folder))}.{left}")
