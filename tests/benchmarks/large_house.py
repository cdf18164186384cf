"""A house as large as Signalbox is meant for, as rows: 20 hosts with 8 GPUs each, all held by 100 runs, a queue, and a long history."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.entities import Environment, Host, TransportName
from runner.evidence import Connected, DeviceUse, Identity, Programs, Resources
from runner.frameworks.base import Prepared
from runner.placing import FAR_BEHIND
from runner.service.house import House, open_house
from runner.settings import Settings
from runner.specs import DatasetRef, Overrides, Preset, TrainSpec, Turn
from runner.states import Reason
from runner.store import hosts
from runner.store.connection import to_text
from tests.support.scripted_house import SCRIPTED

HOSTS = tuple(f"gpu-{number:02}" for number in range(1, 21))
GPUS = 8
RUNNING = 100
"""On all 160 GPUs: sixty of them have two."""
POINTS_RUNNING, POINTS_ENDED, ENDED_WITH_POINTS = 2400, 24, 2000
PEOPLE = tuple(f"U{number:02}" for number in range(12))
WEIGHTS = tuple(1 / (1 + number) for number in range(12))
PRESETS = tuple(
    Preset(
        name=f"model-{number}", framework="scripted", config="rtmdet/rtmdet_tiny_8xb32-300e_coco.py", description="Not a real one",
        epochs=100, batch=16, lr=0.004, options={"model.bbox_head.num_classes": number, "train_dataloader.num_workers": 4},
    )
    for number in range(8)
)
FIRST_IN_QUEUE, LAST_IN_QUEUE = "r-q000000", "r-q009999"
"""Of ten thousand."""
CONFIG = "train_pipeline = [dict(type='LoadImageFromFile', backend_args=None), dict(type='LoadAnnotations', with_bbox=True)]\n" * 90
"""As long as what MMDetection resolves, 10 kB."""


@contextmanager
def large_house(*, queued: int, history: int = 0) -> Iterator[House]:
    """Open it. What is queued is prepared, and was told that it waits."""
    with TemporaryDirectory(prefix="signalbox-bench-", ignore_cleanup_errors=True) as name:
        house = open_house(Settings(state_folder=Path(name), extensions=(SCRIPTED,)))
        with house.store.writing() as db:
            for host in HOSTS:
                # Nobody listens on that port: of these hosts comes nothing but what is said for them.
                hosts.put(db, Host(host, TransportName.SSH, f"/{host}", "127.0.0.1", 9, "nobody", "/nowhere", slots=GPUS))
                hosts.put_environment(db, Environment(host, "scripted", "scripted", "/usr/bin/python3", "/code", "e1"))
                hosts.note_identity(db, host, _identity(host), now=house.now())
                hosts.note_resources(db, resources(host))
        _fill(house, queued=queued, history=history)
        yield house
        house.store.close()


def connected() -> list[Connected]:
    """What the hosts' streams begin with."""
    return [Connected(name, _identity(name)) for name in HOSTS]


def resources(host: str, *, foreign_mib: int = 0) -> Resources:
    """Eight GPUs, each with a program of ours; on the first perhaps one of somebody else."""
    ours, other = Programs("train", "r-aaaa-0/1", 30_000), Programs("eve", "", foreign_mib)
    devices = [
        DeviceUse(f"{host}-{index}", index, "A100", 81_920, 30_000, 97, 60, "", (ours, other) if foreign_mib and not index else (ours,))
        for index in range(GPUS)
    ]
    return Resources(host, tuple(devices), 10**12, 4 * 10**12, 8.0, 64)


def _identity(host: str) -> Identity:
    return Identity(f"machine-{host}", host, "boot", "nobody", "/usr/bin/python3")


def _fill(house: House, *, queued: int, history: int) -> None:
    chance, now = random.Random(1), datetime.now(UTC)
    free = [(host, f"{host}-{index}") for host in HOSTS for index in range(GPUS)]
    with house.store.writing() as db:
        for number in range(history):
            at = now - timedelta(days=1) - timedelta(seconds=300 * (history - number))
            reason = chance.choices((Reason.COMPLETED, Reason.BY_USER, Reason.CODE_ERROR), (0.8, 0.1, 0.1))[0]
            run_id = _run(house, chance, f"r-h{number:06}", reason, at, host=chance.choice(HOSTS))
            _attempt(house, run_id, at, ended_at=at + timedelta(hours=2), devices=1)
            if number >= history - ENDED_WITH_POINTS:
                _points(house, run_id, at, POINTS_ENDED, per_epoch=6)
        for number in range(RUNNING):
            at = now - timedelta(hours=chance.uniform(1, 20))
            held = [free.pop(0) for _ in range(2 if number < len(HOSTS) * GPUS - RUNNING else 1)]
            run_id = _run(house, chance, f"r-w{number:06}", Reason.WORKING, at, host=held[0][0])
            _attempt(house, run_id, at, ended_at=None, devices=len(held))
            _points(house, run_id, at, POINTS_RUNNING, per_epoch=40)
            for host, device in held:
                db.conn.execute("INSERT INTO leases VALUES (?, ?, ?, ?)", (host, device, run_id, to_text(at)))
    add_queue(house, queued)


