"""Stands in for ``python -m torch.distributed.launch``: its flags, its variables, and the argument it adds without ``--use_env``."""

import argparse
import os
import subprocess
import sys

import torch


def parser():
    made = argparse.ArgumentParser()
    made.add_argument("--nnodes", type=int, default=1)
    made.add_argument("--node_rank", type=int, default=0)
    made.add_argument("--nproc_per_node", type=int, default=1)
    made.add_argument("--master_addr", default="127.0.0.1")
    made.add_argument("--master_port", default=29500, type=int)
    made.add_argument("--use_env", default=False, action="store_true")
    made.add_argument("-m", "--module", default=False, action="store_true")
    made.add_argument("--no_python", default=False, action="store_true")
    made.add_argument("training_script")
    made.add_argument("training_script_args", nargs=argparse.REMAINDER)
    return made


def main():
    given = parser().parse_args()
    variables = dict(os.environ, MASTER_ADDR=given.master_addr, MASTER_PORT=str(given.master_port))
    variables["WORLD_SIZE"] = str(given.nproc_per_node * given.nnodes)
    processes = []
    for local in range(given.nproc_per_node):
        variables.update(RANK=str(given.node_rank * given.nproc_per_node + local), LOCAL_RANK=str(local))
        told = [] if given.use_env else ["--local-rank=%d" % local if torch.__version__ >= "2" else "--local_rank=%d" % local]
        line = [sys.executable, "-u", given.training_script, *told, *given.training_script_args]
        processes.append(subprocess.Popen(line, env=dict(variables)))
    for process in processes:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)


if __name__ == "__main__":
    main()
