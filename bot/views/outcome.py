"""What came of a prediction, an export or a fetch: what it made, in numbers, and where the files are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from bot.answer import Block
from bot.result_files import Shown
from bot.views.blocks import Message, actions, context, fitting, section
from bot.views.result import finished
from bot.views.runs_in_words import model_buttons, origin
from bot.views.words import code, code_block, count, name, prose, shortened, size
from runner.service.models import ResultFileView
from runner.service.views import RunView
from runner.specs import Kind, ModelSpec

SHOWN_CLASSES = 8
SHOWN_FILES = 12
SHA8 = 8


def outcome(view: RunView, files: Sequence[ResultFileView], shown: Shown, *, where: str) -> Message:
    """The numbers, the files by name and size, and how to get those that do not come into the thread. ``where`` says where all lie."""
    head = "\n".join(part for part in (finished(view), prose(view.run.detail), *_made(view)) if part)
    told = where if shown.left or shown.all_pictures > len(shown.pictures) else ""
    rest = [part for part in (_files(files, shown), told) if part] if files else ["It left no files."]
    small = " · ".join(part for part in (origin(view.run), _score(view)) if part)
    row = model_buttons(view)
    blocks: list[Block] = [section(head), *(section(part) for part in rest), *([context(small)] if small else [])]
    return "\n".join([head, *rest, *([small] if small else [])]), fitting([*blocks, *([actions(row)] if row else [])])


def _made(view: RunView) -> list[str]:
    """What the programs said in numbers, beside the sentence that the run keeps."""
    match view.run.spec:
        case ModelSpec(kind=Kind.PREDICT):
            return [*_classes(view.result), *_left_out(view.result)]
        case ModelSpec(kind=Kind.EXPORT):
            digest = view.result.get("sha256")
            return [f"sha256 {code(digest[:SHA8])}"] if isinstance(digest, str) else []
    return []


def _classes(summary: Mapping[str, object]) -> list[str]:
    """``Boxes by class: cod 800, eel 404.``"""
    classes = summary.get("classes") or summary.get("per_class")
    counts = {str(label): number for label, number in classes.items() if isinstance(number, int)} if isinstance(classes, dict) else {}
    ranked = sorted((item for item in counts.items() if item[1]), key=lambda item: -item[1])
    named = [f"{name(label, 30)} {number:,}" for label, number in ranked[:SHOWN_CLASSES]]
    rest = ranked[SHOWN_CLASSES:]
    named += [f"{count(len(rest), 'more class', 'more classes')} {sum(number for _, number in rest):,}"] if rest else []
    return [f"Boxes by class: {', '.join(named)}."] if named else []


def _left_out(summary: Mapping[str, object]) -> list[str]:
    """Pictures that could not be read, the first by name."""
    found, number = summary.get("left_out"), summary.get("left_out_count")
    if not isinstance(number, int) or not number or not isinstance(found, list):
        return []
    cases = [f"{name(str(each.get('name')), 60)} ({name(str(each.get('why')), 100)})" for each in found[:2] if isinstance(each, dict)]
    return [f"⚠️ {count(number, 'picture')} left out: {'; '.join(cases)}{'; …' if number > len(cases) else ''}."]


def _files(files: Sequence[ResultFileView], shown: Shown) -> str:
    """What comes into the thread, and what else there is."""
    follow = [file.name for file in shown.others]
    drawn = f"{len(shown.pictures)} of {shown.all_pictures:,} pictures" if shown.all_pictures > len(shown.pictures) else ""
    drawn = drawn or (count(len(shown.pictures), "picture") if shown.pictures else "")
    here = [*([drawn] if drawn else []), *(code(PurePosixPath(each).name, 60) for each in follow)]
    said = [f"Here in the thread: {', '.join(here)}."] if here else []
    named = shown.left if len(files) > 1 else []
    lines = [f"{size(file.size_bytes):>8}  {shortened(file.name, 60)}" for file in named[:SHOWN_FILES]]
    lines += [f"… {count(len(shown.left) - SHOWN_FILES, 'more file')}"] if len(shown.left) > SHOWN_FILES else []
    total = f"{count(len(files), 'file')}, {size(sum(file.size_bytes for file in files))}"
    return "\n".join([*said, *([f"In all {total}.", code_block("\n".join(lines))] if lines else [])])


def _score(view: RunView) -> str:
    spec = view.run.spec
    return f"boxes from score {spec.score:g} are drawn" if isinstance(spec, ModelSpec) and spec.kind is Kind.PREDICT else ""
