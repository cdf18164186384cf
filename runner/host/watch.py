"""Tells what happens to the attempts on this host, as it happens. Stdlib for Python >= 3.6: the part that watch_host and watch_slurm share.

stdin:  JSON lines {"root": path, "watch": [{directory, marker, offset, generation, inode, claimed}], "unwatch": [directory]}, every
        key optional; ``{}`` says that the other side lives. Ends itself when stdin closes or nothing came for a minute.
stdout: frames: one JSON line with "frame" and "length", then that many bytes (of a log; 0 for all others).
"""

import collections
import getpass
import json
import os
import select
import sys
import threading
import time

TICK_S = 0.02
LONGEST_TICK_S = 0.1
TICK_PER_ATTEMPT_S = 0.003  # bounds the looks a second, so that the cost does not grow with the attempts
QUIET_S = 0.25
CHECK_S = 1.0
OOM_CHECKS = 60  # how far before its end a kill for want of memory still counts for an attempt
HEARTBEAT_S = 5.0
RESOURCES_S = 15.0
PATIENCE_S = 60.0
FRAME_BYTES = 256 * 1024
TURN_BYTES = 4 * FRAME_BYTES


class Frames:
    """The way out; the resources thread writes here too."""

    def __init__(self, out):
        self.out = out
        self.lock = threading.Lock()

    def send(self, frame, body=b"", **header):
        header["frame"] = frame
        header["length"] = len(body)
        text = json.dumps(header).encode() + b"\n"
        with self.lock:
            self.out.write(text + body)
            self.out.flush()


def read_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def oom_kills():
    """How many processes the kernel killed for want of memory since it started; None where it does not say (before 4.13)."""
    _, found, rest = read_text("/proc/vmstat").partition("\noom_kill ")
    return int(rest.split()[0]) if found else None


