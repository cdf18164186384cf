"""The morning digest of a place."""

from __future__ import annotations

from datetime import tzinfo

from bot.views.blocks import Message, fitting, section
from bot.views.runs_in_words import title
from bot.views.states import REASONS
from bot.views.words import ap, clock, code, count
from runner.service.digests import Digest, Measured

_SHOWN = 15


def digest_page(found: Digest, *, zone: tzinfo) -> Message | None:
    """What ran, how mAP changed, GPU-hours and failures; None where nothing ran. Nobody is mentioned."""
    if not found.ended and not found.running:
        return None
    heading = f"☀️ *The day until {clock(found.until, zone)}*"
    at_work = f", {len(found.running)} at work" if found.running else ""
    totals = f"{count(len(found.ended), 'run')} ended{at_work}, {found.gpu_hours:,.1f} GPU-hours, {count(len(found.failed), 'failure')}"
    parts = [
        f"{heading}\n{totals}.",
        _listed("*Trained*", [_measured(each) for each in sorted(found.measured, key=lambda each: -each.ap)]),
        _listed("*Failed*", [f"🔴 {title(run)} {code(run.id)}: {REASONS[run.reason][0].lower()}" for run in found.failed]),
        _listed("*At work*", [f"🟢 {title(run)} {code(run.id)}" for run in found.running]),
    ]
    said = [part for part in parts if part]
    return "\n".join(said), fitting([section(part) for part in said])


def _measured(each: Measured) -> str:
    change = "" if each.before is None else f" ({each.ap - each.before:+.3f} against the best before)"
    return f"• {title(each.run)} {code(each.run.id)}: mAP {ap(each.ap)}{change}"


def _listed(heading: str, lines: list[str]) -> str:
    more = [f"… and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([heading, *lines[:_SHOWN], *more]) if lines else ""
