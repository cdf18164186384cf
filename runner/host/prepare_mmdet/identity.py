"""The verb ``identify``: which versions and sources an environment holds."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from typing import Any

from .config import collection


def identify(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"code": folder or none} to {python, torch, mmcv, mmengine, mmdet, cuda, code, revision, fingerprint}."""
    import mmcv
    import mmdet
    import mmengine
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "mmcv": mmcv.__version__}
    versions.update(mmengine=mmengine.__version__, mmdet=mmdet.__version__, cuda=torch.version.cuda)
    sources = source_digest(os.path.dirname(os.path.abspath(mmdet.__file__)))
    fingerprint = hashlib.sha256((json.dumps(versions, sort_keys=True) + sources).encode()).hexdigest()[:16]
    code, revision = collection(request.get("code") or ""), "mmdet %s (%s)" % (mmdet.__version__, sources[:8])
    return dict(versions, code=code, revision=revision, fingerprint=fingerprint)


def source_digest(root: str) -> str:
    """A sha256 over every Python file below a folder: an edited installation is another revision."""
    digest = hashlib.sha256()
    for at, folders, files in os.walk(root):
        folders.sort()
        for name in sorted(name for name in files if name.endswith(".py")):
            path = os.path.join(at, name)
            digest.update(os.path.relpath(path, root).encode() + b"\0")
            with open(path, "rb") as file:
                digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()
