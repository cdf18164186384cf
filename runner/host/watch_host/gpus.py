"""The GPUs of this host as nvidia-smi and the kernel show them: use, whose programs, what is wrong. Changes nothing; MIG is left alone.

The fields are those of ``nvidia-smi --help-query-gpu`` and ``--help-query-compute-apps``; a driver that lacks one of the newer gives the
older alone. What a field cannot tell stands in brackets ([N/A], [Not Supported], [GPU is lost], [GPU requires reset]).
"""

import contextlib
import os
import pwd
import re
import shutil
import subprocess
import time

TIMEOUT_S = 10.0
OLD_FIELDS = "uuid,index,name,memory.total,memory.used,utilization.gpu,temperature.gpu,pci.bus_id"
FIELDS = OLD_FIELDS + ",driver_version,ecc.errors.uncorrected.volatile.total,mig.mode.current"
UNNAMED_MIB = 512  # a display's programs and the driver itself are below; above it, somebody computes whom nvidia-smi does not name
MOST_GROUPS = 16  # of programs on one device: a frame's header is bounded
KERNEL_GPUS = "/proc/driver/nvidia/gpus"
KERNEL_LOG = "/dev/kmsg"
XID = re.compile(rb"NVRM: Xid \(PCI:([0-9A-Fa-f:.]+)\): (\d+)(?:, (?:pid=[^,]*, )?(?:name=[^,]*, )?([^\n]*))?")
# After these a GPU needs a reset (NVIDIA's catalogue of Xid errors); most others are mistakes of a program.
FATAL_XIDS = frozenset((48, 62, 64, 74, 79, 95, 119, 120, 140, 143))
XID_COUNTS_S = 3600.0  # nobody tells of a reset; what is still wrong then, nvidia-smi shows
LOST = re.compile(r"GPU ?([0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}\.[0-9A-Fa-f])\s*:\s*(.*)")
ATTEMPT = b"SIGNALBOX_ATTEMPT="


class NoAnswerError(Exception):
    """nvidia-smi does not say what it was asked; ``said`` are the lines that it printed."""

    def __init__(self, why, said=()):
        super().__init__(why)
        self.said = said


class Gpus:
    """Looks at the devices, again and again from one thread."""

    def __init__(self):
        self.hanging = None
        self.known = {}  # by bus id: what a device said while it answered
        self.kernel_log = KernelLog()

    def look(self, notes):
        """(the devices, the driver's version): [] where there is no nvidia-smi, None where it fails."""
        if shutil.which("nvidia-smi") is None:
            return [], ""
        try:
            rows, lost = self.rows()
        except NoAnswerError as error:
            notes.append(str(error)[:1000])
            return None, ""
        xids = self.kernel_log.recent()
        programs = self.programs(notes)
        devices = [device(row, programs, xids) for row in rows]
        for bus, why in sorted(lost.items()):
            notes.append("the GPU at %s is lost: %s" % (bus, why))
            devices += [self.lost(bus, why)] if self.known.get(bus) else []
        self.known.update((row["bus"], each) for row, each in zip(rows, devices))  # noqa: B905 - Python 3.6 knows no strict
        return devices[:256] if devices or not lost else None, next((row["driver"] for row in rows if row["driver"]), "")

    def rows(self):
        """(a row for each device that answers, bus id to complaint of those that do not). One that is lost may silence all others."""
        try:
            return parsed(self.ask_fields([])), {}
        except NoAnswerError as error:
            lost = {bus_of(found.group(1)): found.group(2) for found in map(LOST.search, error.said) if found}
            others = [bus for bus in kernel_gpus() if bus not in lost]
            if not lost:
                raise
            return (parsed(self.ask_fields(["-i", ",".join(others)])) if others else []), lost

    def ask_fields(self, which):
        try:
            return self.ask("--query-gpu=" + FIELDS, *which)
        except NoAnswerError as error:
            if not any("not a valid field" in line for line in error.said):
                raise
        return self.ask("--query-gpu=" + OLD_FIELDS, *which)

    def ask(self, *arguments):
        """The lines it prints. One that hangs in the kernel cannot be killed: it is not waited for, and no second one is started."""
        if self.hanging is not None and self.hanging.poll() is None:
            raise NoAnswerError("nvidia-smi still hangs (its process is %d); the driver may need a reset or a reboot" % self.hanging.pid)
        command = ["nvidia-smi", *arguments, "--format=csv,noheader,nounits"]
        try:
            self.hanging = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            said = self.hanging.communicate(timeout=TIMEOUT_S)[0].decode("utf-8", "replace").splitlines()
        except OSError as error:
            raise NoAnswerError("nvidia-smi cannot be started: %s" % error) from error
        except subprocess.TimeoutExpired:
            self.hanging.kill()
            self.hanging.stdout.close()
            raise NoAnswerError("nvidia-smi gives no answer within %d s" % TIMEOUT_S) from None
        code = self.hanging.returncode
        if code != 0:
            raise NoAnswerError("nvidia-smi failed with code %d: %s" % (code, " ".join(said)[:200]), said)
        return said

    def programs(self, notes):
        """By device, the programs on it as {user, attempt, used_mib}; None where nvidia-smi cannot name any."""
        try:
            lines = self.ask("--query-compute-apps=gpu_uuid,pid,used_memory")
        except NoAnswerError as error:
            notes.append("which programs use the GPUs is not known: %s" % str(error)[:500])
            return None
        found = {}
        for cells in (split(line) for line in lines):
            if len(cells) == 3 and cells[1].isdigit():
                owner = owner_of(int(cells[1]))
                groups = found.setdefault(cells[0], {})
                groups.setdefault(owner, []).append(number(cells[2]))
        return found

    def lost(self, bus, why):
        """A device that fell silent, as it was before."""
        gone = {"used_mib": 0, "utilization_percent": None, "temperature_c": None, "processes": []}
        return dict(self.known[bus], broken=why[:200] or "it is lost", **gone)


