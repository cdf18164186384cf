"""A second GPU server for a scripted house, and what tests want to know of runs on both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bot.demo.loopback_sshd import LoopbackSshd
from bot.demo.processes import marked
from runner.entities import Attempt, Environment, Run
from runner.service.runs import submit_training
from runner.specs import Overrides, Turn
from runner.store import attempts, hosts, runs
from tests.support.scripted_house import HOST, SCRIPTED, ScriptedHouse

SECOND = "gpu-2"


@dataclass(frozen=True)
class TwoHosts:
    """The house, the sshd of its second server, and where that keeps what is ours."""

    scripted: ScriptedHouse
    sshd: LoopbackSshd
    root: Path

    def submit(
        self, *options: str, gpus: int = 1, host: str | None = None, request: str = "request", turn: Turn = Turn(), **overrides: int | float
    ) -> Run:
        """A run on both."""
        return submit_training(
            self.scripted.house, self.scripted.who(request), preset="quick", dataset="fish", gpus=gpus, hosts=2, host=host, turn=turn,
            overrides=Overrides(options=options, **overrides),  # type: ignore[arg-type]
        )

    def ranks(self, run: Run, number: int = 0) -> list[Attempt]:
        """The ranks of an attempt, of the newest one where none is named."""
        db = self.scripted.house.store.reading()
        return attempts.ranks(db, run.id, number or runs.get(db, run.id).attempt)

    def steps(self, rank: Attempt) -> list[str]:
        """``epoch iteration pid`` of every step that a rank took."""
        path = Path(rank.directory) / "iterations.txt"
        return path.read_text().splitlines() if path.exists() else []

    def left(self, run: Run) -> list[int]:
        """The processes of a run that live, of all its ranks."""
        return [pid for number in range(1, 6) for rank in self.ranks(run, number) for pid in marked(rank.marker)]


@contextmanager
def second_host(scripted: ScriptedHouse, folder: Path, *, slots: int = 1) -> Iterator[TwoHosts]:
    """Add gpu-2 with the scripted environment: another sshd of this machine, another root."""
    folder.mkdir(parents=True, exist_ok=True)
    with LoopbackSshd(folder) as sshd:
        root = folder / "other root"
        with scripted.house.store.writing() as db:
            first = hosts.get(db, HOST)
            hosts.put(db, replace(
                first, name=SECOND, root=str(root), port=sshd.port, key_path=str(sshd.key_path), host_key=sshd.host_key, slots=slots,
            ))
            hosts.put_environment(db, Environment(SECOND, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1"))
        yield TwoHosts(scripted, sshd, root)
