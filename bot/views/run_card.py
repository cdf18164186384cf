"""A run's card, edited in place, and the epoch table in its thread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta, tzinfo

from bot.answer import Block
from bot.views.blocks import Message, actions, context, fitting, section
from bot.views.board import board_lines
from bot.views.result import recall_in_words
from bot.views.runs_in_words import buttons, links, origin, title
from bot.views.states import explanation, headline, sign
from bot.views.words import ap, bar, clock, code, count, duration, fixed, name, number, person, prose, sentence, size
from runner.entities import Evaluation, Progress, WorkStep
from runner.service.views import RunView
from runner.specs import Kind, TrainSpec
from runner.states import Reason, State

SHOWN_EPOCHS = 24
_WORTH_TELLING = timedelta(minutes=1)
_TOLD_IN_WORDS = frozenset({Kind.PREDICT, Kind.EXPORT, Kind.FETCH, Kind.TENSORBOARD})
"""Kinds of which nothing but the runner's sentence says what they made."""
_WAITING_OR_ODD = frozenset({Reason.UNREACHABLE, Reason.UNCLEAR, Reason.STAGING, Reason.LAUNCHING, Reason.STOPPING})


def run_card(view: RunView, *, zone: tzinfo) -> Message:
    """The card of a run in any state: ``(text, blocks)``. ``text`` says the same in lines, for notifications and the terminal."""
    lines = [*_head(view), *([board] if (board := board_lines(view, zone=zone)) else [])]
    facts, small = _facts(view, zone), _small_print(view, zone)
    blocks: list[Block] = [section("\n".join(lines), [f"*{label}*\n{value}" for label, value in facts], menu=links(view))]
    blocks += [context(*small)] if small else []
    row = buttons(view)
    blocks += [actions(row)] if row else []
    text = "\n".join([*lines, *(f"{label}: {value}" for label, value in facts), *small])
    return text, fitting(blocks)


def run_lines(view: RunView, *, zone: tzinfo) -> str:
    """A run that has not ended in three or four lines: what and how far, why, its best mAP and when it is done."""
    facts = [f"{label} {value}" for label, value in _facts(view, zone) if label.startswith(("Best", "Done"))]
    return "\n".join([*_head(view), *([" · ".join(facts)] if facts else [])])


def _head(view: RunView) -> list[str]:
    top = f"{sign(view.run)} *{title(view.run)}*  `{view.run.id}`"
    return [top, *(line for line in (_state_line(view), _progress_line(view), _why_line(view)) if line)]


def share_done(view: RunView) -> float | None:
    """How much of a run is done, 0 to 1; None where nobody knows."""
    if view.run.state is State.SUCCEEDED:
        return 1.0
    if view.work is not None and view.work.total:
        return min(1.0, view.work.done / view.work.total)
    if view.progress is None or not view.epochs:
        return None
    return min(1.0, _epochs_done(view.progress) / view.epochs)


def where_in_words(view: RunView) -> str:
    """``epoch 7 of 20 · 30 of 60 iterations``, ``storing files · 120 of 400``: how far it is; empty before it began."""
    if view.work is not None:
        return " · ".join([name(view.work.phase), *_amounts(view.work)])
    if view.progress is None:
        return f"{view.epochs} epochs" if view.epochs and view.run.state is State.PENDING else ""
    of = f" of {view.epochs}" if view.epochs else ""
    at = view.progress
    inside = f" · iteration {at.iteration:,} of {at.iterations:,}" if view.run.state is State.RUNNING and at.iterations else ""
    return f"epoch {at.epoch}{of}{inside}"


def _amounts(work: WorkStep) -> list[str]:
    """``120 of 400``; of bytes ``1.2 GB of 3.4 GB`` and how fast they come."""
    in_words = size if work.unit == "bytes" else "{:,}".format
    of = f" of {in_words(work.total)}" if work.total else ""
    rate = [f"{in_words(round(work.rate))}/s"] if work.rate and work.unit == "bytes" and work.done != work.total else []
    return [f"{in_words(work.done)}{of}", *rate] if work.total or work.done else []


