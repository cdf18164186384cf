"""Why a line was not carried out, in a sentence that names the argument, what was expected, and the nearest line to copy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import click

from bot.answer import Answer
from bot.commands import verbs
from bot.form_table import form_of
from bot.loose_forms import article, nearest_option, option_names, subcommand
from bot.typed_text import split_like_a_shell
from bot.usage import form
from bot.verb import CommandError, UnknownNameError, nearest
from bot.views.blocks import Button, actions, quoted, section
from bot.views.words import code, escaped, sentence
from recipes.errors import DatasetError
from runner.errors import SignalboxError

_SURPLUS = re.compile(r"unexpected extra arguments? \((.*)\)")
_TEXT = "a text"
_EXAMPLE = re.compile(r"\d+[A-Za-z]")
"""What stands for a value in help and is one: ``12h``, ``20G``."""
_OFFER = re.compile(r"first: `([^`<]+)`\.?$")
"""How a message of the service ends that names the line to begin with."""


def refusal(error: Exception, words: Sequence[str]) -> Answer | None:
    """The answer for an error that a person can act on; None for any other, which is our fault."""
    message, line = in_words(error, list(words))
    if not message:
        return None
    given = refused(message, line)
    form = quoted(words) if isinstance(error, click.MissingParameter) and form_of(quoted(words)) else ""
    return replace(given, blocks=(section(given.text), actions([Button("Fill in the form", form, form=True)]))) if form else given


def refused(message: str, line: str = "") -> Answer:
    """An answer that says no, with the nearest line that works as text to copy and as a button."""
    text = escaped(sentence(message))
    if not line:
        return Answer(text, ok=False)
    shown = text if code(line) in text else f"{text}\nTry: {code(line)}"
    label = "Convert" if line.startswith("convert ") and shown is text else "Run that"
    return Answer(shown, (section(shown), actions([Button(label, line)])), ok=False)


def no_such_verb(words: Sequence[str], known: Sequence[str]) -> CommandError:
    """The error for a first word that is no command."""
    meant = nearest(words[0], known)
    if meant:
        return CommandError(f"There is no command {words[0]!r}. Did you mean `{meant}`?", line=quoted([meant, *words[1:]]))
    return CommandError(f"There is no command {words[0]!r}. `help` lists those there are.", line="help")


def in_words(error: Exception, words: list[str]) -> tuple[str, str]:
    """What is wrong with the words, and the nearest line that works; both empty where the person is not to blame."""
    match error:
        case CommandError():
            return str(error), error.line
        case UnknownNameError():
            return str(error), _with(words, error.typed, error.meant)
        case click.UsageError():
            return _usage(error, words)
        case SignalboxError() | DatasetError():
            offered = _OFFER.search(str(error))
            return str(error), offered[1] if offered else ""
    return "", ""


def _usage(error: click.UsageError, words: list[str]) -> tuple[str, str]:
    command, path = _spoken_of(words)
    options = option_names(command) if command else {}
    match error:
        case click.exceptions.NoSuchCommand():
            return _no_such_subcommand(error, command, words, path)
        case click.NoSuchOption():
            return _no_such_option(error.option_name, list(options), words, path)
        case click.BadOptionUsage():
            option = options.get(error.option_name)
            return f"`{error.option_name}` needs a value: {expected(option)}.", quoted([*words, sample(option)]) if sample(option) else ""
        case click.MissingParameter() if error.param is not None:
            return f"`{path}` needs {_missing(error.param)}: `{_form(command, path)}`. For example: `{_completed(words, path)}`.", ""
        case click.BadParameter() if error.param is not None:
            return _bad_value(error, words)
    return _too_much(error, words, command, path)


def expected(param: click.Parameter | None) -> str:
    """What a parameter takes, as the end of a sentence."""
    kind = param.type if param else None
    if isinstance(kind, click.IntRange):
        top = f" to {kind.max:,}" if kind.max is not None else ""
        return f"a whole number from {kind.min or 0:g}{top}"
    if isinstance(kind, click.FloatRange):
        return "a number above 0, such as 0.001"
    if isinstance(kind, click.Choice):
        return "one of " + ", ".join(str(choice) for choice in kind.choices)
    return _TEXT


def sample(param: click.Parameter | None) -> str:
    """A value that a parameter would take; empty for a text, which only the person knows."""
    kind = param.type if param else None
    if isinstance(kind, click.IntRange):
        return f"{max(kind.min or 0, 1):g}"
    if isinstance(kind, click.FloatRange):
        return "0.001"
    if isinstance(kind, click.Choice):
        return str(kind.choices[0])
    shown = param.metavar if isinstance(param, click.Option) else None
    return shown if shown and _EXAMPLE.fullmatch(shown) else ""


def _bad_value(error: click.BadParameter, words: list[str]) -> tuple[str, str]:
    param = error.param
    if not isinstance(param, click.Option):
        name = param.name if param else "value"
        return (f"`{name}` must be {expected(param)}. {error.message}" if sample(param) else f"`{name}`: {error.message}"), ""
    option = param.opts[0]
    typed = _typed_value(words, option)
    fixed = _with(words, typed, sample(param)) or _with(words, f"{option}={typed}", f"{option}={sample(param)}")
    fixed = fixed or _with(words, f"{option.removeprefix('--')}={typed}", f"{option.removeprefix('--')}={sample(param)}")
    if expected(param) == _TEXT:  # its own check says best what it takes
        return f"`{option}`: {error.message.rstrip('.')}.", fixed
    said = f", not {typed!r}" if typed else ""
    return f"`{option}` must be {expected(param)}{said}.", fixed


def _typed_value(words: list[str], option: str) -> str:
    bare = option.removeprefix("--")
    for place, word in enumerate(words):
        key, equals, value = word.partition("=")
        if equals and key.lower() in (option, bare):
            return value
        if word.lower() == option and place + 1 < len(words):
            return words[place + 1]
    return ""


def _no_such_option(typed: str, known: list[str], words: list[str], path: str) -> tuple[str, str]:
    meant = nearest_option(typed, known)
    if meant:
        fixed = [meant + word[len(typed) :] if word.lower() == typed or word.lower().startswith(f"{typed}=") else word for word in words]
        return f"`{path}` has no option `{typed}`. Did you mean `{meant}`?", quoted(fixed)
    has = f"Its options: {', '.join(f'`{name}`' for name in known)}." if known else "It has none."
    return f"`{path}` has no option `{typed}`. {has}", ""


def _no_such_subcommand(
    error: click.exceptions.NoSuchCommand, command: click.Command | None, words: list[str], path: str
) -> tuple[str, str]:
    known = list(command.commands) if isinstance(command, click.Group) else []
    meant = nearest(error.command_name, known)
    hint = f"Did you mean `{path} {meant}`?" if meant else "There are: " + ", ".join(f"`{path} {name}`" for name in known) + "."
    return f"`{path}` cannot {error.command_name!r}. {hint}", _with(words, error.command_name, meant)


def _completed(words: list[str], path: str) -> str:
    """What was typed, with the rest of the example that is like it: to copy and change, and nobody's wish as it stands."""
    examples = [split_like_a_shell(example) for example in verbs()[path.split(maxsplit=1)[0]].examples]
    like = next((example for example in examples if example[: len(path.split())] == path.split()), words)
    return quoted([*words, *like[len(words) :]])


def _missing(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return f"`{param.opts[0]}` ({param.help})" if param.help else f"`{param.opts[0]}`"
    return article(param)


def _too_much(error: click.UsageError, words: list[str], command: click.Command | None, path: str) -> tuple[str, str]:
    found = _SURPLUS.search(error.message)
    if found is None:
        return error.format_message(), ""
    surplus = found[1].split()
    fewer = [word for word in words if word not in surplus]
    return f"`{path}` takes no more than `{_form(command, path)}`; {found[1]!r} is too much.", quoted(fewer)


def _spoken_of(words: list[str]) -> tuple[click.Command | None, str]:
    """The command that the words name, the inner one of a group where they name one, and how it is written."""
    verb = verbs().get(words[0].lower()) if words else None
    if verb is None:
        return None, ""
    name, inner = subcommand(verb.command, words[1:])
    return (inner, f"{verb.name} {name}") if inner else (verb.command, verb.name)


def _form(command: click.Command | None, path: str) -> str:
    return form(command, path) if command else path


def _with(words: list[str], typed: str, meant: str) -> str:
    return quoted(meant if word == typed else word for word in words) if meant and typed in words else ""
