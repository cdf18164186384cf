from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import UnreachableError
from runner.evidence import ClaimSeen, Evidence, ExitSeen, Heartbeat, LogBytes, Queued, Unstarted, Vanished
from runner.frames import FrameReader, Note

LOG = b'{"a": 1}\n\x00\xff'


def frame(kind: str, body: bytes = b"", **header: object) -> bytes:
    return json.dumps({"frame": kind, "length": len(body), **header}).encode() + b"\n" + body


STREAM = (
    frame("heartbeat", host_time=1700000000.5)
    + frame("claim", directory="/r/1", text="abc:1:2:b")
    + frame("log", LOG, directory="/r/1", offset=0, generation=0, inode=7, grown_at=1.0)
    + frame("exit", directory="/r/1", code=137, ended_at=2, oom_kills=1, log_offset=5, log_generation=1)
    + frame("note", directory="", text="hm")
    + frame("queued", directory="/r/3", job="12", state="PENDING", reason="Resources")
    + frame("unstarted", directory="/r/3", job="12", state="FAILED", reason="NonZeroExitCode")
    + frame("vanished", directory="/r/2", a_later_version="says more")
)
WANTED: list[Evidence | Note] = [
    Heartbeat("gpu-1", datetime.fromtimestamp(1700000000.5, UTC)),
    ClaimSeen("gpu-1", "/r/1", "abc:1:2:b"),
    LogBytes("gpu-1", "/r/1", 0, 0, LOG, datetime.fromtimestamp(1, UTC), 7),
    ExitSeen("gpu-1", "/r/1", 137, datetime.fromtimestamp(2, UTC), 1, 5, 1),
    Note(frame="note", length=0, directory="", text="hm"),
    Queued("gpu-1", "/r/3", "12", "PENDING", "Resources"),
    Unstarted("gpu-1", "/r/3", "12", "FAILED", "NonZeroExitCode"),
    Vanished("gpu-1", "/r/2"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_frames_are_read_from_any_pieces(cuts: list[int]) -> None:
    reader = FrameReader("gpu-1")
    edges = [0, *sorted(cuts), len(STREAM)]
    found = [evidence for begin, end in itertools.pairwise(edges) for evidence in reader.feed(STREAM[begin:end])]
    assert found == WANTED


@pytest.mark.parametrize(
    "data",
    [
        b"Last login: yesterday\n",
        b"x" * 70_000,
        b'{"frame": "log", "length": 99999999999, "directory": "/r/1", "offset": 0, "generation": 0, "inode": 0, "grown_at": 0}\n',
        b'{"frame": "heartbeat", "length": -1, "host_time": 0}\n',
        b'{"frame": "heartbeat", "length": 0, "host_time": 1e300}\n',
        b'{"frame": "heartbeat", "length": 0, "host_time": "NaN"}\n',
        b'{"frame": "exit", "length": 0, "directory": "/r", "code": 999999999999999999999, "ended_at": 0}\n',
        b'{"frame": "surprise", "length": 0}\n',
        b"[" * 60_000 + b"\n",
        b"\xff\xfe\n",
    ],
)
def test_anything_else_is_refused_in_a_sentence(data: bytes) -> None:
    with pytest.raises(UnreachableError, match=r"gpu-1 sends .*"):
        FrameReader("gpu-1").feed(data)
