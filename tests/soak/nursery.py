"""Starts runners quickly: what they import is imported once. Each line on stdin starts one more, whose pid is the answer."""

from __future__ import annotations

import os
import signal
import sys

from runner.loop import run_runner
from runner.settings import load_settings


def main() -> None:
    settings = load_settings()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who was killed is gone at once
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, 0)
            os.dup2(2, 1)
            run_runner(settings)
            os._exit(0)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
