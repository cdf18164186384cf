"""The flags of MMDetection 1.x's programs, release by release, from the reference's tables alone and nothing of ours."""

import argparse


def train_parser(version):
    parser = argparse.ArgumentParser(description="Train a detector")
    parser.add_argument("config")
    parser.add_argument("--work_dir")
    parser.add_argument("--resume_from")
    parser.add_argument("--validate", action="store_true")
    if version >= (1, 2):
        devices = parser.add_mutually_exclusive_group()
        devices.add_argument("--gpus", type=int)
        devices.add_argument("--gpu-ids", type=int, nargs="+")
    else:
        parser.add_argument("--gpus", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", type=int, default=0)
    parser.add_argument("--autoscale-lr", action="store_true")
    return parser


def test_parser(version):
    parser = argparse.ArgumentParser(description="Test a detector")
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--out")
    if version >= (1, 1):
        parser.add_argument("--format_only", action="store_true")
        parser.add_argument("--eval", type=str, nargs="+")
        parser.add_argument("--options", nargs="+")
    else:
        parser.add_argument("--json_out")
        parser.add_argument("--eval", type=str, nargs="+", choices=["proposal", "proposal_fast", "bbox", "segm", "keypoints"])
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--gpu_collect", action="store_true")
    parser.add_argument("--tmpdir")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", type=int, default=0)
    return parser


def options_of(args):
    return dict(pair.split("=", 1) for pair in getattr(args, "options", None) or [])
