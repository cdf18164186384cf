"""Help, made from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bot.answer import Block
from bot.loose_forms import DRY_RUN, option_names
from bot.usage import forms, options
from bot.verb import Topic, Verb
from bot.views.blocks import Button, Message, actions, context, fitting, section
from bot.views.run_card import where_in_words
from bot.views.runs_in_words import title
from bot.views.states import headline, sign
from bot.views.words import escaped
from runner.service.views import RunView

SHOWN_RUNS = 5
TERMINAL_VERBS: tuple[tuple[str, str], ...] = (
    ("serve", "Start the bot and the runner, and either again when it ends."),
    ("bot", "Start the bot alone."),
    ("runner", "Start the runner alone."),
    ("demo", "Play the whole story on this machine, without a Slack account."),
    ("init", "Write a settings file to begin with."),
)


def all_help(verbs: Iterable[Verb], mine: Sequence[RunView], *, terminal: bool, set_up: str) -> Message:
    """The commands by topic, a line each, the asker's own live runs, and in a sentence how this installation is ``set_up``."""
    known = list(verbs)
    heading = "*Signalbox* trains object detectors on your GPU servers."
    begin = "`run rtmdet-nano on fish` trains, `help run` tells all about one command."
    parts = [f"*{topic.value}*\n{_lines(known, topic)}" for topic in Topic if any(verb.topic is topic for verb in known)]
    if terminal:
        parts.append(f"*{Topic.TERMINAL.value}*\n" + "\n".join(f"`{verb}`  {words}" for verb, words in TERMINAL_VERBS))
    own = [f"{sign(view.run)} `{view.run.id}`  {title(view.run)}: {_where(view)}" for view in mine[:SHOWN_RUNS]]
    runs = "*Your runs*\n" + "\n".join(own) if own else ""
    chosen = [part for part in (runs, *parts) if part]
    blocks: list[Block] = [section(f"{heading}\n{begin}"), *(section(part) for part in chosen), context(set_up)]
    if mine:
        blocks.append(actions([Button(view.run.id, f"show {view.run.id}") for view in mine[:SHOWN_RUNS]]))
    return "\n\n".join([f"{heading}\n{begin}", *chosen, set_up]), fitting(blocks)


def one_help(verb: Verb) -> Message:
    """One command: what it does, its forms, options with their defaults, and examples."""
    lines = [f"*{verb.name}*: {escaped(_short(verb))}", *(f"`{escaped(form)}`" for form in forms(verb.command))]
    raw = ["`-- …`  raw framework options, passed on as they are (operators)"] if verb.takes_raw else []
    raw += [f"`{DRY_RUN}`  only say what would happen"] if verb.changes and DRY_RUN not in option_names(verb.command) else []
    explained = [f"`{escaped(option)}`  {escaped(words)}" for option, words in options(verb.command)] + raw
    subs = _inside(verb)
    examples = "For example:\n" + "\n".join(f"`{escaped(example)}`" for example in verb.examples)
    parts = ["\n".join(lines), *(["\n".join(subs)] if subs else []), *(["\n".join(explained)] if explained else []), examples]
    return "\n\n".join(parts), fitting([section("\n".join(lines)), *(section(part) for part in parts[1:-1]), context(examples)])


def _lines(verbs: Sequence[Verb], topic: Topic) -> str:
    return "\n".join(f"`{verb.name}`  {escaped(_short(verb))}" for verb in verbs if verb.topic is topic)


def _short(verb: Verb) -> str:
    return (verb.command.help or "").strip()


def _inside(verb: Verb) -> list[str]:
    inner = getattr(verb.command, "commands", {})
    return [f"`{verb.name} {name}`  {escaped(command.help or '')}" for name, command in inner.items()]


def _where(view: RunView) -> str:
    return ", ".join(part for part in (headline(view.run).lower(), where_in_words(view)) if part)
