"""Tells what happens to the attempts on a Slurm cluster, from its login node: stdin and stdout are those of watch.py.

Files are followed through the shared file system. Whether an attempt's processes live is not seen in this machine's /proc: one squeue
every few seconds is asked for the jobs of all of them, known by their comment, the attempt's marker. More frames than watch.py's:
queued  {directory, job, state, reason}: Slurm has the attempt's job, and nobody claimed yet; after every squeue
unstarted  {directory, job, state, reason}: Slurm ended that job before anybody claimed; once a job
"""

import contextlib
import getpass
import json
import os
import subprocess
import sys
import threading
import time

from .nodes import ask, cluster_name, nodes
from .watch import Attempt, Frames, Watch, resources

SQUEUE_S = 2.0
SETTLE_S = 6.0  # how long a shared file system may take to show here what a job wrote at its end
LIVE = frozenset(
    ("PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "RESIZING", "SIGNALING", "STAGE_OUT", "STOPPED", "REQUEUED",
     "REQUEUE_HOLD", "SPECIAL_EXIT")
)
WELL = "COMPLETED"


class Answer:
    """What squeue said: every job of ours that Slurm still knows, by its comment; the live one where there are several."""

    def __init__(self, asked_at, lines):
        self.asked_at = asked_at
        self.jobs = {}
        for line in lines:
            job, state, reason, comment = (line.split("|", 3) + [""] * 3)[:4]
            if comment and (state in LIVE or comment not in self.jobs or self.jobs[comment][1] not in LIVE):
                self.jobs[comment] = (job, state, reason)


class Cluster:
    """Asks squeue while anybody is watched; ``answer`` is its newest answer, kept while it gives none."""

    def __init__(self, frames):
        self.frames = frames
        self.answer = None
        self.wanted = threading.Event()
        self.trouble = ""
        threading.Thread(target=self.go_on, daemon=True).start()

    def go_on(self):
        while True:
            self.wanted.wait()
            self.wanted.clear()
            asked_at = time.monotonic()
            try:
                lines = ask("squeue", "-h", "-t", "all", "-u", getpass.getuser(), "-o", "%A|%T|%r|%k")
                self.answer, self.trouble = Answer(asked_at, lines), ""
            except (OSError, subprocess.SubprocessError) as error:
                self.tell(str(error))
            time.sleep(SQUEUE_S)

    def tell(self, trouble):
        if trouble != self.trouble:
            self.trouble = trouble
            self.frames.send("note", directory="", text=trouble[:1000])


class SlurmAttempt(Attempt):
    """An attempt whose processes are a job of Slurm."""

    cluster = None

    def __init__(self, wanted):
        super().__init__(wanted)
        self.begun_at = time.monotonic()
        self.claimed_at = self.gone_at = None
        self.told = None
        self.ended_job = ""

    def left(self):
        return None

    def job(self):
        """(job, state, reason) as Slurm has it; None where it knows of none, or was not asked since this is watched."""
        answer = self.cluster.answer
        return answer.jobs.get(self.marker) if answer is not None and answer.asked_at >= self.begun_at else None

    def check(self, frames, now):
        self.cluster.wanted.set()
        with contextlib.suppress(OSError):
            os.listdir(self.directory)  # an NFS client asks its server anew
        if self.claim:
            self.claimed_at = self.claimed_at or now
        else:
            self.tell_job(frames)
        super().check(frames, now)

    def alive(self):
        """Until squeue, asked after the claim was seen, has known of no such job for a while: a node is dead once Slurm says so."""
        answer, job = self.cluster.answer, self.job()
        if self.claimed_at is None or answer is None or answer.asked_at < self.claimed_at or (job is not None and job[1] in LIVE):
            self.gone_at = None
            return True
        self.gone_at = self.gone_at or answer.asked_at
        return answer.asked_at - self.gone_at < SETTLE_S

    def tell_job(self, frames):
        """What became of a job whose script has not begun."""
        answer, job = self.cluster.answer, self.job()
        if job is None or answer is self.told:
            return
        self.told = answer
        number, state, reason = job
        if state in LIVE:
            self.gone_at = None
            frames.send("queued", directory=self.directory, job=number, state=state, reason=reason)
        elif state != WELL and number != self.ended_job:
            self.gone_at = self.gone_at or answer.asked_at
            if answer.asked_at - self.gone_at >= SETTLE_S:
                self.ended_job = number
                frames.send("unstarted", directory=self.directory, job=number, state=state, reason=reason)


class SlurmWatch(Watch):
    """The watch of a cluster. The machine that must stay the same is the cluster: its login nodes may take turns."""

    def __init__(self, frames):
        super().__init__(frames)
        self.name = cluster_name()
        self.cluster = Cluster(frames)
        self.partition = ""
        self.attempt = type("ClusterAttempt", (SlurmAttempt,), {"cluster": self.cluster})

    def connected(self):
        user, python = getpass.getuser(), sys.executable or ""
        self.frames.send("connected", machine_id="slurm:" + self.name, host_name=self.name, boot_id="", user=user, python=python)

    def take(self, line):
        with contextlib.suppress(ValueError, AttributeError):
            self.partition = json.loads(line.decode("utf-8")).get("partition") or self.partition
        super().take(line)

    def resources(self, root):
        said = resources(root)
        try:
            said["devices"], said["cpus"] = nodes(self.partition, said["notes"])
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            said["devices"] = None
            said["notes"].append(str(error)[:1000])
        return said


def main():
    frames = Frames(sys.stdout.buffer)
    try:
        watch = SlurmWatch(frames)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        sys.exit(str(error))
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        watch.run()
    os._exit(0)


if __name__ == "__main__":
    main()
