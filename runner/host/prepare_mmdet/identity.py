"""The verb ``identify``: which versions and sources an environment holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from .config import collection
from .revisions import fingerprint, source_digest


def identify(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"code": folder or none} to {python, torch, mmcv, mmengine, mmdet, cuda, code, revision, fingerprint}."""
    import mmcv
    import mmdet
    import mmengine
    import torch

    versions = {"python": platform.python_version(), "torch": torch.__version__, "mmcv": mmcv.__version__}
    versions.update(mmengine=mmengine.__version__, mmdet=mmdet.__version__, cuda=torch.version.cuda)
    sources = source_digest(os.path.dirname(os.path.abspath(mmdet.__file__)))
    code, revision = collection(request.get("code") or ""), "mmdet %s (%s)" % (mmdet.__version__, sources[:8])
    return dict(versions, code=code, revision=revision, fingerprint=fingerprint(versions, sources))
