"""``python registering_launcher.py MODULE[,MODULE...] PROGRAM [ARGUMENT...]``: MMDetection's program, unmodified, with modules of ours.

mmdet up to 2.3 imports nothing that its config names: own backbones and dataset classes are imported, and so registered, before it
begins. Modules are found in this file's folder and on PYTHONPATH. Standard library only, Python 3.6 or newer.
"""

import importlib
import os
import runpy
import sys


def main():
    """Become the program: its path, its arguments, its exit code."""
    names, program = sys.argv[1].split(","), sys.argv[2]
    for registry in ("mmdet.models", "mmdet.datasets"):
        importlib.import_module(registry)
    for name in names:
        importlib.import_module(name)
    sys.argv = sys.argv[2:]
    sys.path.insert(0, os.path.dirname(program))
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
