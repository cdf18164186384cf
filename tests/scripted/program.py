"""A training program that does what its scenario says, in the log grammar of MMDetection 3: the runner's tests train with it.

Started like ``train.py``: ``program.py config.py --work-dir DIR [--resume CHECKPOINT]``. The config is the scenario as JSON. With ``--meet
ADDRESS:PORT --rank 1/2`` it is one of several ranks, which take every step together, and of which the first writes.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from presence import note_presence


def say(text: str) -> None:
    print(f"{time.strftime('%Y/%m/%d %H:%M:%S')} - mmengine - INFO - {text}", flush=True)


def main() -> int:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("config", type=Path)
    arguments.add_argument("--work-dir", type=Path, required=True)
    arguments.add_argument("--resume", type=Path)
    arguments.add_argument("--meet", default="")
    arguments.add_argument("--rank", default="0/1")
    given = arguments.parse_args()
    scenario = json.loads(given.config.read_text()) | planted(Path("data/annotations/instances_train.json"))
    given.work_dir.mkdir(exist_ok=True)
    held = note_presence(Path(scenario["presence"])) if scenario.get("presence") else []
    if scenario.get("ignore_term"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if scenario.get("child"):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True, pass_fds=held)
    if scenario.get("load_from"):
        say(f"Load checkpoint from {Path(scenario['load_from']).read_bytes()!r}")
    first = json.loads(given.resume.read_text())["epoch"] + 1 if given.resume else 1
    rank, ranks = map(int, given.rank.split("/"))
    together = Together(given.meet, rank, ranks, patience_s=scenario["patience_s"]) if ranks > 1 else None
    return train({**scenario, "rank": rank}, given.work_dir, first, together)


def planted(listing: Path) -> dict:
    """What a dataset makes of whoever trains on it: ``scripted`` in the ``info`` of its annotations. ``learned`` is what an evaluation
    of the model will say: {"ap", "per_class", "found"}."""
    return (json.loads(listing.read_text()).get("info") or {}).get("scripted", {}) if listing.exists() else {}


class Together:
    """The ranks' connections to the first, which hears from each of them at every step, and answers."""

    def __init__(self, meet: str, rank: int, ranks: int, *, patience_s: float) -> None:
        self.meet = meet
        address, _, port = meet.rpartition(":")
        self.patience_s = patience_s
        if rank == 0:
            with socket.create_server(("", int(port))) as server:
                server.settimeout(60)
                self.peers = [server.accept()[0] for _ in range(ranks - 1)]
        else:
            self.peers = [self.connected(address, int(port))]
        for peer in self.peers:
            peer.settimeout(patience_s)

    def connected(self, address: str, port: int) -> socket.socket:
        until = time.monotonic() + 60
        while True:
            try:
                return socket.create_connection((address, port), timeout=5)
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)

    def step(self) -> None:
        for peer in self.peers:
            try:
                peer.sendall(b".")
                if not peer.recv(1):
                    raise RuntimeError(f"[gloo/transport/tcp/pair.cc:534] Connection closed by peer [{self.meet}]")
            except TimeoutError:
                raise RuntimeError(f"Timed out waiting {self.patience_s * 1000:.0f}ms for recv operation to complete") from None


def train(scenario: dict, work_dir: Path, first: int, together: Together | None) -> int:
    epochs, iterations, step_s = scenario["epochs"], scenario["iterations"], scenario["step_s"]
    for epoch in range(first, epochs + 1):
        for iteration in range(1, iterations + 1):
            time.sleep(step_s)
            if together is not None:
                together.step()
            left = ((epochs - epoch) * iterations + iterations - iteration) * step_s
            loss = 2.0 / ((epoch - 1) * iterations + iteration)
            say(f"Epoch(train)  [{epoch}][{iteration:>2}/{iterations}]  lr: {scenario['lr']:.4e}  eta: 0:00:{int(left) % 60:02d}  "
                f"time: {step_s:.4f}  data_time: 0.0010  loss: {loss:.4f}")
            with Path("iterations.txt").open("a") as sequence:
                sequence.write(f"{epoch} {iteration} {os.getpid()}\n")
        if 0 < scenario["rank"] == scenario.get("failing_rank") and scenario.get("fail_at_epoch") == epoch and first == 1:
            raise RuntimeError(scenario.get("message", "the scenario says so"))
        if scenario["rank"] > 0:
            continue
        say(f"Saving checkpoint at {epoch} epochs")
        kept = {"epoch": epoch, "epochs": epochs, "lr": scenario["lr"], "learned": scenario.get("learned")}
        (work_dir / f"epoch_{epoch}.pth").write_text(json.dumps(kept))
        if "found" in (scenario.get("learned") or {}):
            (work_dir / "val.bbox.json").write_text(json.dumps(scenario["learned"]["found"]))
        ap = min(0.9, 0.2 * epoch)
        say(f"Epoch(val) [{epoch}][2/2]    coco/bbox_mAP: {ap:.4f}  coco/bbox_mAP_50: {min(1.0, ap + 0.1):.4f}  "
            "coco/bbox_mAP_75: -1.0000  data_time: 0.0010  time: 0.0020")
        if scenario.get("hang_at_epoch") == epoch and first == 1:
            time.sleep(600)
        if scenario.get("fail_at_epoch") == epoch and first == 1 and not scenario.get("failing_rank"):
            raise RuntimeError(scenario.get("message", "the scenario says so"))
        if scenario.get("vanish_at_epoch") == epoch and first == 1:  # with what would have written how it ended
            os.kill(int(str(Path("claim").readlink()).split(":")[1]), signal.SIGKILL)
            os.killpg(0, signal.SIGKILL)
        if scenario.get("die_at_epoch") == epoch:
            os.kill(os.getpid(), signal.SIGKILL)
    return int(scenario.get("exit_code", 0))


if __name__ == "__main__":
    sys.exit(main())
