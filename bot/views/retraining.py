"""What came of a retraining, and the champions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from bot.views.blocks import Button, Message, actions, context, fitting, section
from bot.views.result import final_result
from bot.views.runs_in_words import origin
from bot.views.words import clock, code, escaped, name, person, prose
from runner.service.retraining import Champion, Retraining, Verdict
from runner.service.views import RunView
from runner.specs import TrainSpec

SHOWN = 20
_HEADLINES = {
    Verdict.PROMOTED: "🏆 *New champion of {what}:* `{run}`{instead}.", Verdict.KEPT: "⚖️ *The champion of {what} stays{who}*, not `{run}`.",
    Verdict.FAILED: "❌ *The retraining of {what} came to nothing* (`{run}`).{stays}",
}


def retraining_card(retraining: Retraining, trained: RunView, measured: RunView | None, champion: RunView | None) -> Message:
    """The verdict, why, and the tables of the challenger against the champion. ``measured`` and ``champion`` are their evaluations."""
    assert retraining.verdict is not None
    what, holder = f"{name(retraining.preset)} on {name(retraining.dataset)}", retraining.champion_id
    headline = _HEADLINES[retraining.verdict].format(
        what=what, run=retraining.run_id, who=f": `{holder}`" if holder else "", instead=f", in place of `{holder}`" if holder else "",
        stays=f" The champion `{holder}` stays." if holder else "",
    )
    text = "\n".join([headline, prose(retraining.why, 600), *_next(retraining, trained)])
    buttons = [Button("Show", f"show {retraining.run_id}")]
    if retraining.verdict is Verdict.FAILED:
        buttons.append(Button("Log", f"log {retraining.run_id}"))
    elif retraining.champion_id:
        buttons.append(Button("Compare", f"compare {retraining.run_id} {retraining.champion_id}"))
    if retraining.verdict is Verdict.KEPT:
        buttons.append(Button("Promote all the same", f"promote {retraining.run_id}"))
    if retraining.verdict is Verdict.PROMOTED:
        buttons.append(Button("Roll back", f"rollback {retraining.preset} on {retraining.dataset}"))
    blocks = [section(text)]
    if measured is not None and retraining.verdict is not Verdict.FAILED:
        blocks += [block for block in final_result(measured, parent=champion)[1][1:] if block["type"] == "section"]
    blocks.append(context(_small_print(retraining, trained)))
    return text, fitting([*blocks, actions(buttons)])


def _next(retraining: Retraining, trained: RunView) -> list[str]:
    """What follows of it, or what is to be done."""
    if retraining.export_id:
        return [f"It is being published as the preset {code(retraining.publish or '')} (`{retraining.export_id}`)."]
    if retraining.verdict is Verdict.FAILED and trained.diagnosis:
        return [f"*What to do:* {prose(trained.diagnosis.remedy, 400)}"]
    return []


def _small_print(retraining: Retraining, trained: RunView) -> str:
    """What it was made from, and what the table says."""
    dataset = f"trained on {name(str(trained.run.spec.dataset))}" if isinstance(trained.run.spec, TrainSpec) else ""
    against = f", changes against `{retraining.champion_id}`" if retraining.champion_id else ""
    measured = f"measured on {name(retraining.test)} {name(retraining.split or '')}{against}" if retraining.eval_id else ""
    return " · ".join(part for part in (dataset, origin(trained.run), measured) if part)


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
