"""Use a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Unpack

import click

from bot.answer import Answer
from bot.model_options import DataOptions, data_options
from bot.names import finite, known_run
from bot.shared_files import SharedFile
from bot.verb import Asking, CommandError, Topic, Verb
from bot.views.submitted import submitted
from bot.views.words import count
from runner.service import models, views, waiting_lines
from runner.settings import Role
from runner.specs import GivenFile, ResultFile

_RESULTS = {"pictures": ResultFile.PICTURES, "pkl": ResultFile.PICKLE} | {result.value: result for result in ResultFile}


@click.command("predict", help="Use a trained model on pictures, a video or a dataset: drawn, or as result files.")
@click.argument("run", callback=known_run)
@click.argument("files", nargs=-1, metavar="FILE…")
@data_options
@click.option(
    "--score", type=click.FloatRange(0, 1), callback=finite, default=0.3, show_default="0.3", metavar="X", help="the least score of a box"
)
@click.option(
    "--as", "results", type=click.Choice(list(_RESULTS), case_sensitive=False), multiple=True, metavar="pictures|pkl|coco|cityscapes",
    show_default="pictures", help="what to make; may be said several times",
)
@click.pass_obj
def predict(
    asking: Asking, run: str, files: tuple[str, ...], *, score: float, results: tuple[str, ...], **using: Unpack[DataOptions]
) -> Answer:
    _require_terminal(asking, files)
    shared = [file for file in asking.attached if isinstance(file, SharedFile)]
    whole = using["dataset"] is None and using["split"] is None
    if shared or (whole and asking.who.door == "mention" and asking.who.place.thread is not None):
        return _later(asking, shared)
    given: list[Path | GivenFile] = [file for file in asking.attached if isinstance(file, GivenFile)]
    queued = models.submit_predict(
        asking.house, asking.who, run, files=[*given, *(Path(file).expanduser() for file in files)],
        results=[_RESULTS[result] for result in results or ("pictures",)], score=score, **using,
    )
    return submitted(views.view(asking.house, queued.id))


def _require_terminal(asking: Asking, files: Sequence[str]) -> None:
    """What is typed in a chat must not open files of this machine."""
    if files and asking.who.door != "terminal":
        raise CommandError(
            f"`predict` takes no path here ({files[0]!r}). Share the picture or the video with these words, or say them in the thread "
            "of a message that has it; a dataset is named with `on`."
        )


def _later(asking: Asking, shared: Sequence[SharedFile]) -> Answer:
    """The files lie with Slack: the line waits until they are fetched."""
    asking.who.must_be(Role.MEMBER, "submit runs")
    asked = [waiting_lines.WantedFile(file.id, file.name, file.size_bytes, file.url) for file in shared]
    waiting_lines.keep(asking.house, asking.who, asking.line, asked)
    if shared:
        return Answer(f"It predicts as soon as {count(len(shared), 'file')} {'is' if len(shared) == 1 else 'are'} fetched.")
    return Answer("It predicts on the pictures of the message that this thread hangs on; where it has none, on the data it trained on.")


verb = Verb(
    predict, Topic.USE, words={"on": "--on", "as": "--as", "at": "--checkpoint"},
    examples=("predict r-7f3k", "predict r-7f3k on fish --split val --score 0.5", "predict r-7f3k --checkpoint epoch_12 as coco"),
)
