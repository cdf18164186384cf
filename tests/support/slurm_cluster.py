"""A real Slurm on this machine: munged, slurmctld and one slurmd for each node, on free ports, below one folder; nodes have two GPUs,
which are device nodes. Needs root and Debian's slurm-wlm and munge."""

from __future__ import annotations

import getpass
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.hosts import end_all, eventually

CONFIGURATION = """\
ClusterName=signalbox
SlurmctldHost=localhost(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
GresTypes=gpu
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
KillWait=2
SlurmdTimeout=5
MinJobAge={min_job_age_s}
"""
PROMPT = "SchedulerParameters=batch_sched_delay=0,sched_interval=2\n"
"""So that tests wait for little."""
NODE = "NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} Sockets=1 CoresPerSocket=4 ThreadsPerCore=1 Gres=gpu:fake:2\n"
PARTITION = "PartitionName={name} Nodes=ALL Default=YES MaxTime=INFINITE State=UP\n"


def why_not() -> str:
    """Why no Slurm can be started here; empty where one can."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if find(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed (Debian: slurm-wlm and munge)"
    return "" if os.geteuid() == 0 else "only root can start slurmd"


def find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


@dataclass
class SlurmCluster:
    """The cluster while it is up. ``variables`` are what its programs need to find it."""

    folder: Path
    nodes: tuple[str, ...]
    min_job_age_s: int = 300
    scheduler: str = PROMPT
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def ask(self, *command: str) -> str:
        """What a program of Slurm prints."""
        done = subprocess.run(command, env=os.environ | self.variables, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout

    def states(self, marker: str) -> list[str]:
        """States of all jobs of an attempt that Slurm still knows."""
        lines = (line.split() for line in self.ask("squeue", "-h", "-t", "all", "-o", "%k %T").splitlines())
        return [state for comment, state in lines if comment == marker]

    def start(self, program: str, *arguments: str, named: str = "", before: tuple[str, ...] = ()) -> None:
        """Start one of its daemons. It leads no session of its own: what it holds is ended by Slurm."""
        path = find(program)
        assert path is not None
        name = named or program
        with (self.folder / f"{name}.out").open("ab") as said:
            self._running[name] = subprocess.Popen(
                [*before, path, *arguments], stdin=subprocess.DEVNULL, stdout=said, stderr=said, env=os.environ | self.variables
            )

    def end(self, name: str, *, kill: bool = False) -> None:
        """End one of its daemons."""
        process = self._running.pop(name, None)
        if process is not None:
            process.kill() if kill else process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def start_controller(self) -> None:
        self.start("slurmctld", "-D")

    def start_node(self, name: str, *, before: tuple[str, ...] = ()) -> None:
        self.start("slurmd", "-D", "-N", name, named=name, before=before)

    def cut_power(self, name: str, directory: Path, marker: str, *, told: bool) -> None:
        """A node is gone at once, with its slurmd and the one attempt on it: nobody writes an exit. Slurm finds out, or is told."""
        self.end(name, kill=True)
        holder = str((directory / "claim").readlink()).split(":")[1]
        step = Path(f"/proc/{holder}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1]  # slurmstepd
        for pid in (step, holder):
            os.kill(int(pid), signal.SIGKILL)
        end_all(marker)
        if told:
            self.ask("scontrol", "update", f"nodename={name}", "state=down", "reason=test")

    def return_power(self, name: str) -> None:
        """The node comes back, and takes jobs again."""
        self.start_node(name)
        # Slurm may find out by itself that the node is back; asked to resume then, it refuses.
        told = ("scontrol", "update", f"nodename={name}", "state=resume")
        subprocess.run(told, env=os.environ | self.variables, capture_output=True, timeout=30, check=False)
        eventually(self.idle, 40)

    def end_all(self) -> None:
        subprocess.run(["scancel", "-u", getpass.getuser()], env=os.environ | self.variables, capture_output=True, timeout=30, check=False)
        time.sleep(0.5)
        for name in reversed(list(self._running)):
            self.end(name)

    def idle(self) -> bool:
        return set(self.ask("sinfo", "-h", "-N", "-o", "%T").split()) == {"idle"}


@contextmanager
def slurm_cluster(
    folder: Path, *, nodes: tuple[str, ...] = ("node1",), min_job_age_s: int = 300, scheduler: str = PROMPT
) -> Iterator[SlurmCluster]:
    """Bring a cluster up; its nodes are idle when it is handed over. ``scheduler`` are further lines of its configuration."""
    cluster = SlurmCluster(folder, nodes, min_job_age_s, scheduler)
    with ExitStack() as stack:
        stack.callback(cluster.end_all)
        _lay(cluster)
        munge = folder / "munge"
        cluster.start("munged", "--foreground", "--force", f"--socket={munge}/socket", f"--key-file={munge}/key",
                      f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
        eventually((munge / "socket").exists)
        cluster.start_controller()
        for name in nodes:
            cluster.start_node(name)
        eventually(lambda: _up(cluster), timeout_s=60)
        yield cluster


def _up(cluster: SlurmCluster) -> bool:
    try:
        return cluster.idle()
    except AssertionError:
        return False


def _lay(cluster: SlurmCluster) -> None:
    folder = cluster.folder
    for name in ("munge", "state"):
        (folder / name).mkdir(parents=True)
    (folder / "munge").chmod(0o755)
    (folder / "munge" / "key").write_bytes(secrets.token_bytes(128))
    (folder / "munge" / "key").chmod(0o400)
    for number in range(2):
        os.mknod(folder / f"gpu{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (folder / "gres.conf").write_text(f"Name=gpu Type=fake File={folder}/gpu[0-1]\n", encoding="ascii")
    host = socket.gethostname().split(".")[0]
    lines = [NODE.format(name=name, host=host, port=_free_port()) for name in cluster.nodes]
    head = CONFIGURATION.format(user=getpass.getuser(), folder=folder, port=_free_port(), min_job_age_s=cluster.min_job_age_s)
    (folder / "slurm.conf").write_text(head + cluster.scheduler + "".join(lines) + PARTITION.format(name="gpus"), encoding="ascii")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
