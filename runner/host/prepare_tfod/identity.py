"""The verb ``identify``: which versions and sources an environment holds."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from typing import Any

from .errors import BadSpecError, first_line
from .revisions import fingerprint, source_digest

PROGRAMS = ("model_main_tf2.py", "exporter_main_v2.py")


def identify(request: Mapping[str, Any]) -> dict[str, Any]:
    """{"code": folder or nothing} to {python, tensorflow, code, revision, fingerprint}; the error says what is missing."""
    try:
        import object_detection
        import tensorflow as tf
        from object_detection.protos import pipeline_pb2  # noqa: F401 - not there in a checkout whose protos were never compiled
    except ImportError as error:
        remedy = "Install it, or name the folder models/research/object_detection of a checkout whose protos are compiled"
        raise BadSpecError("This Python cannot import the API: %s. %s" % (first_line(error), remedy), "python") from error
    code = request.get("code") or os.path.dirname(os.path.abspath(object_detection.__file__))
    check_code(code)
    versions = {"python": platform.python_version(), "tensorflow": tf.__version__}
    sources = source_digest(code)
    revision = "object_detection (%s), TensorFlow %s" % (sources[:8], tf.__version__)
    return dict(versions, code=code, revision=revision, fingerprint=fingerprint(versions, sources))


def check_code(code: str) -> None:
    """The folder must hold the API's programs; one above it is often named instead."""
    missing = [name for name in PROGRAMS if not os.path.isfile(os.path.join(code, name))]
    if missing:
        below = [os.path.join(code, each) for each in ("object_detection", os.path.join("research", "object_detection"))]
        nearer = next((each for each in below if os.path.isfile(os.path.join(each, PROGRAMS[0]))), "")
        hint = " Name %s instead." % nearer if nearer else " Name the folder models/research/object_detection of a checkout."
        raise BadSpecError("%s lacks %s.%s" % (code, " and ".join(missing), hint), "code")