def add_queue(house: House, queued: int) -> None:
    """So many runs that are prepared and wait."""
    chance, now = random.Random(2), datetime.now(UTC)
    with house.store.writing():
        for number in range(queued):
            _run(house, chance, f"{FIRST_IN_QUEUE[:-6]}{number:06}", Reason.WAITING_FOR_GPU, now - timedelta(seconds=queued - number))


def _run(house: House, chance: random.Random, run_id: str, reason: Reason, at: datetime, *, host: str | None = None) -> str:
    preset, batch = chance.choice(PRESETS), chance.choice((8, 16, 32))
    turn = Turn(memory_mib=chance.choice((None, None, 20_000, 40_000)), limit_s=chance.choice((None, None, 40_000.0)))
    spec = TrainSpec(
        preset=preset, dataset=DatasetRef(name=chance.choice(("fish", "cells", "roads")), version=3, fingerprint="f" * 64, format="coco"),
        overrides=Overrides(batch=batch, lr=chance.uniform(0.001, 0.01)), gpus=chance.choice((1, 1, 1, 2, 4)), turn=turn,
    )
    prepared = asdict(Prepared(CONFIG, 100, batch, 0.004, "v3.3.0", 500)) | {"environment": "e1"}
    ended = at + timedelta(hours=2) if reason.state.final else None
    house.store.reading().conn.execute(
        "INSERT INTO runs (id, nonce, kind, spec, state, reason, detail, owner, channel, thread, host, attempt, created_at, updated_at,"
        " started_at, ended_at, prepared) VALUES (?, ?, 'train', ?, ?, ?, ?, ?, 'C1', '1.0', ?, ?, ?, ?, ?, ?, ?)",
        (run_id, f"nonce{run_id}", spec.model_dump_json(), reason.state.value, reason.value,
         FAR_BEHIND if reason is Reason.WAITING_FOR_GPU else "", chance.choices(PEOPLE, WEIGHTS)[0],
         host, 1 if host else 0, to_text(at), to_text(ended or at), to_text(at) if host else None, to_text(ended), json.dumps(prepared)),
    )
    house.store.reading().conn.execute(
        "INSERT INTO cards (run_id, part, channel, ts, sent_digest, sent_at) VALUES (?, 'card', 'C1', '1.0', 'd', ?)",
        (run_id, to_text((ended or at) + timedelta(seconds=1))),
    )
    return run_id


def _attempt(house: House, run_id: str, at: datetime, *, ended_at: datetime | None, devices: int) -> None:
    house.store.reading().conn.execute(
        "INSERT INTO attempts (run_id, number, host, directory, session, created_at, claimed_at, pid, process_start, boot_id, exit_code,"
        " ended_at, staged, devices) SELECT id, 1, host, '/' || host || '/runs/' || id || '-' || nonce || '/1', 'sb-' || id || '-1', ?, ?,"
        " 7, '8', 'boot', ?, ?, 1, ? FROM runs WHERE id = ?",
        (to_text(at), to_text(at), 0 if ended_at else None, to_text(ended_at), devices, run_id),
    )


def _points(house: House, run_id: str, at: datetime, count: int, *, per_epoch: int) -> None:
    house.store.reading().conn.executemany(
        'INSERT INTO progress (run_id, attempt, at, epoch, iteration, iterations, loss, lr, step_s, memory_mib, "values")'
        " VALUES (?, 1, ?, ?, ?, 500, 0.5, 0.004, 0.02, 9000, '{\"loss_cls\": 0.25, \"loss_bbox\": 0.25}')",
        ((run_id, to_text(at + timedelta(seconds=15 * number)), number // per_epoch + 1, number % per_epoch * 500 // per_epoch + 1)
         for number in range(count)),
    )
