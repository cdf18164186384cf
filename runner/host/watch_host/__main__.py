"""Tells what happens to the attempts on this host and to its GPUs: stdin and stdout are those of watch.py."""

import contextlib
import os
import sys

from .gpus import Gpus
from .watch import Frames, Watch, resources


class HostWatch(Watch):
    """The watch of watch.py, with the GPUs of the host among its resources."""

    def __init__(self, frames):
        super().__init__(frames)
        self.gpus = Gpus()

    def resources(self, root):
        said = resources(root)
        said["devices"], said["driver"] = self.gpus.look(said["notes"])
        return said


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        HostWatch(Frames(sys.stdout.buffer)).run()
    # The resources thread may sit in a slow nvidia-smi, and a closed stdout must not fail again while Python cleans up.
    os._exit(0)
