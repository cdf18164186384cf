"""Datasets from the terminal: python -m recipes.

    python -m recipes RECIPE SRC DST [key=value …] [--dry-run]     convert a folder or an archive (RECIPE may be FROM:TO)
    python -m recipes check SRC [--full]                           what is wrong with it
    python -m recipes list | show RECIPE [key=value …]             the recipes, and one in words
    python -m recipes ingest SRC --catalog DIR --name NAME         add it to a catalog, as it is
    python -m recipes convert NAME[@N] RECIPE --catalog DIR        convert a version into the next one (--dry-run: only say what would be)
    python -m recipes diff NAME@N NAME@M --catalog DIR             what changed between two versions
    python -m recipes verify [NAME[@N]] --catalog DIR              read every stored content again
    python -m recipes remove NAME@N … --catalog DIR                remove versions and free what no other uses

--json prints the result (or the error) as one JSON object; --progress json writes {"done", "total", "phase"} lines to
standard error. Exit status: 0 done, 1 refused or found unfit, 2 wrong usage, 128 + n stopped by signal n.
"""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import orjson

from recipes.checks.check import errors
from recipes.effort import Effort
from recipes.errors import KEPT_DEFECTS, CatalogError, DatasetError, Defect, Where
from recipes.progress import Progress, bar, json_lines, silent
from recipes.recipe import library, load_recipe
from recipes.running import run


class _Answer:
    """What a command has to say: JSON for programs, lines for people, and whether all is well."""

    def __init__(self, data: Mapping[str, Any], lines: Sequence[str], *, well: bool = True) -> None:
        self.data, self.lines, self.well = data, lines, well


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; the exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parse(given)
    try:
        answer = COMMANDS[options.command](options, Effort(options.processes or available(), _progress(options)))
    except DatasetError as error:
        return _refuse(error, options)
    except OSError as error:  # a full disk, a missing right: what was begun is gone already
        where = Where(str(error.filename or ""))
        return _refuse(DatasetError(f"{error.strerror or error}.", where=where, remedy="Mend that and try again."), options)
    _say([orjson.dumps(answer.data).decode()] if options.json else answer.lines, sys.stdout)
    return 0 if answer.well else 1


def _refuse(error: DatasetError, options: argparse.Namespace) -> int:
    if options.json:
        _say([orjson.dumps({"error": _plain(error)}).decode()], sys.stdout)
    else:
        _say([str(error)], sys.stderr)
    return 1


def _stop(number: int, _: object) -> NoReturn:
    """End as if by the signal, but by way of every finally, so that nothing half-made stays."""
    raise SystemExit(128 + number)


def _run(options: argparse.Namespace, effort: Effort) -> _Answer:
    recipe = load_recipe(options.recipe, options.overrides)
    summary = run(recipe, options.source, options.destination, dry_run=options.dry_run, effort=effort)
    return _Answer(summary.as_json(), summary.lines(), well=not errors(summary.findings))


