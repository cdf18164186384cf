"""What came of a retraining, and the champions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.blocks import Button, Message, actions, fitting, section
from bot.views.result import final_result
from bot.views.words import clock, code, escaped, name, person, prose
from runner.service.retraining import Champion, Retraining, Verdict
from runner.service.views import RunView

SHOWN = 20
_HEADLINES = {
    Verdict.PROMOTED: "🏆 *New champion* of {what}: `{run}`.", Verdict.KEPT: "⚖️ *The champion of {what} stays*; `{run}` was not better.",
    Verdict.FAILED: "❌ *The retraining of {what} came to nothing* (`{run}`).",
}


def retraining_card(retraining: Retraining, measured: RunView | None, champion: RunView | None) -> Message:
    """The verdict, why, and the tables of the challenger against the champion. ``measured`` and ``champion`` are their evaluations."""
    assert retraining.verdict is not None
    what = f"{name(retraining.preset)} on {name(retraining.dataset)}"
    headline = _HEADLINES[retraining.verdict].format(what=what, run=retraining.run_id)
    text = f"{headline}\n{prose(retraining.why, 600)}"
    buttons = [Button("Show", f"show {retraining.run_id}")]
    if retraining.champion_id:
        buttons.append(Button("Compare", f"compare {retraining.run_id} {retraining.champion_id}"))
    if retraining.verdict is Verdict.KEPT:
        buttons.append(Button("Promote all the same", f"promote {retraining.run_id}"))
    if retraining.verdict is Verdict.PROMOTED:
        buttons.append(Button("Roll back", f"rollback {retraining.preset} on {retraining.dataset}"))
    blocks = [section(text)]
    if measured is not None and retraining.verdict is not Verdict.FAILED:
        table = final_result(measured, parent=champion)[1]
        blocks += [block for block in table[1:] if block["type"] != "actions"]
    return text, fitting([*blocks, actions(buttons)])


def champion_list(champions: Sequence[Champion], *, zone: tzinfo) -> Message:
    """Champions, a line each; those that were withdrawn say so."""
    if not champions:
        text = "There is no champion yet. `retrain rtmdet-nano on fish` trains one; `promote r-7f3k` makes a run one."
        return text, [section(text)]
    lines = [_line(each, zone) for each in champions[:SHOWN]]
    return "\n".join(lines), fitting([section(line) for line in lines])


def _line(champion: Champion, zone: tzinfo) -> str:
    by = "by winning" if champion.by == "retraining" else f"by {person(champion.by)}"
    gone = f", withdrawn {clock(champion.withdrawn_at, zone)}" if champion.withdrawn_at else ""
    what = f"{name(champion.preset)} on {name(champion.dataset)}"
    return f"🏆 {code(champion.run_id)}  *{what}* since {clock(champion.at, zone)} {by}{gone}: {escaped(champion.why)}"
