"""``data add``: a dataset from a URL, a folder of a host, or the file that the thread hangs on."""

from __future__ import annotations

import click

from bot.answer import Answer
from bot.thread_files import request_thread_file
from bot.verb import Asking, CommandError, UnknownNameError
from bot.views.submitted import submitted
from bot.views.words import code
from runner.service import imports, views


@click.command("add", help="Add a dataset: from a URL, a folder of a server (gpu-1:/data/fish), or the file that this thread hangs on.")
@click.argument("name")
@click.argument("source", metavar="<URL or host:/folder>", required=False)
@click.option("--sha256", metavar="HEX", help="what the file behind the URL has to be")
@click.option("--format", "format_name", metavar="FORMAT", show_default="found out", help="read it as this format")
@click.pass_obj
def add(asking: Asking, name: str, source: str | None, *, sha256: str | None, format_name: str | None) -> Answer:
    dataset = name.lower()
    imports.require_dataset_name(dataset)
    if format_name is not None and format_name not in imports.readable_formats():
        raise UnknownNameError("format", format_name, imports.readable_formats())
    if source is not None:
        run = imports.submit_import(asking.house, asking.who, dataset=dataset, source=source, sha256=sha256, format_name=format_name)
        return submitted(views.view(asking.house, run.id))
    if asking.who.place.thread is None:
        raise CommandError(
            "`data add` needs to know from where. Share the file with these words, say them in the thread of a message that has it, or "
            f"give a URL or a server's folder: {code(f'data add {dataset} https://…')} or {code(f'data add {dataset} gpu-1:/data/fish')}."
        )
    request_thread_file(asking.house, asking.who, dataset=dataset, format_name=format_name)
    return Answer(f"The file of this thread becomes {code(dataset)} as soon as it is fetched; its run reports here.")