def epoch_table(view: RunView, *, zone: tzinfo) -> Message:
    """The epochs so far, one line each, in the thread under the card; the best mAP is marked. Long trainings show their ends."""
    rows = _epoch_rows(view)
    if not rows:
        text = f"{code(view.run.id)} has no epochs yet."
        return text, [section(text)]
    masks = f" {'segm':>6}" if len(view.tasks) > 1 and "segm" in view.tasks else ""
    heading = f"{'epoch':>5} {'loss':>7} {'lr':>7} {'mAP':>6} {'AP50':>6}{masks}"
    shown, left_out = _thinned(rows, view.best)
    body = "\n".join([heading, *shown])
    best = view.best
    title_line = f"*Epochs of {title(view.run)}*  `{view.run.id}`"
    small = f"★ best mAP {ap(best.ap)} at epoch {best.epoch}. " if best else ""
    small += f"{left_out} of {len(rows)} epochs are left out here. " if left_out else ""
    seen = f"As of {clock(view.last_seen, zone)}." if view.stale and view.last_seen else ""
    text = f"{title_line}\n```\n{body}\n```"
    extra = (small + seen).strip()
    return f"{text}\n{extra}".rstrip(), fitting([section(text), *([context(extra)] if extra else [])])


def _state_line(view: RunView) -> str:
    run = view.run
    where = where_in_words(view)
    took = f" after {duration(run.ended_at - run.started_at)}" if run.ended_at and run.started_at else ""
    by = f" by {person(run.stop_requested_by)}" if run.reason is Reason.BY_USER and run.stop_requested_by and _posted(view) else ""
    return f"*{headline(run)}{by}{took}*" + (f" · {where}" if where else "")


def _progress_line(view: RunView) -> str:
    share = share_done(view)
    if share is None or view.run.state is State.PENDING or view.run.state is State.SUCCEEDED:
        return ""
    return f"{bar(share)} {math.floor(share * 100)} %"


def _why_line(view: RunView) -> str:
    run = view.run
    if run.state is State.FAILED:
        return sentence(prose(view.diagnosis.sentence if view.diagnosis else explanation(run), 600))
    if run.state is State.PENDING or run.reason in _WAITING_OR_ODD or (run.state is State.SUCCEEDED and run.kind in _TOLD_IN_WORDS):
        return sentence(prose(explanation(run), 600))
    return ""


def _facts(view: RunView, zone: tzinfo) -> list[tuple[str, str]]:
    """The numbers: loss, learning rate, best mAP and when it will be done."""
    facts: list[tuple[str, str]] = []
    at = view.progress
    if at is not None:
        facts += [("Loss", number(at.loss)), ("Learning rate", number(at.lr))]
    facts += [_measured(view, task) for task in view.tasks]
    known = view.time_left
    if known is not None and view.last_seen is not None and not view.stale and _plausible(known.left):
        label = f"Done {name(view.work.phase)}" if view.work is not None else "Done"
        within = f" ± {duration(known.within)}" if known.within >= _WORTH_TELLING else ""
        facts.append((label, f"about {clock(view.last_seen + known.left, zone, near=view.last_seen)} (in {duration(known.left)}{within})"))
    return facts + _made(view)


def _measured(view: RunView, task: str) -> tuple[str, str]:
    """The best mAP of a task, of an evaluation its only one; of proposals the newest recalls."""
    last, best = [each for each in view.evaluations if each.task == task][-1], view.best_of(task)
    of = f" ({name(task)})" if len(view.tasks) > 1 or task != "bbox" else ""
    if best is None:
        return (f"Recall{of}", recall_in_words(last)) if last.recall else (f"mAP{of}", ap(None))
    if view.run.kind is not Kind.TRAIN:
        return f"mAP{of}", f"{ap(best.ap)} · AP50 {ap(best.ap50)} · AP75 {ap(best.ap75)}"
    newest = f" (now {ap(last.ap)})" if last.epoch != best.epoch else ""
    return f"Best mAP{of}", f"{ap(best.ap)} at epoch {best.epoch}{newest} · AP50 {ap(best.ap50)}"


def _plausible(span: timedelta) -> bool:
    return timedelta() <= span < timedelta(days=3650)


def _made(view: RunView) -> list[tuple[str, str]]:
    made = view.result.get("reference")
    return [("Made", code(str(made)))] if isinstance(made, str) and view.run.state is State.SUCCEEDED else []


def _small_print(view: RunView, zone: tzinfo) -> list[str]:
    """Where, who, from what, and when last seen."""
    run = view.run
    asked = f"asked for by {person(run.owner)}" if _posted(view) else ""
    rate = f"learning rate {prose(view.rate.why).rstrip('.')}" if view.rate is not None else ""
    texts = [_place(view), _waited(view), origin(run), _changed(view), rate, asked, _seen(view, zone)]
    return [text for text in texts if text]


