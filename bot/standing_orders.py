"""What `schedule` and `trigger` have in common: their line is checked when it is typed, and both are paused, resumed and removed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from bot.answer import Answer
from bot.loose_forms import subcommand
from bot.names import asking_of
from bot.verb import Asking, CommandError, UnknownNameError
from bot.views.blocks import Button, actions, quoted, section
from bot.views.words import code
from bot.views.words import name as shown
from runner.service import standing_orders
from runner.service.standing_orders import Book, StandingOrder

AS_TYPED = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""What follows is a command line of its own."""


def group(book: Book[Any], help_: str, *, listed: Callable[[Asking], Answer], resume: Callable[[Asking, str], Answer]) -> click.Group:
    """The command of a book with its list, pause, resume and remove; each adds its own."""
    noun = book.noun

    @click.pass_context
    def bare(context: click.Context) -> Answer | None:
        return None if context.invoked_subcommand else listed(context.obj)

    @click.pass_obj
    def pause(asking: Asking, order: str) -> Answer:
        paused = standing_orders.pause(asking.house, asking.who, book, order)
        return Answer(f"{code(paused.id)} is paused. {code(f'{noun} resume {paused.id}')} lets it fire again.")

    @click.pass_obj
    def remove(asking: Asking, order: str, *, yes: bool) -> Answer:
        found = standing_orders.own(asking.house, asking.who, book, order, "remove")
        does = f"{shown(found.words)} → {code(found.command)}"
        if yes:
            standing_orders.remove(asking.house, asking.who, book, found.id)
            return Answer(f"{code(found.id)} is forgotten; it was {does}.")
        text = f"Remove {code(found.id)}, {does}? It fires no more, and what it did and when is forgotten. Its runs stay."
        buttons = [
            Button("Remove it", f"{noun} remove {found.id} --yes", "danger"), Button("Only pause it", f"{noun} pause {found.id}"),
        ]  # fmt: skip
        return Answer(text, (section(text), actions(buttons)))

    verbs: Sequence[tuple[str, Callable[..., Answer], list[click.Parameter], str]] = (
        ("list", click.pass_obj(listed), [], f"Every {noun}, with what it does next or did last."),
        ("pause", pause, [known(book)], f"Stop a {noun} from firing, for now."),
        ("resume", click.pass_obj(resume), [known(book)], f"Let a paused {noun} fire again."),
        ("remove", remove, [known(book), click.Option(["--yes"], is_flag=True, help="remove without asking first")], f"Forget a {noun}."),
    )
    commands = [click.Command(name, callback=callback, params=params, help=line) for name, callback, params, line in verbs]
    return click.Group(noun, commands, callback=bare, help=help_, invoke_without_command=True)


def known(book: Book[Any]) -> click.Argument:
    """The argument that is the id of one, with or without its letter."""

    def check(context: click.Context, _param: click.Parameter, value: str) -> str:
        ids = standing_orders.ids(asking_of(context).house, book)
        if book.full_id(value) not in ids:
            raise UnknownNameError(book.noun, value, ids, none_yet=f"`{book.noun} add` adds the first.")
        return book.full_id(value)

    return click.Argument(["order"], metavar=f"<{book.noun}>", callback=check)


def line_of(asking: Asking, command: Sequence[str], *, before: Sequence[str], names: Sequence[str] = ()) -> str:
    """The line that is kept. What cannot be carried out is refused now, not at 02:30; only what ``{…}`` of ``names`` stands for is known
    later. ``before`` are the words before it, for the nearest line that works."""
    from bot.grammar import parsed  # the grammar finds the commands, of which this is part
    from bot.refusals import in_words
    from bot.typed_text import split_like_a_shell

    line = command[0] if len(command) == 1 else quoted(command)
    words = split_like_a_shell(line)
    try:
        inner = parsed(words)
        _must_work(inner.verb.command, list(inner.arguments), Asking(asking.house, asking.who, inner.raw), line)
    except (click.UsageError, CommandError, UnknownNameError) as error:
        why, better = in_words(error, words)
        if isinstance(error, click.UsageError) or not any(f"{{{name}}}" in why for name in names):
            raise CommandError(why, line=better and quoted([*before, *split_like_a_shell(better)])) from error
    return line


def _must_work(command: click.Command, arguments: list[str], asking: Asking, line: str) -> None:
    _, inner = subcommand(command, arguments)
    if inner is not None:
        _must_work(inner, arguments[1:], asking, line)
        return
    if any(param.name == "yes" for param in command.params) and "--yes" not in arguments:
        raise CommandError("It asks before it does that, and nobody will be there to answer.", line=f"{line} --yes")
    with command.make_context(command.name, list(arguments), obj=asking, help_option_names=[]) as context:
        if isinstance(command, click.Group) and arguments:
            command.resolve_command(context, arguments)  # says which there are


def added(book: Book[Any], order: StandingOrder, text: str) -> Answer:
    """The answer to one that was added."""
    row = actions([Button("Pause", f"{book.noun} pause {order.id}"), Button("Remove", f"{book.noun} remove {order.id}")])
    return Answer(text, (section(text), row))
