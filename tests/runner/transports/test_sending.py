"""Sending objects to a host whose store does not keep to its part."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from runner.entities import Host, TransportName
from runner.errors import HostError
from runner.transports import open_transport


@pytest.mark.parametrize(
    ("program", "sentence"),
    [
        ("yes", "says more than an answer about 1 objects can have"),
        ("cat >/dev/null & printf '0 0'; wait", "did not say what it lacks"),
        ("exit 127", "did not do its part .receive.: it ended with code 127"),
    ],
)
def test_a_store_that_does_not_answer_is_a_sentence_at_once(tmp_path: Path, program: str, sentence: str) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{program}\n", encoding="ascii")
    python.chmod(0o755)
    (tmp_path / "object").write_bytes(b"one")
    transport = open_transport(Host("local", TransportName.LOCAL, str(tmp_path / "root"), python=str(python)))
    began = time.monotonic()
    with pytest.raises(HostError, match=sentence):
        transport.put_objects(f"{tmp_path}/objects", [(hashlib.sha256(b"one").hexdigest(), tmp_path / "object")], timeout_s=20)
    assert time.monotonic() - began < 3
