"""The weights that parts of a model begin with (``init_cfg`` of type Pretrained), which a training loads when it starts.

They are loaded while preparing, so that a host without the internet refuses at once and a GPU never waits for a download.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from .errors import BadSpecError, first_line

if TYPE_CHECKING:
    from mmengine.config import Config

SILENCE_S = 20.0
TABLES = {"torchvision": "torchvision_0.12.json", "open-mmlab": "openmmlab.json", "openmmlab": "openmmlab.json"}


def pretrained_parts(node: Any, path: str = "model") -> Iterator[tuple[str, dict[str, Any]]]:
    """(dotted path, part) of every part of a model that begins with weights from a file."""
    if isinstance(node, dict) and isinstance(node.get("init_cfg"), dict) and node["init_cfg"].get("type") == "Pretrained":
        yield path, node
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(value, (dict, list, tuple)) and key != "init_cfg":
            yield from pretrained_parts(value, "%s.%s" % (path, key))


def leave_out(cfg: Config, *, unless: Iterable[str] = ()) -> None:
    """A checkpoint holds these weights already: nothing is loaded for a part, unless one of its parameters is named."""
    needed = ["model." + name for name in unless]
    for path, part in list(pretrained_parts(cfg.model)):
        if not any(name.startswith(path + ".") for name in needed):
            part["init_cfg"] = None


def load_pretrained(cfg: Config) -> list[str]:
    """Load each file once, so that it is known to be there; returns sentences for people. BadSpecError where the host cannot."""
    from mmengine.runner.checkpoint import CheckpointLoader

    notes, before = [], socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_S)
    try:
        for path, part in pretrained_parts(cfg.model):
            source = part["init_cfg"]["checkpoint"] = web_address(part["init_cfg"]["checkpoint"])
            try:
                CheckpointLoader.load_checkpoint(source, map_location="cpu")
            except (Exception, SystemExit) as error:
                raise BadSpecError(advice(path, source, first_line(error)), "%s.init_cfg" % path) from error
            notes.append("%s begins with the weights %s." % (path, os.path.basename(source)))
    finally:
        socket.setdefaulttimeout(before)
    return notes


def web_address(source: str) -> str:
    """What ``torchvision://resnet50`` and ``open-mmlab://…`` stand for, as mmengine's own tables say (mmengine/hub).

    The first of them mmengine itself reads only where torchvision is.
    """
    import mmengine

    scheme, _, name = source.partition("://")
    if scheme not in TABLES:
        return source
    table = mmengine.load(os.path.join(os.path.dirname(mmengine.__file__), "hub", TABLES[scheme]))
    found = table.get(name) or source
    return str(found) if found.startswith(("http://", "https://")) else source


def advice(path: str, source: str, why: str) -> str:
    """What to do where weights cannot be had."""
    import torch

    ways = ["name a start checkpoint in the preset (start: ...)", "train from random weights with -- %s.init_cfg=None" % path]
    if source.startswith(("http://", "https://")):
        cached = os.path.join(torch.hub.get_dir(), "checkpoints", os.path.basename(urlparse(source).path))
        ways.insert(0, "put the file at %s there" % cached)
    return "%s begins with the weights %s, which cannot be loaded on this host (%s): %s." % (path, source, why, ", or ".join(ways))
