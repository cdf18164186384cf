"""Which commands have a form, and which of their parameters it asks for. Types, bounds, defaults and help are click's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import click

from bot.commands import verbs
from bot.loose_forms import subcommand


@dataclass(frozen=True, slots=True)
class Form:
    """A dialog for one command. ``path`` is how the command is typed, ``fields`` the parameters it shows, ``act`` the last button."""

    path: str
    title: str
    act: str
    fields: tuple[str, ...]

    @property
    def command(self) -> click.Command:
        """The command that it fills in."""
        verb, *inner = self.path.split()
        return subcommand(verbs()[verb].command, inner)[1] or verbs()[verb].command

    @property
    def parameters(self) -> list[click.Parameter]:
        """What it asks for, in its order."""
        known = {param.name: param for param in self.command.params}
        return [known[name] for name in self.fields]


FORMS: Mapping[str, Form] = {form.path: form for form in (
    Form("run", "Train", "Train it", ("preset", "dataset", "epochs", "lr", "batch", "gpus", "host", "eval_every", "limit", "after")),
    Form("finetune", "Fine-tune", "Fine-tune it", ("model", "dataset", "checkpoint", "epochs", "lr", "batch", "gpus", "limit")),
    Form("resume", "Resume", "Resume it", ("run", "checkpoint", "epochs", "lr")),
    Form("predict", "Predict with…", "Predict it", ("run", "dataset", "split", "checkpoint", "score")),
    Form("convert", "Convert a dataset", "Convert it", ("dataset", "recipe", "name", "parameters")),
    Form("data add", "Import a dataset", "Import it", ("name", "source", "format_name", "sha256")),
    Form("schedule add", "Schedule a command", "Schedule it", ("when", "command")),
    Form("rules set", "Alert rule", "Change it", ("name", "when", "numbers", "for_", "severity", "state", "means", "do")),
    Form("silence", "Silence alerts", "Silence them", ("what", "lasts", "reason")),
    Form("trigger add", "Add a trigger", "Add it", ("when", "command", "cooldown")),
)}  # fmt: skip


def form_of(line: str) -> Form | None:
    """The form that a line belongs to, by its first words."""
    words = line.split()
    return FORMS.get(" ".join(words[:2])) or FORMS.get(" ".join(words[:1]))
