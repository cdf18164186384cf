"""The watch stream's bytes as evidence. A host is an outsider: every frame is checked before it becomes a value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from runner.errors import UnreachableError
from runner.evidence import (
    ClaimSeen,
    Connected,
    DeviceUse,
    DirectoryGone,
    Evidence,
    ExitSeen,
    Heartbeat,
    Identity,
    LogBytes,
    Programs,
    Queued,
    Resources,
    Unstarted,
    Vanished,
)

HEADER_BYTES = 64 * 1024
BODY_BYTES = 1024 * 1024
Seconds = Annotated[float, Field(ge=0, le=32_503_680_000, allow_inf_nan=False)]
Text = Annotated[str, Field(max_length=4096)]
Count = Annotated[int, Field(ge=0, le=2**62)]


class _Frame(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    length: Annotated[int, Field(ge=0, le=BODY_BYTES)]


class _Connected(_Frame):
    frame: Literal["connected"]
    machine_id: Text
    host_name: Text
    boot_id: Text
    user: Text
    python: Text


class _Heartbeat(_Frame):
    frame: Literal["heartbeat"]
    host_time: Seconds


class _Claim(_Frame):
    frame: Literal["claim"]
    directory: Text
    text: Text


class _Log(_Frame):
    frame: Literal["log"]
    directory: Text
    offset: Count
    generation: Count
    inode: Count
    grown_at: Seconds


class _Exit(_Frame):
    frame: Literal["exit"]
    directory: Text
    code: Annotated[int, Field(ge=0, le=255)]
    ended_at: Seconds
    oom_kills: Count | None = None
    log_offset: Count = 0
    log_generation: Count = 0
    left: Count | None = None


class _Vanished(_Frame):
    frame: Literal["vanished"]
    directory: Text
    oom_kills: Count | None = None
    log_offset: Count = 0
    log_generation: Count = 0


class _OfSlurm(_Frame):
    directory: Text
    job: Text
    state: Text
    reason: Text


class _Queued(_OfSlurm):
    frame: Literal["queued"]


class _Unstarted(_OfSlurm):
    frame: Literal["unstarted"]


class _Gone(_Frame):
    frame: Literal["gone"]
    directory: Text


class _Programs(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    user: Text
    attempt: Text
    used_mib: Count


class _Device(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")
    uuid: Text
    index: Count
    name: Text
    memory_mib: Count
    used_mib: Count
    utilization_percent: int | None
    temperature_c: int | None
    broken: Text = ""
    processes: Annotated[list[_Programs], Field(max_length=64)] | None = None


class _Resources(_Frame):
    frame: Literal["resources"]
    devices: Annotated[list[_Device], Field(max_length=256)] | None
    disk_free_bytes: Count
    disk_total_bytes: Count
    load: float
    cpus: Count
    notes: Annotated[list[Text], Field(max_length=64)]
    driver: Text = ""


class Note(_Frame):
    """Something watch.py could not do, in its words; about one directory or ("") about an order."""

    frame: Literal["note"]
    directory: Text
    text: Text


_AnyFrame = _Connected | _Heartbeat | _Claim | _Log | _Exit | _Vanished | _Queued | _Unstarted | _Gone | _Resources | Note
_FRAMES: TypeAdapter[_AnyFrame] = TypeAdapter(Annotated[_AnyFrame, Field(discriminator="frame")])


class FrameReader:
    """Bytes in any pieces become evidence; never keeps more than one header and one body."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._unread = bytearray()
        self._header: _AnyFrame | None = None

    def feed(self, data: bytes) -> list[Evidence | Note]:
        """What these bytes complete. Raises UnreachableError for anything that watch.py would not say."""
        self._unread += data
        found = []
        while (evidence := self._next()) is not None:
            found.append(evidence)
        return found

    def _next(self) -> Evidence | Note | None:
        if self._header is None:
            end = self._unread.find(b"\n", 0, HEADER_BYTES)
            if end < 0:
                if len(self._unread) >= HEADER_BYTES:
                    raise UnreachableError(f"{self._host} sends something that is no watch stream: {bytes(self._unread[:60])!r}.")
                return None
            self._header = self._checked(bytes(self._unread[:end]))
            del self._unread[: end + 1]
        header = self._header
        if len(self._unread) < header.length:
            return None
        body = bytes(self._unread[: header.length])
        del self._unread[: header.length]
        self._header = None
        return _evidence(self._host, header, body)

    def _checked(self, line: bytes) -> _AnyFrame:
        try:
            return _FRAMES.validate_json(line)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            raise UnreachableError(
                f"{self._host} sends a frame that cannot be read ({problem['msg']}): {line[:60]!r}. Is something else printing there?"
            ) from error


def _evidence(host: str, frame: _AnyFrame, body: bytes) -> Evidence | Note:
    match frame:
        case _Log():
            grown_at = _time(frame.grown_at)
            return LogBytes(host, frame.directory, frame.offset, frame.generation, body, grown_at, frame.inode)
        case _Connected():
            return Connected(host, Identity(frame.machine_id, frame.host_name, frame.boot_id, frame.user, frame.python))
        case _Heartbeat():
            return Heartbeat(host, _time(frame.host_time))
        case _Claim():
            return ClaimSeen(host, frame.directory, frame.text)
        case _Exit():
            end = (frame.oom_kills, frame.log_offset, frame.log_generation)
            return ExitSeen(host, frame.directory, frame.code, _time(frame.ended_at), *end, frame.left)
        case _Vanished():
            return Vanished(host, frame.directory, frame.oom_kills, frame.log_offset, frame.log_generation)
        case _Queued():
            return Queued(host, frame.directory, frame.job, frame.state, frame.reason)
        case _Unstarted():
            return Unstarted(host, frame.directory, frame.job, frame.state, frame.reason)
        case _Gone():
            return DirectoryGone(host, frame.directory)
        case _Resources():
            return _resources(host, frame)
        case Note():
            return frame


def _resources(host: str, frame: _Resources) -> Resources:
    devices = None if frame.devices is None else tuple(_device(device) for device in frame.devices)
    return Resources(
        host, devices, frame.disk_free_bytes, frame.disk_total_bytes, frame.load, frame.cpus, tuple(frame.notes), frame.driver
    )


def _device(device: _Device) -> DeviceUse:
    named = device.processes
    processes = None if named is None else tuple(Programs(**each.model_dump()) for each in named)
    return DeviceUse(**device.model_dump(exclude={"processes"}), processes=processes)


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
