"""What it costs to watch 100 trainings on 20 sshd endpoints: processor time of a runner, and apart from it of the hosts' watchers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml

from bot.demo.loopback_sshd import LoopbackSshd
from recipes.ingest import ingest
from runner.entities import Environment, Host, Place, TransportName
from runner.service.house import House, Requester, open_house
from runner.service.runs import submit_training
from runner.settings import Role, Settings
from runner.specs import Overrides
from runner.states import Reason
from runner.store import attempts, hosts
from tests.benchmarks.large_house import HOSTS, RUNNING, add_queue
from tests.benchmarks.whole_house import PACED
from tests.support.hosts import end_all
from tests.support.scripted_house import SCRIPTED, write_coco
from tests.support.slack_house import until

PER_HOST = RUNNING // len(HOSTS)
STEP_S = 10.0
"""A line of each training, about as often as MMDetection writes one by default."""
START_S, SETTLE_S = 600.0, 15.0
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Watched:
    """Shares of one core over ``seconds``: the runner's, and by host that of its watcher and of its sshd. Memory in MB."""

    seconds: float
    runner: float
    runner_mb: float
    watchers: Mapping[str, float]
    sshds: Mapping[str, float]

    def lines(self) -> list[str]:
        """For people."""
        mean, most = sum(self.watchers.values()) / len(self.watchers), max(self.watchers.values())
        sshd = sum(self.sshds.values()) / len(self.sshds)
        return [
            f"{RUNNING} runs on {len(HOSTS)} hosts, watched for {self.seconds:.0f} s; shares of one core by processor time",
            f"runner: {self.runner:.1%} (goal 20 %), {self.runner_mb:.0f} MB (goal 500)",
            f"a host's watcher: {mean:.2%} on average, {most:.2%} at most (goal 1 %); its sshd: {sshd:.2%}",
        ]


def measure(seconds: float = 60.0, *, queued: int = 0) -> Watched:
    """Start everything, wait until all runs work and what starting takes is over, and look at the processor times."""
    with _trainings(queued) as (runner, sshds):
        time.sleep(SETTLE_S)
        began, at = {host: _times(pid) for host, pid in sshds.items()}, time.monotonic()
        own = cpu_s(runner)
        time.sleep(seconds)
        took = time.monotonic() - at
        spent = (cpu_s(runner) - own) / took
        shares = {host: _shares(began[host], _times(pid), took) for host, pid in sshds.items()}
        return Watched(
            took, spent, _rss_mb(runner), {host: each["watcher"] for host, each in shares.items()},
            {host: each["sshd"] for host, each in shares.items()},
        )


@contextmanager
def _trainings(queued: int) -> Iterator[tuple[int, Mapping[str, int]]]:
    """(the runner's process, by host that of its sshd), with every run at work."""
    with tempfile.TemporaryDirectory(prefix="signalbox-bench-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        folder = Path(name)
        settings = Settings(state_folder=folder / "state", extensions=(SCRIPTED, PACED))
        (folder / "signalbox.yaml").write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
        house = open_house(settings)
        ingest(house.catalog, write_coco(folder / "coco"), name="fish", created_at=datetime.now(UTC))
        sshds = {host: stack.enter_context(_host(house, folder, host)) for host in HOSTS}
        who = Requester("bench", Role.ADMIN, "bench", "bench", Place())
        paced = Overrides(options=("iterations=100000", f"step_s={STEP_S}", "jitter=0.3"))
        ours = [submit_training(house, who, preset="paced", dataset="fish", overrides=paced).id for _ in range(RUNNING)]
        stack.callback(_end, house, ours)
        runner = stack.enter_context(_runner(folder))
        until(lambda: _at_work(house) == RUNNING, timeout_s=START_S, what="all runs at work")
        if queued:
            add_queue(house, queued)
        yield runner, {host: sshd.pid for host, sshd in sshds.items()}


@contextmanager
def _host(house: House, folder: Path, name: str) -> Iterator[LoopbackSshd]:
    # Eighty logins at once: start files of this machine's own (pyenv, conda) would be measured instead.
    with LoopbackSshd(folder / f"sshd-{name}", variables={"HOME": str(folder)}) as sshd:
        host = Host(
            name, TransportName.SSH, str(folder / name), address=sshd.address, port=sshd.port, user=sshd.user,
            key_path=str(sshd.key_path), host_key=sshd.host_key, slots=PER_HOST,
        )
        with house.store.writing() as db:
            hosts.put(db, host)
            hosts.put_environment(db, Environment(name, "scripted", "scripted", sys.executable, str(PACED), "e1"))
        yield sshd


@contextmanager
def _runner(folder: Path) -> Iterator[int]:
    environment = {**os.environ, "SIGNALBOX_SETTINGS": str(folder / "signalbox.yaml")}
    with (folder / "runner.log").open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "bot", "runner"], env=environment, stdout=out, stderr=out)
    try:
        yield process.pid
    except BaseException:
        print((folder / "runner.log").read_text(errors="replace")[-4000:], file=sys.stderr)
        raise
    finally:
        process.terminate()
        process.wait(60)


def _at_work(house: House) -> int:
    row = house.store.reading().conn.execute("SELECT count(*) FROM runs WHERE reason = ?", (Reason.WORKING.value,)).fetchone()
    return int(row[0])


def _end(house: House, run_ids: list[str]) -> None:
    """A training outlives everything else here, as it should."""
    for run_id in run_ids:
        for attempt in attempts.of(house.store.reading(), run_id):
            end_all(attempt.marker)


def _times(root: int) -> dict[str, float]:
    """Processor seconds of an sshd and all below it, of Python (which watches) and of the rest."""
    below, spent = defaultdict(list), defaultdict(float)
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            below[int(fields[1])].append(int(entry.name))
    found = [root]
    for pid in found:
        found += below[pid]
        program = Path(f"/proc/{pid}/comm").read_text().strip() if _stat(pid) else ""
        spent["watcher" if program.startswith("python") else "sshd"] += cpu_s(pid)
    return spent


def _shares(before: Mapping[str, float], after: Mapping[str, float], seconds: float) -> dict[str, float]:
    return {name: (after.get(name, 0.0) - before.get(name, 0.0)) / seconds for name in ("watcher", "sshd")}


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat behind the program's name; none of a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu_s(pid: int) -> float:
    """User and system time, its children's left out."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICKS if fields else 0.0


def _rss_mb(pid: int) -> float:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--queued", type=int, default=0, help="so many more that wait")
    given = parser.parse_args()
    print("\n".join(measure(given.seconds, queued=given.queued).lines()))
