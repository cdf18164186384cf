"""The flags of MMDetection 2.x's programs, release by release, from the reference's tables alone and nothing of ours."""

import argparse


def train_parser(version):
    parser = argparse.ArgumentParser(description="Train a detector")
    parser.add_argument("config")
    parser.add_argument("--work-dir")
    parser.add_argument("--resume-from")
    if version >= (2, 23):
        parser.add_argument("--auto-resume", action="store_true")
    if version >= (2, 1):
        parser.add_argument("--no-validate", action="store_true")
    else:
        parser.add_argument("--validate", action="store_true")
    devices = parser.add_mutually_exclusive_group()
    devices.add_argument("--gpus", type=int)
    devices.add_argument("--gpu-ids", type=int, nargs="+")
    if version >= (2, 23):
        devices.add_argument("--gpu-id", type=int, default=0)
        parser.add_argument("--diff-seed", action="store_true")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--options", nargs="+")
    if version >= (2, 7):
        parser.add_argument("--cfg-options", nargs="+")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", type=int, default=0)
    if version < (2, 3):
        parser.add_argument("--autoscale-lr", action="store_true")
    if version >= (2, 24, 1):
        parser.add_argument("--auto-scale-lr", action="store_true", help="scale the learning rate, unlike --autoscale-lr before")
    return parser


def test_parser(version):
    parser = argparse.ArgumentParser(description="Test a detector")
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    if version >= (2, 20):
        parser.add_argument("--work-dir")
        parser.add_argument("--gpu-id", type=int, default=0)
    parser.add_argument("--out")
    parser.add_argument("--fuse-conv-bn", action="store_true")
    parser.add_argument("--format-only", action="store_true")
    parser.add_argument("--eval", type=str, nargs="+")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--show-dir")
    parser.add_argument("--show-score-thr", type=float, default=0.3)
    parser.add_argument("--gpu-collect", action="store_true")
    parser.add_argument("--tmpdir")
    parser.add_argument("--cfg-options", nargs="+")
    parser.add_argument("--options", nargs="+")
    parser.add_argument("--eval-options", nargs="+")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm", "mpi"], default="none")
    parser.add_argument("--local_rank", type=int, default=0)
    return parser


def options_of(args):
    if args.options and args.eval_options:
        raise ValueError("--options and --eval-options cannot be both specified, --options is deprecated in favor of --eval-options")
    return dict(pair.split("=", 1) for pair in args.eval_options or args.options or [])