def _posted(view: RunView) -> bool:
    """People are named by mention only where the card stands already: an edit does not make a phone ring, a new message does."""
    return view.run.place.thread is not None or view.run.place.channel is None


def _place(view: RunView) -> str:
    if view.run.host is None or view.run.state is State.PENDING:
        return ""
    devices = [name(device, 40) for device in view.device_names[:8]]
    return ", ".join([f"on {' and '.join(map(name, view.hosts))}", *devices]) + (" …" if len(view.device_names) > 8 else "")


def _waited(view: RunView) -> str:
    """How long its last start waited for what ran on its GPUs before to give their memory back."""
    waited_s = view.result.get("memory_wait_s")
    if not isinstance(waited_s, int) or view.run.state is State.PENDING:
        return ""
    outcome = "was free" if view.result.get("memory_free") else "was given up waiting for"
    return f"the memory of its GPUs {outcome} after {duration(timedelta(seconds=waited_s))}"


def _changed(view: RunView) -> str:
    if not isinstance(view.run.spec, TrainSpec):
        return ""
    given = view.run.spec.overrides
    said = [f"lr {number(given.lr)}" if given.lr else "", f"batch {given.batch}" if given.batch else ""]
    said.append(count(len(given.options), "raw option") if given.options else "")
    said.append(f"attempt {view.run.attempt}" if view.run.attempt > 1 else "")
    return ", ".join(part for part in said if part)


def _seen(view: RunView, zone: tzinfo) -> str:
    if view.run.state is not State.RUNNING:
        ended = view.run.ended_at
        return f"ended {clock(ended, zone)}" if ended else ""
    if view.last_seen is None:
        return "not seen yet"
    if view.stale:
        return f"⚠️ last seen {clock(view.last_seen, zone)}; these numbers may be old"
    return f"seen {clock(view.last_seen, zone, near=view.last_seen)}"


def _epochs_done(at: Progress) -> float:
    inside = at.iteration / at.iterations if at.iterations else 1.0
    return max(0.0, at.epoch - 1 + min(1.0, inside))


def _epoch_rows(view: RunView) -> list[tuple[int, str]]:
    ends = {point.epoch: point for point in view.epoch_ends if point.epoch not in _unfinished(view)}
    first, *others = view.tasks or ("bbox",)
    measured = {each.epoch: each for each in view.evaluations if each.task == first}
    masks = {each.epoch: each for each in view.evaluations if each.task in others and each.task == "segm"}
    best = view.best
    return [
        (epoch, _epoch_row(epoch, ends.get(epoch), measured.get(epoch), masks.get(epoch), best))
        for epoch in sorted(ends.keys() | measured.keys() | masks.keys())
    ]


def _unfinished(view: RunView) -> tuple[int, ...]:
    """The epoch under way: it gets its row when it is over, so that the table is edited once an epoch."""
    at = view.progress
    return (at.epoch,) if at and view.run.state is State.RUNNING and at.iteration < at.iterations else ()


def _epoch_row(epoch: int, end: Progress | None, measured: Evaluation | None, masks: Evaluation | None, best: Evaluation | None) -> str:
    loss, lr = (fixed(end.loss), number(end.lr)) if end else ("–", "–")
    values = f"{ap(measured.ap):>6} {ap(measured.ap50):>6}" if measured else f"{'':13}" if masks else ""
    values += f" {ap(masks.ap):>6}" if masks else ""
    star = "★" if best and measured and measured.epoch == best.epoch else " "
    return f"{star}{epoch:>4} {loss:>7} {lr:>7} {values}".rstrip()


def _thinned(rows: Sequence[tuple[int, str]], best: Evaluation | None) -> tuple[list[str], int]:
    if len(rows) <= SHOWN_EPOCHS:
        return [line for _, line in rows], 0
    head, between, tail = rows[:3], rows[3 : 4 - SHOWN_EPOCHS], rows[4 - SHOWN_EPOCHS :]
    marked = [row for row in between if best and row[0] == best.epoch]
    gap = (0, "    …")
    shown = [*head, gap, *marked, *([gap] if marked else []), *tail]
    return [line for _, line in shown], len(between) - len(marked)
