"""Shows TensorBoard for a while. One stdlib file for Python >= 3.6, run by the environment that has TensorBoard.

``python board.py board.json``; the JSON object holds ``folder`` (what it shows) and ``hours`` (after which it ends). It listens on this
host's loopback only, at a port that was free. stdout: {"summary": {"port": n}} once it answers; what TensorBoard says goes to stderr.
"""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time

START_S, END_S, LOOK_S = 120.0, 10.0, 0.5
SERVES = re.compile(r"http://[^\s/]+:(\d+)/")
MISSING = re.compile(r"No module named '?(\w+)")
DISTRIBUTIONS = {"pkg_resources": "'setuptools<81'"}  # later ones do not have it, and TensorBoard imports it
SAID_LINES = 20


class BoardError(Exception):
    """A sentence for the person who asked."""


class Board:
    """TensorBoard as a child: where it serves, and what it said last."""

    def __init__(self, folder):
        argv = [sys.executable, "-m", "tensorboard.main", "--logdir", folder, "--host", "127.0.0.1", "--port", "0"]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.port, self.said = None, []
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            sys.stderr.buffer.write(line)
            sys.stderr.buffer.flush()
            text = line.decode("utf-8", "replace").strip()
            self.said = [*self.said, text][-SAID_LINES:] if text else self.said
            serves = SERVES.search(text)
            if serves:
                self.port = int(serves.group(1))

    def end(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


def started(board, stopped):
    """Wait until it serves; BoardError where it does not."""
    until = time.monotonic() + START_S
    while board.port is None and not stopped.is_set():
        if board.process.poll() is not None:
            board.reader.join(END_S)
            raise BoardError(why(board.said))
        if time.monotonic() > until:
            raise BoardError("TensorBoard did not begin to serve within %d seconds." % START_S)
        stopped.wait(LOOK_S / 5)


def why(said):
    last = said[-1] if said else "it said nothing"
    missing = MISSING.search(last)
    if missing:
        install = "%s -m pip install %s" % (sys.executable, DISTRIBUTIONS.get(missing.group(1), missing.group(1)))
        return "TensorBoard needs %s, which is not installed: `%s` on this host installs it." % (missing.group(1), install)
    return "TensorBoard does not start: %s" % last


def show(plan, stopped):
    if not os.path.isdir(plan["folder"]):
        raise BoardError("There is nothing to show yet: %s does not exist." % plan["folder"])
    board = Board(plan["folder"])
    try:
        started(board, stopped)
        if board.port is not None:
            print(json.dumps({"summary": {"port": board.port}}), flush=True)
        until = time.monotonic() + 3600 * plan["hours"]
        while not stopped.is_set() and time.monotonic() < until:
            if board.process.poll() is not None:
                raise BoardError(why(board.said))
            stopped.wait(LOOK_S)
    finally:
        board.end()


def main():
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stopped.set())
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    try:
        show(plan, stopped)
    except BoardError as error:
        if not stopped.is_set():  # the child hears the same signal, and may be the first to go
            print("ENVIRONMENT_ERROR: %s" % error, flush=True)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
