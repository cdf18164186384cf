"""``python gloo_launcher.py PROGRAM [ARGUMENT...]``: runs a program of MMDetection, unmodified, as one of several processes without GPUs.

mmengine's init_dist (0.10.7, dist/utils.py) gives each process its CUDA device before it joins the others, whatever the backend is.
Without such a device that call is left out; all else that gloo needs stands in the config.
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Become the program: its path, its arguments, its exit code."""
    import torch

    if not torch.cuda.is_available():
        torch.cuda.set_device = lambda _device: None
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
