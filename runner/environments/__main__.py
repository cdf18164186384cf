"""``python -m runner.environments build [PROFILE]``: the training environment of this machine, with a progress line."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from runner.entities import WorkStep
from runner.environments import cache_folder, find_ready, launch_plan, profiles, requirements
from runner.errors import SignalboxError
from runner.work_log import WorkStepParser

DEFAULT = "upstream"


@click.group()
def main() -> None:
    """Training environments of this machine."""


@main.command(name="list")
def list_profiles() -> None:
    """Profiles, and which are built here."""
    for name in profiles():
        found = find_ready(name)
        click.echo(f"{name}: {'ready, ' + found.python if found else 'not built'}")


@main.command()
@click.argument("profile", default=DEFAULT)
def build(profile: str) -> None:
    """Build PROFILE into the user's cache, or find it there."""
    plan = launch_plan(requirements(profile))
    with tempfile.TemporaryDirectory(prefix="signalbox-bootstrap-") as directory:
        for name, content in plan.files.items():
            (Path(directory) / name).write_bytes(content)
        code = _follow(plan.argv, directory)
    if code:
        sys.exit(code)
    found = find_ready(profile)
    if found is None:
        raise click.ClickException(f"The build ended well, but {cache_folder()} holds no finished environment '{profile}'.")
    click.echo(f"{profile} is ready: {found.python}")


def _follow(argv: tuple[str, ...], directory: str) -> int:
    parser = WorkStepParser()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console()
    with Progress(*columns, console=console) as progress:
        line = progress.add_task("start", total=None)
        child = subprocess.Popen(argv, cwd=directory, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        shown = ""
        for raw in child.stdout or ():
            records = parser.feed(raw)
            if not records and not raw.startswith(b"{"):
                console.print(raw.decode("utf-8", "replace").rstrip(), markup=False, highlight=False)
            for record in records:
                if isinstance(record, WorkStep):
                    if record.phase != shown and not console.is_terminal:
                        console.print(record.phase)
                    shown = record.phase
                    progress.update(line, description=record.phase, completed=record.done, total=record.total)
        return child.wait()


if __name__ == "__main__":
    try:
        main(standalone_mode=False)
    except SignalboxError as error:
        sys.exit(str(error))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
