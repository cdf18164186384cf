"""A house whose GPU server is this machine over a real sshd, with the scripted framework as its environment."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from PIL import Image

from bot.demo.loopback_sshd import LoopbackSshd
from recipes.ingest import ingest
from runner.entities import Environment, Host, Place, Run, TransportName
from runner.loop import Runner
from runner.queueing.policy import Policy
from runner.service.house import House, Requester, open_house
from runner.service.runs import submit_training
from runner.service.views import RunView, view
from runner.settings import Imports, Limits, Role, Settings
from runner.specs import Overrides
from runner.states import Reason
from runner.store import hosts

SCRIPTED = Path(__file__).parent.parent / "scripted"
HOST = "gpu-1"


@dataclass(frozen=True)
class ScriptedHouse:
    """The house, the sshd behind its one GPU server, and the few verbs that most tests begin with."""

    house: House
    sshd: LoopbackSshd
    root: Path

    def who(self, request_id: str = "request", person: str = "U1", role: Role = Role.ADMIN) -> Requester:
        return Requester(person, role, "test", request_id, Place("C1"))

    def submit(self, *options: str, **overrides: int | float) -> Run:
        return submit_training(
            self.house, self.who(), preset="quick", dataset="fish", overrides=Overrides(options=options, **overrides)  # type: ignore[arg-type]
        )

    def view(self, run: Run) -> RunView:
        return view(self.house, run.id)

    def wait(self, run: Run, *reasons: Reason, timeout_s: float = 60.0) -> RunView:
        """Wait until the run has one of the reasons; fails with its story when it does not, or ends otherwise."""
        seen = self.wait_until(run, lambda seen: seen.run.reason in reasons or seen.run.state.final, timeout_s=timeout_s)
        assert seen.run.reason in reasons, f"{run.id} is {seen.run.reason}: {seen.run.detail}; prepared {seen.run.prepared}; {seen.attempt}"
        return seen

    def wait_until(self, run: Run, condition: Callable[[RunView], object], *, timeout_s: float = 60.0) -> RunView:
        deadline = time.monotonic() + timeout_s
        while True:
            seen = self.view(run)
            if condition(seen):
                return seen
            if time.monotonic() > deadline:
                raise AssertionError(f"{run.id} is {seen.run.reason}: {seen.run.detail}; prepared {seen.run.prepared}; {seen.attempt}")
            time.sleep(0.02)

    def directory(self, run: Run, attempt: int = 1) -> Path:
        return self.root / "runs" / f"{run.id}-{run.nonce}" / str(attempt)

    @contextmanager
    def running(self) -> Iterator[Runner]:
        """The runner at work, in a thread of this process."""
        runner = Runner(self.house)
        thread = threading.Thread(target=runner.run, name="runner")
        thread.start()
        try:
            yield runner
        finally:
            runner.stop()
            thread.join(20)


def empty_home(folder: Path) -> dict[str, str]:
    """A home for who logs in, without start files: those of the person who runs the tests may take a second for every command."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {"HOME": str(home)}


def write_coco(
    folder: Path, *, images: int = 2, size: tuple[int, int] = (32, 24), scripted: Mapping[str, object] = MappingProxyType({})
) -> Path:
    """A COCO dataset of a few small pictures with a train and a val split; its models are what ``scripted`` says (tests/scripted)."""
    (folder / "images").mkdir(parents=True)
    (folder / "annotations").mkdir()
    for split in ("train", "val"):
        records, boxes = [], []
        for number in range(1, images + 1):
            name = f"{split}_{number}.jpg"
            Image.new("RGB", size, (number * 40, 80, 120 if split == "train" else 200)).save(folder / "images" / name)
            records.append({"id": number, "file_name": name, "width": size[0], "height": size[1]})
            boxes.append({"id": number, "image_id": number, "category_id": 1, "bbox": [2, 3, 10, 8], "area": 80, "iscrowd": 0})
        planted = {"info": {"scripted": dict(scripted)}} if scripted else {}
        document = {"images": records, "annotations": boxes, "categories": [{"id": 1, "name": "fish"}], **planted}
        (folder / "annotations" / f"instances_{split}.json").write_text(json.dumps(document))
    return folder


@contextmanager
def scripted_house(
    folder: Path, *, slots: int = 1, limits: Limits | None = None, imports: Imports = Imports(), policy: Policy = Policy()
) -> Iterator[ScriptedHouse]:
    """Open a house in ``folder``: dataset fish@1, host gpu-1 with ``slots`` CPU slots and the scripted environment."""
    settings = Settings(
        state_folder=folder / "state", extensions=(SCRIPTED,),
        imports=imports, queue=policy, limits=limits or Limits(stop_grace_s=2, retry_delay_s=0.2, heartbeat_timeout_s=15),
    )
    house = open_house(settings)
    ingest(house.catalog, write_coco(folder / "coco"), name="fish", created_at=datetime.now(UTC))
    (folder / "sshd").mkdir()
    with LoopbackSshd(folder / "sshd", variables=empty_home(folder)) as sshd:
        root = folder / "gpu root"
        host = Host(
            HOST, TransportName.SSH, str(root), address=sshd.address, port=sshd.port, user=sshd.user, key_path=str(sshd.key_path),
            host_key=sshd.host_key, slots=slots, python=sys.executable,
        )
        with house.store.writing() as db:
            hosts.put(db, host)
            hosts.put_environment(db, Environment(HOST, "scripted", "scripted", sys.executable, str(SCRIPTED), "scripted-1"))
        yield ScriptedHouse(house, sshd, root)
    house.store.close()
    shutil.rmtree(folder, ignore_errors=True)