def start_time(pid):
    """Field 22 of /proc/PID/stat as text; "" for a process that is gone or only waits to be reaped."""
    try:
        with open("/proc/%d/stat" % pid, "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()


def marked(marker):
    """Processes of this user that carry an attempt's marker."""
    wanted = b"SIGNALBOX_ATTEMPT=" + marker.encode()
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and has_entry(int(name), wanted):
            found.append(int(name))
    return found


def has_entry(pid, wanted):
    try:
        with open("/proc/%d/environ" % pid, "rb") as file:
            return wanted in file.read().split(b"\0")
    except OSError:
        return False


def held_by(claim):
    """A descriptor that is ready once the launch.sh of a claim has ended; None where that cannot be had (Python < 3.9, Linux < 5.3), or
    it is no process of this machine any more."""
    pid, started, boot_id = claim.split(":")[1:4]
    if not hasattr(os, "pidfd_open") or boot_id != read_text("/proc/sys/kernel/random/boot_id"):
        return None
    try:
        holder = os.pidfd_open(int(pid))
    except OSError:
        return None
    if start_time(int(pid)) == started:
        return holder
    os.close(holder)
    return None


class Log:
    """An attempt's log from an offset of a generation. Held open: what was written before a rotation is still read after it."""

    def __init__(self, path, offset, generation, inode):
        self.path = path
        self.offset = offset
        self.generation = generation
        self.inode = inode
        self.file = None

    def close(self):
        if self.file is not None:
            self.file.close()
            self.file = None

    def look(self):
        """Whether there may be something to read. Opens the log, and turns to a new generation."""
        try:
            now = os.stat(self.path)
        except OSError:
            return self.rest() > 0
        if self.inode and now.st_ino != self.inode:
            if self.rest() > 0:
                return True
            self.turn()
        if self.file is None:
            self.file = open(self.path, "rb", buffering=0)  # noqa: SIM115 - held across looks
            self.inode = os.fstat(self.file.fileno()).st_ino
        if now.st_ino == self.inode and now.st_size < self.offset:
            self.offset, self.generation = 0, self.generation + 1
        return self.rest() > 0

    def turn(self):
        self.close()
        self.offset, self.generation, self.inode = 0, self.generation + 1, 0

    def rest(self):
        return 0 if self.file is None else os.fstat(self.file.fileno()).st_size - self.offset

    def read(self):
        self.file.seek(self.offset)
        return self.file.read(FRAME_BYTES)


class Attempt:
    """What is known of one watched attempt."""

    def __init__(self, wanted):
        self.directory = wanted["directory"]
        self.marker = wanted["marker"]
        self.log = Log(self.path("log"), int(wanted["offset"]), int(wanted["generation"]), int(wanted.get("inode") or 0))
        self.seen = bool(wanted.get("claimed") or self.log.offset or self.log.generation or self.log.inode)
        self.claim = ""
        self.holder = None
        self.exit = None
        self.done, self.processes = False, []
        self.missing = 0
        self.oom_kills = collections.deque(maxlen=OOM_CHECKS)
        self.log_at = 0.0
        self.check_at, self.pause = 0.0, TICK_S

    def path(self, name):
        return os.path.join(self.directory, name)

    def follow(self, frames, now):
        """One look: claim, log, exit, and once a second whether directory and processes are still there."""
        if not self.claim:
            self.look_for_claim(frames)
        if self.exit is None:
            self.exit = self.read_exit()
            if self.exit is not None and not self.claim:
                self.look_for_claim(frames)
        if self.done:
            return
        if self.exit is not None or now >= self.log_at:
            self.follow_log(frames, now)
        if self.exit is not None and self.log.rest() <= 0:
            left = self.left() if self.exit[0] == 0 else None  # any other end is swept anyhow
            frames.send("exit", code=self.exit[0], ended_at=self.exit[1], left=left, **self.end())
            self.finish()
        elif self.exit is None and now >= self.check_at:
            self.check_at = now + CHECK_S
            self.check(frames, now)

    def end(self):
        """How far the log was sent before its end is told, so that nobody takes the end for known who lacks some of that."""
        told = {"log_offset": self.log.offset, "log_generation": self.log.generation}
        return dict(told, directory=self.directory, oom_kills=self.oom_kills_since())

    def left(self):
        """How many processes outlived the exit; None where that is not seen from here."""
        return len(marked(self.marker))

    def finish(self):
        self.done = True
        self.close()

    def close(self):
        self.log.close()
        self.let_go()

    def let_go(self):
        if self.holder is not None:
            os.close(self.holder)
            self.holder = None

    def look_for_claim(self, frames):
        try:
            self.claim = os.readlink(self.path("claim"))
        except OSError:
            return
        self.seen = True
        frames.send("claim", directory=self.directory, text=self.claim)
        if self.claim.startswith("cancelled:"):
            self.finish()
        else:
            self.holder = held_by(self.claim)

    def read_exit(self):
        try:
            with open(self.path("exit")) as file:
                code, *ended_at = file.read().split()[:2]  # a launch.sh of before wrote both
                return int(code), float(ended_at[0]) if ended_at else os.fstat(file.fileno()).st_mtime
        except FileNotFoundError:
            return None

    def follow_log(self, frames, now):
        """Send what is new, a bounded share a turn, so that one long log does not hold up the others."""
        sent = 0
        while sent < TURN_BYTES and self.log.look():
            grown_at = os.fstat(self.log.file.fileno()).st_mtime
            data = self.log.read()
            frames.send(
                "log", data, directory=self.directory, offset=self.log.offset, generation=self.log.generation, inode=self.log.inode,
                grown_at=grown_at,
            )
            self.log.offset += len(data)
            sent += len(data)
        self.pause = TICK_S if sent else min(QUIET_S, self.pause * 1.2)
        self.log_at = now + self.pause

    def check(self, frames, now):
        if os.path.isdir(self.directory):
            self.seen = True
        elif self.seen:
            frames.send("gone", directory=self.directory)
            self.finish()
            return
        # Twice in a row: a program just forked carries its marker only once it was executed.
        self.missing = self.missing + 1 if self.claim and not self.alive() and not os.path.exists(self.path("exit")) else 0
        if self.missing < 2:
            return
        self.follow_log(frames, now)
        if self.log.rest() <= 0:
            frames.send("vanished", **self.end())
            self.finish()

    def oom_kills_since(self):
        """Kills for want of memory in about the last minute; None where nobody looked before the end."""
        before, now = self.oom_kills[0] if self.oom_kills else None, oom_kills()
        return None if before is None or now is None else max(0, now - before)

    def alive(self):
        """Whether launch.sh or any process of the attempt lives. The sweep of all processes is dear: known ones are asked first."""
        pid, started, boot_id = self.claim.split(":")[1:4]
        if boot_id != read_text("/proc/sys/kernel/random/boot_id"):
            return False
        self.oom_kills.append(oom_kills())  # only here is it certain that this is the machine it lives on
        if start_time(int(pid)) == started:
            return True
        wanted = b"SIGNALBOX_ATTEMPT=" + self.marker.encode()
        if not any(has_entry(process, wanted) for process in self.processes):
            self.processes = marked(self.marker)
        return bool(self.processes)


def resources(root):
    """Disk and load of the machine; its devices are the two packages'."""
    notes = []
    free = total = 0
    try:
        disk = os.statvfs(root)
        free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    except OSError as error:
        notes.append("cannot read the disk of %s: %s" % (root, error))
    return {
        "disk_free_bytes": free,
        "disk_total_bytes": total,
        "load": os.getloadavg()[0],
        "cpus": len(os.sched_getaffinity(0)),
        "notes": notes,
    }


class Watch:
    """The loop: what is asked for on stdin against what is there."""

    attempt, resources = Attempt, staticmethod(resources)

    def __init__(self, frames):
        self.frames = frames
        self.attempts, self.root, self.unread = {}, None, b""
        self.heard_at = time.monotonic()

    def connected(self):
        self.frames.send(
            "connected",
            machine_id=read_text("/etc/machine-id"),
            host_name=os.uname().nodename,
            boot_id=read_text("/proc/sys/kernel/random/boot_id"),
            user=getpass.getuser(),
            python=sys.executable or "",
        )

    def run(self):
        self.connected()
        beat_at = 0.0
        while True:
            now = time.monotonic()
            if now >= beat_at:
                self.frames.send("heartbeat", host_time=time.time())
                beat_at = now + HEARTBEAT_S
            active = [attempt for attempt in self.attempts.values() if not attempt.done]
            for attempt in active:
                self.follow(attempt, now)
            tick = min(LONGEST_TICK_S, max(TICK_S, TICK_PER_ATTEMPT_S * len(active)))
            if not self.listen(tick if active else max(0.0, beat_at - time.monotonic()), active):
                return
            if time.monotonic() - self.heard_at > PATIENCE_S:
                return

    def follow(self, attempt, now):
        """One bad path never ends the watch of the others."""
        try:
            attempt.follow(self.frames, now)
        except BrokenPipeError:
            raise
        except (OSError, ValueError, IndexError) as error:
            if now >= attempt.check_at:
                attempt.check_at = now + HEARTBEAT_S
                self.frames.send("note", directory=attempt.directory, text="%s: %s" % (type(error).__name__, error))

    def listen(self, timeout_s, active):
        """Take what is asked for, or wake because a launch.sh ended; False once nobody asks any more."""
        holders = {attempt.holder: attempt for attempt in active if attempt.holder is not None}
        ready, _, _ = select.select([0, *holders], [], [], timeout_s)
        for holder in set(ready) & set(holders):
            holders[holder].let_go()
        if 0 not in ready:
            return True
        data = os.read(0, 65536)
        if not data:
            return False
        self.heard_at = time.monotonic()
        *lines, self.unread = (self.unread + data).split(b"\n")
        for line in lines:
            self.take(line)
        return True

    def take(self, line):
        try:
            order = json.loads(line.decode("utf-8"))
            self.look_after(order.get("root"))
            for directory in order.get("unwatch", ()):
                self.forget(directory)
            for wanted in order.get("watch", ()):
                self.forget(wanted["directory"])
                self.attempts[wanted["directory"]] = self.attempt(wanted)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            self.frames.send("note", directory="", text="cannot read an order: %s: %s" % (type(error).__name__, error))

    def look_after(self, root):
        """Tell about the machine from now on; ``root`` is where its disk is looked at."""
        if root and self.root is None:
            self.root = root
            threading.Thread(target=self.tell_resources, daemon=True).start()

    def forget(self, directory):
        attempt = self.attempts.pop(directory, None)
        if attempt is not None:
            attempt.close()

    def tell_resources(self):
        while True:
            self.frames.send("resources", **self.resources(self.root))
            time.sleep(RESOURCES_S)