def _check(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.ingest import examine
    from recipes.sources import unpacked

    with unpacked(options.source, effort) as root:
        summary, _ = examine(root, format_name=options.format, keep_unfit=True, full=options.full, effort=effort)
    return _Answer(summary.as_json(), summary.lines(), well=not errors(summary.findings))


def _list(_: argparse.Namespace, __: Effort) -> _Answer:
    titles = {name: load_recipe(name).title for name in library()}
    return _Answer({"recipes": titles}, [f"{name}: {title}" for name, title in titles.items()])


def _show(options: argparse.Namespace, _: Effort) -> _Answer:
    recipe = load_recipe(options.recipe, options.overrides)
    words = recipe.describe()
    return _Answer({"name": recipe.name, "words": words, "parameters": recipe.parameters()}, words.splitlines())


def _ingest(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.arriving.arrival import arrived
    from recipes.catalog.catalog import Catalog
    from recipes.ingest import ingest

    catalog = Catalog(options.catalog)
    with arrived(options, options.catalog / "downloads", effort.progress) as (source, title):
        version = ingest(
            catalog,
            source,
            name=options.name,
            created_at=datetime.now(UTC),
            created_by=options.by,
            title=options.title or title,
            format_name=options.format,
            effort=effort,
        )
    return _Answer(version.card() | _preview(catalog.preview_path(version)), [version.reference, *version.summary.lines()])


def _convert(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.catalog.catalog import Catalog
    from recipes.ingest import convert, rehearse

    catalog = Catalog(options.catalog)
    recipe = load_recipe(options.recipe, options.overrides)
    if options.dry_run:
        summary = rehearse(catalog, options.dataset, recipe, effort=effort)
        return _Answer({"summary": summary.as_json()}, summary.lines())
    version = convert(
        catalog,
        options.dataset,
        recipe,
        created_at=datetime.now(UTC),
        name=options.name,
        created_by=options.by,
        effort=effort,
    )
    return _Answer(version.card() | _preview(catalog.preview_path(version)), [version.reference, *version.summary.lines()])


def _diff(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.catalog.catalog import Catalog
    from recipes.catalog.comparing import compare_versions

    comparison = compare_versions(Catalog(options.catalog), options.old, options.new, effort)
    return _Answer({"summary": comparison.as_json()}, comparison.lines())


def _verify(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.catalog.catalog import Catalog
    from recipes.catalog.removal import sweep

    catalog = Catalog(options.catalog)
    damaged = catalog.verify(options.dataset, progress=effort.progress)
    if damaged:
        remedy = "Add the dataset again, which mends what was sent the same, or restore the catalog from a backup."
        defects = tuple(map(Defect, damaged[:KEPT_DEFECTS]))
        amount = "1 stored file is" if len(damaged) == 1 else f"{len(damaged):,} stored files are"
        raise CatalogError(f"{amount} damaged.", remedy=remedy, defects=defects, more=len(damaged) - len(defects))
    sweep(catalog, progress=effort.progress)
    whole = f"Every content of {options.dataset or 'every dataset'} is whole."
    return _Answer({"summary": {"sentence": whole}}, [whole])


def _remove(options: argparse.Namespace, effort: Effort) -> _Answer:
    from recipes.catalog.catalog import Catalog
    from recipes.catalog.removal import remove

    removal = remove(Catalog(options.catalog), options.versions, progress=effort.progress)
    return _Answer({"summary": {"sentence": removal.sentence()}}, [removal.sentence()])


COMMANDS: Mapping[str, Callable[[argparse.Namespace, Effort], _Answer]] = {
    "run": _run,
    "check": _check,
    "list": _list,
    "show": _show,
    "ingest": _ingest,
    "convert": _convert,
    "diff": _diff,
    "verify": _verify,
    "remove": _remove,
}


def _parse(given: list[str]) -> argparse.Namespace:
    """A first word that is no command is a recipe to run."""
    if not given or given[0] in {"-h", "--help", "help"}:
        _say([(__doc__ or "").strip()], sys.stdout)
        raise SystemExit(0 if given else 2)
    named = given[0] in COMMANDS and given[0] != "run"
    command, rest = (given[0], given[1:]) if named else ("run", given)
    parser = _Parser(prog=f"python -m recipes {command if named else ''}".rstrip(), allow_abbrev=False)
    _ARGUMENTS[command](parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--processes", type=int, choices=range(1, 65), metavar="N", help="how many may work at once (all cores)")
    parser.add_argument("--progress", choices=("bar", "json", "none"), help="how to show progress, on standard error")
    options = parser.parse_intermixed_args(rest)
    options.command = command
    return options


class _Parser(argparse.ArgumentParser):
    """Says where help is."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}. See python -m recipes --help.\n")


def _run_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe")
    parser.add_argument("source", type=Path)
    parser.add_argument("destination", type=Path)
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--dry-run", action="store_true", help="say what would come out; write nothing")


def _check_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path)
    parser.add_argument("--format", help="read it as this format instead of finding out")
    parser.add_argument("--full", action="store_true", help="decode every image")


def _show_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value")


def _ingest_arguments(parser: argparse.ArgumentParser) -> None:
    from recipes.arriving.arrival import add_arguments

    add_arguments(parser)
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--by", help="who asked for it")
    parser.add_argument("--title", help="what people call the archive, when it is not its file name")
    parser.add_argument("--format", help="read it as this format instead of finding out")


def _convert_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", metavar="name[@n]")
    parser.add_argument("recipe")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    parser.add_argument("--catalog", type=Path, required=True)
    parser.add_argument("--name", help="the dataset to add to, when it is not the same")
    parser.add_argument("--by", help="who asked for it")
    parser.add_argument("--dry-run", action="store_true", help="say what would come out; write nothing")


def _diff_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="name[@n]")
    parser.add_argument("new", metavar="name[@n]")
    parser.add_argument("--catalog", type=Path, required=True)


def _remove_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("versions", nargs="+", metavar="name@n")
    parser.add_argument("--catalog", type=Path, required=True)


def _verify_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("dataset", nargs="?", metavar="name[@n]")
    parser.add_argument("--catalog", type=Path, required=True)


_ARGUMENTS: Mapping[str, Callable[[argparse.ArgumentParser], None]] = {
    "run": _run_arguments,
    "check": _check_arguments,
    "list": lambda _: None,
    "show": _show_arguments,
    "ingest": _ingest_arguments,
    "convert": _convert_arguments,
    "diff": _diff_arguments,
    "verify": _verify_arguments,
    "remove": _remove_arguments,
}


def _progress(options: argparse.Namespace) -> Progress:
    chosen = options.progress or ("bar" if sys.stderr.isatty() else "none")
    if chosen == "none":
        return silent
    return json_lines(sys.stderr) if chosen == "json" else bar(sys.stderr)


def available() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0))


def _preview(path: Path | None) -> dict[str, str | None]:
    """Where the picture of samples lies."""
    return {"preview_path": str(path) if path else None}


def _plain(error: DatasetError) -> dict[str, Any]:
    return {
        "kind": type(error).__name__,
        "message": error.message,
        "where": str(error.where),
        "remedy": error.remedy,
        "defects": [str(defect) for defect in error.defects],
        "more": error.more,
        "text": str(error),
    }


def _say(lines: Sequence[str], out: Any) -> None:
    out.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    # Records hold no cycles, and collecting looks at millions of them again and again: a tenth of a conversion's time.
    gc.disable()
    for stopping in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(stopping, _stop)
    status = main()
    sys.stdout.flush()
    os._exit(status)  # taking apart what the system frees at once would be a tenth of a short conversion
