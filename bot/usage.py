"""How commands are used, in words made from the commands themselves, so that help cannot be wrong."""

from __future__ import annotations

import click


def forms(command: click.Command) -> list[str]:
    """Every form of a command, a line each: ``run <preset> on <dataset> [--gpus N]``."""
    name = command.name or ""
    if not isinstance(command, click.Group):
        return [form(command, name)]
    bare = [name] if command.invoke_without_command else []
    return bare + [form(inner, f"{name} {inner.name}") for inner in command.commands.values()]


def form(command: click.Command, path: str) -> str:
    """One form of one command."""
    words = [_word(param) for param in command.params]
    return " ".join([path, *words])


def options(command: click.Command) -> list[tuple[str, str]]:
    """(option, what it does and its default) of a command and of the commands inside it."""
    found = [(_written(param), _explained(param)) for param in command.params if isinstance(param, click.Option)]
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            found += [(option, words) for option, words in options(inner) if (option, words) not in found]
    return found


def _word(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return _written(param) if param.required else f"[{_written(param)}]"
    shown = param.metavar or f"<{(param.name or '').replace('_', ' ')}>"
    return shown if param.required else f"[{shown}]"


def _written(param: click.Option) -> str:
    value = "" if param.is_flag else f" {param.metavar or 'TEXT'}"
    return f"{param.opts[0]}{value}"


def _explained(param: click.Option) -> str:
    default = param.show_default if isinstance(param.show_default, str) else _default(param)
    words = (param.help or "").rstrip(".")
    return f"{words} (default: {default})" if default else words


def _default(param: click.Option) -> str:
    value = param.default
    return "" if param.is_flag or value is None or not isinstance(value, str | int | float) else str(value)