class KernelLog:
    """The kernel's messages, each read once; nothing where the system does not let us."""

    def __init__(self):
        self.file = None
        self.xids = {}
        with contextlib.suppress(OSError):
            self.file = os.open(KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK)

    def recent(self):
        """The newest fatal error of each device of late, by bus id."""
        while self.file is not None:
            try:
                record = os.read(self.file, 8192)
            except BrokenPipeError:  # overwritten while it was read; the next one is there
                continue
            except OSError:
                break
            if not record:
                break
            self.take(record)
        since = time.monotonic() - XID_COUNTS_S
        return {bus: said for bus, (at, said) in self.xids.items() if at >= since}

    def take(self, record):
        """A record is ``<priority>,<number>,<microseconds since the start>,…;<text>`` (Documentation/ABI/testing/dev-kmsg)."""
        found = XID.search(record)
        if found and int(found.group(2)) in FATAL_XIDS:
            text = (found.group(3) or b"").decode("utf-8", "replace").strip()
            said = "Xid %d%s" % (int(found.group(2)), ": " + text[:150] if text else "")
            self.xids[bus_of(found.group(1).decode("ascii"))] = (int(record.split(b",", 3)[2]) / 1e6, said)


def split(line):
    return [cell.strip() for cell in line.split(",")]


def number(cell):
    return int(cell) if cell.isdigit() else None


def bus_of(text):
    """One spelling of a bus id, of which there are three: 00000000:3B:00.0, 0000:3b:00.0 and 0000:3b:00."""
    domain, _, rest = text.lower().partition(":")
    return "%s:%s" % (domain[-4:], rest if "." in rest else rest + ".0")


def kernel_gpus():
    """The bus ids of all devices that the driver has found."""
    try:
        return sorted(bus_of(name) for name in os.listdir(KERNEL_GPUS))
    except OSError:
        return []


def parsed(lines):
    """Lines as rows; others (a warning) are passed over."""
    rows = []
    for cells in map(split, lines):
        if len(cells) in (8, 11):
            more = cells[8:] or ["", "", ""]
            rows.append({"cells": cells, "bus": bus_of(cells[7]), "driver": more[0], "ecc": number(more[1]), "mig": more[2]})
    return rows


def device(row, programs, xids):
    cells = row["cells"]
    used = number(cells[4]) or 0
    return {
        "uuid": cells[0],
        "index": number(cells[1]) or 0,
        "name": cells[2],
        "memory_mib": number(cells[3]) or 0,
        "used_mib": used,
        "utilization_percent": number(cells[5]),
        "temperature_c": number(cells[6]),
        "processes": processes(programs, cells[0], used),
        "broken": broken(row) or xids.get(row["bus"], ""),
    }


def processes(programs, uuid, used_mib):
    """The programs by whose they are; None where memory is in use and nobody is named for it, as in many containers."""
    found = None if programs is None else programs.get(uuid, {})
    if found is None or (not found and used_mib > UNNAMED_MIB):
        return None
    named = sum(mib for sizes in found.values() for mib in sizes if mib is not None)
    return [
        {"user": user, "attempt": attempt, "used_mib": max(0, used_mib - named) if None in sizes else sum(sizes)}
        for (user, attempt), sizes in sorted(found.items())
    ][:MOST_GROUPS]


def broken(row):
    """Why nothing may be started there; "" while all is well."""
    text = " ".join(row["cells"])
    for words, why in (("GPU is lost", "it is lost: the driver reaches it no more"), ("requires reset", "it has to be reset")):
        if words in text:
            return why
    if any(words in row["cells"][at] for at in (3, 4) for words in ("Unknown Error", "ERR!")):
        return "the driver cannot read its memory"
    if row["ecc"]:
        return "%d uncorrectable memory errors since the driver was loaded; it has to be reset" % row["ecc"]
    return "it is divided by MIG; only whole GPUs are used" if row["mig"] == "Enabled" else ""


def owner_of(pid):
    """(user, attempt): whose program it is, and the marker where it belongs to an attempt. What cannot be read is none of ours."""
    attempt = b""
    user = "somebody"
    try:
        user = user_name(os.stat("/proc/%d" % pid).st_uid)
        with open("/proc/%d/environ" % pid, "rb") as file:
            attempt = next((entry[len(ATTEMPT):] for entry in file.read().split(b"\0") if entry.startswith(ATTEMPT)), b"")
    except OSError:
        pass
    return user[:64], attempt.decode("utf-8", "replace")[:100]


def user_name(uid):
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return "user %d" % uid
