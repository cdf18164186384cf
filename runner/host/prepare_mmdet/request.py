"""The shape of a request: which keys it must and may hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import BadSpecError, did_you_mean

# By path: (required keys, optional keys).
SCHEMA = {
    "": ({"spec", "dataset", "checkpoints", "folder"}, {"code_folder", "lr", "code", "trained", "trained_classes"}),
    "spec": ({"preset", "dataset"}, {"kind", "overrides", "start", "gpus", "host", "devices"}),
    "spec.preset": (
        {"name", "config", "epochs", "batch", "lr"},
        {"framework", "description", "environment", "eval_every", "seed", "gpus", "start", "code", "imports", "options"},
    ),
    "spec.dataset": ({"name", "version"}, {"fingerprint", "format"}),
    "spec.overrides": (set(), {"epochs", "lr", "batch", "eval_every", "keep", "distributed", "options"}),
    "spec.start": (set(), {"mode", "run_id", "checkpoint", "at_epoch"}),
    "dataset": ({"classes", "splits", "images"}, {"name", "format", "unmasked"}),
}
# What is done with a trained model asks for that run's config and classes, and may need no dataset.
USING_SCHEMA = {
    "": ({"spec", "checkpoints", "folder", "trained", "trained_classes"}, {"dataset", "code_folder", "lr", "code"}),
    "spec": (
        {"kind", "preset", "model", "trained_on"},
        {"dataset", "split", "files", "overrides", "gpus", "host", "devices", "results", "score", "publish_as"},
    ),
    "spec.preset": SCHEMA["spec.preset"],
    "spec.overrides": SCHEMA["spec.overrides"],
    "spec.model": SCHEMA["spec.start"],
}


def check_request(request: dict[str, Any], schema: Mapping[str, tuple[set[str], set[str]]] = SCHEMA) -> None:
    """Refuse unknown and missing keys at every level that is ours."""
    for path, (required, optional) in schema.items():
        part = request
        for key in filter(None, path.split(".")):
            part = part.get(key, {})
        if not isinstance(part, dict):
            raise BadSpecError("The request's %s is not an object." % (path or "body"), path)
        for key in sorted(set(part) - required - optional):
            raise BadSpecError("The request holds an unknown key %r%s." % (key, did_you_mean(key, required | optional)), path)
        for key in sorted(required - set(part)):
            raise BadSpecError("The request lacks the key %r." % key, path)
