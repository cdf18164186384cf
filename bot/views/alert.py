"""A failure, for whoever has to do something about it."""

from __future__ import annotations

from datetime import tzinfo

from bot.answer import Block
from bot.views.blocks import Message, actions, context, fitting, section
from bot.views.run_card import where_in_words
from bot.views.runs_in_words import remedies, title
from bot.views.states import REASONS, explanation
from bot.views.words import clock, code_block, duration, is_member, name, person, prose, sentence
from runner.service.views import RunView

TAIL_LINES = 12


def failure_alert(view: RunView, *, zone: tzinfo) -> Message:
    """Cause, last lines of the log, what to do, and buttons that do it; mentions the owner, once."""
    run = view.run
    cause = sentence(prose(view.diagnosis.sentence if view.diagnosis else explanation(run), 900))
    mention = f"{person(run.owner)} " if is_member(run.owner) else ""
    top = f"🔴 {mention}*{title(run)}* failed: {REASONS[run.reason][0].removeprefix('Failed: ')}  `{run.id}`"
    tail = view.diagnosis.tail[-TAIL_LINES:] if view.diagnosis else ()
    remedy = f"*What to do:* {sentence(prose(view.diagnosis.remedy, 900))}" if view.diagnosis and view.diagnosis.remedy else ""
    logged = code_block("\n".join(tail), 1800) if any(line.strip() for line in tail) else ""
    blocks: list[Block] = [section(f"{top}\n{cause}")]
    blocks += [section(logged)] if logged else []
    blocks += [section(remedy)] if remedy else []
    small = _small_print(view, zone)
    row = remedies(view)
    blocks += [context(small)] if small else []
    blocks += [actions(row)] if row else []
    text = "\n".join(part for part in (f"{top}\n{cause}", logged, remedy, small) if part)
    return text, fitting(blocks)


def _small_print(view: RunView, zone: tzinfo) -> str:
    run = view.run
    place = f"on {' and '.join(map(name, view.hosts))}" if view.hosts else ""
    where = where_in_words(view)
    attempt = f"attempt {run.attempt}" if run.attempt > 1 else ""
    spent = f"after {duration(run.ended_at - run.started_at)}" if run.ended_at and run.started_at else ""
    ended = f"at {clock(run.ended_at, zone)}" if run.ended_at else ""
    return " · ".join(part for part in (place, where, attempt, spent, ended) if part)
