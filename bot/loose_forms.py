"""Loose forms made strict: ``on fish``, ``as NAME``, ``gpus=2``, ``--GPUS=2`` become what click reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import click

from bot.verb import CommandError, Verb, nearest
from bot.views.blocks import quoted

DRY_RUN = "--dry-run"
_ASSIGNS = re.compile(r"[\w.-]*=(?!.*://)")
_HELP = frozenset({"--help", "-h", "-?"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line ready for click: the verb, its arguments, and the raw framework options that came after ``--``.

    ``dry``: only what would happen is wanted, of a command that does not itself know ``--dry-run``.
    """

    verb: Verb
    arguments: tuple[str, ...]
    raw: tuple[str, ...] = ()
    dry: bool = False


def arranged(verb: Verb, words: Sequence[str]) -> Line:
    """The words after the verb, made strict; CommandError for a key that is no option, or for raw options where none are taken."""
    path, command, rest = _innermost(verb.command, list(words))
    dry, rest = _without_dry_run(verb, command, rest)
    if holds_a_line(command):
        return Line(verb, (*path, *rest), dry=dry)
    before, raw = _without_raw(rest)
    if raw and not verb.takes_raw:
        raise CommandError(f"`{verb.name}` takes no raw framework options (those after `--`).", line=quoted([verb.name, *path, *before]))
    return Line(verb, (*path, *_strict(verb, path, command, before)), tuple(raw), dry)


def option_names(command: click.Command) -> dict[str, click.Option]:
    """Every way to write an option of the command, with the option."""
    return {name: param for param in command.params if isinstance(param, click.Option) for name in param.opts}


def nearest_option(typed: str, known: Iterable[str]) -> str:
    """The long option that was most likely meant, with its dashes; empty where none is near."""
    meant = nearest(typed.lstrip("-"), [name.removeprefix("--") for name in known if name.startswith("--")])
    return f"--{meant}" if meant else ""


def asks_for_help(verb: Verb, words: Sequence[str]) -> bool:
    """Whether ``--help`` is among the words after the verb, and is not a raw option or part of a line inside this one."""
    _, command, rest = _innermost(verb.command, list(words))
    return not holds_a_line(command) and bool(_HELP.intersection(_without_raw(rest)[0]))


def holds_a_line(command: click.Command) -> bool:
    """Whether the arguments are a command line of their own, which is left as it was typed."""
    return command.context_settings.get("allow_interspersed_args") is False


def subcommand(command: click.Command, words: Sequence[str]) -> tuple[str, click.Command | None]:
    """The command inside a group that the first word names, and its name; None where it is no such word."""
    name = words[0].lower() if words else ""
    found = command.commands.get(name) if isinstance(command, click.Group) else None
    return name, found


def _innermost(command: click.Command, words: list[str]) -> tuple[list[str], click.Command, list[str]]:
    name, inner = subcommand(command, words)
    return ([name], inner, words[1:]) if inner else ([], command, words)


def _without_raw(words: list[str]) -> tuple[list[str], list[str]]:
    place = words.index("--") if "--" in words else len(words)
    return words[:place], words[place + 1 :]


def _without_dry_run(verb: Verb, command: click.Command, words: list[str]) -> tuple[bool, list[str]]:
    """Whether ``--dry-run`` is said to Signalbox, and the other words. Of a line inside this one it is that line's."""
    if not verb.changes or DRY_RUN in option_names(command):
        return False, words
    before = words[:1] if holds_a_line(command) else _without_raw(words)[0]
    kept = [word for word in before if word.lower() != DRY_RUN]
    return len(kept) < len(before), [*kept, *words[len(before) :]]


def _strict(verb: Verb, path: list[str], command: click.Command, words: list[str]) -> list[str]:
    options = option_names(command)
    strict: list[str] = []
    for place, word in enumerate(words):
        if strict and _waits_for_value(options, strict[-1]):
            strict.append(word)
        elif word.startswith("--"):
            option, equals, value = word.partition("=")
            strict.append(option.lower() + equals + value)
        elif word.lower() in verb.words:
            strict += _meaning(verb, command, words, place)
        elif _ASSIGNS.match(word):
            strict += _assignment(verb, [verb.name, *path, *words], word, command)
        else:
            strict.append(word)
    return strict


def _waits_for_value(options: dict[str, click.Option], word: str) -> bool:
    option = options.get(word)
    return option is not None and not option.is_flag


def _takes_parameters(command: click.Command) -> bool:
    return any(param.nargs == -1 for param in command.params)


def _assignment(verb: Verb, line: list[str], word: str, command: click.Command) -> list[str]:
    options = option_names(command)
    key, _, value = word.partition("=")
    if f"--{key.lower()}" in options:
        return [f"--{key.lower()}", value]
    if _takes_parameters(command):
        return [word]
    raise _no_such_key(verb, line, word, options)


def _meaning(verb: Verb, command: click.Command, words: list[str], place: int) -> list[str]:
    if place == 0:
        first = next(param for param in command.params if isinstance(param, click.Argument))
        raise CommandError(f"`{verb.name}` needs {article(first)} before {words[0]!r}.", line=verb.examples[0])
    option = verb.words[words[place].lower()]
    return [option] if option else []


def _no_such_key(verb: Verb, line: list[str], word: str, options: dict[str, click.Option]) -> CommandError:
    key, _, value = word.partition("=")
    meant = nearest_option(key, options)
    known = ", ".join(f"`{name.removeprefix('--')}=`" for name in options if name.startswith("--")) or "none"
    hint = f"Did you mean `{meant.removeprefix('--')}={value}`?" if meant else f"It has: {known}."
    fixed = [f"{meant.removeprefix('--')}={value}" if each == word else each for each in line] if meant else []
    return CommandError(f"`{verb.name}` has no option `{key}`. {hint}", line=quoted(fixed))


def article(param: click.Parameter) -> str:
    """``a preset``, ``an id``: how a sentence speaks of a parameter."""
    noun = (param.name or "value").replace("_", " ")
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"
