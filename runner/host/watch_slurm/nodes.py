"""What Slurm says of itself: its name, and the GPUs of a partition's nodes."""

import os
import re
import subprocess

TIMEOUT_S = 30.0
# A login by ssh without a shell of its own reads no start files.
PLACES = ":/usr/local/bin:/opt/slurm/bin:/usr/local/slurm/bin:/cm/shared/apps/slurm/current/bin"
GPU = re.compile(r"^gpu(?::(?P<kind>[^:(]+))?:(?P<count>\d+)(?:\(.*\))?$")
UNUSABLE = ("DOWN", "DRAIN", "FAIL", "MAINT", "UNKNOWN", "POWERED_DOWN", "NOT_RESPONDING", "INVAL", "*")


def ask(*command):
    """The lines that a program of Slurm prints; CalledProcessError, whose text is its own, where it fails."""
    variables = dict(os.environ, PATH=os.environ.get("PATH", "/usr/bin:/bin") + PLACES, LC_ALL="C")
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S, env=variables, check=False,
    )
    if done.returncode:
        raise SlurmError(command[0], done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace").splitlines()


class SlurmError(subprocess.SubprocessError):
    """A program of Slurm failed."""

    def __init__(self, program, said):
        super().__init__("%s fails: %s" % (program, " ".join(said.split())[-500:] or "it does not say why"))


def cluster_name():
    """What the cluster calls itself; ValueError where Slurm does not say."""
    for line in ask("scontrol", "show", "config"):
        name, _, value = line.partition("=")
        if name.strip() == "ClusterName":
            return value.strip()
    raise ValueError("scontrol show config names no ClusterName; is this a login node of Slurm?")


def nodes(partition, notes):
    """(the GPUs of a partition, of the default one or of all where none is named; the CPUs of its nodes). None: it has nodes, all without
    an answer; [] where its nodes have no GPUs."""
    lines = [line.split("|") for line in ask("sinfo", "-h", "-N", "-o", "%N|%P|%G|%T|%c", *(["-p", partition] if partition else []))]
    rows = [fields for fields in lines if len(fields) == 5]
    if not partition and any(fields[1].endswith("*") for fields in rows):
        rows = [fields for fields in rows if fields[1].endswith("*")]
    if not rows:
        raise ValueError("Slurm has no nodes in the partition %s." % partition if partition else "Slurm has no nodes.")
    found = []
    cpus = 0
    for name, (_, _, gres, state, count) in sorted({fields[0]: fields for fields in rows}.items()):
        cpus += int(count)
        said = state.lower().rstrip("*") + (", without an answer" if state.endswith("*") else "")
        broken = "Slurm has %s as %s" % (name, said) if any(word in state.upper() for word in UNUSABLE) else ""
        if broken:
            notes.append(broken)
        for kind, number in gpus(gres):
            found.append({
                "uuid": "%s:%d" % (name, number), "index": len(found), "name": kind, "memory_mib": 0, "used_mib": 0,
                "utilization_percent": None, "temperature_c": None, "broken": broken,
            })
    return found[:256], cpus


def gpus(gres):
    """(kind, number on its node) of each GPU: ``gpu:a100:4(S:0-1),gpu:t4:2,nvme:1``."""
    number = 0
    for entry in re.split(r",(?![^(]*\))", gres):
        match = GPU.match(entry)
        for _ in range(int(match.group("count")) if match else 0):
            yield match.group("kind") or "GPU", number
            number += 1
