"""The command lines of M2Det's programs, from the tables of its manual and nothing of ours: type=bool takes any text for true."""

import argparse


def train_flags():
    parser = argparse.ArgumentParser(description="M2Det Training")
    parser.add_argument("-c", "--config", default="configs/m2det320_vgg16.py")
    parser.add_argument("-d", "--dataset", default="COCO")
    parser.add_argument("--ngpu", default=1, type=int)
    parser.add_argument("--resume_net", default=None)
    parser.add_argument("--resume_epoch", default=0, type=int)
    parser.add_argument("-t", "--tensorboard", type=bool, default=False)
    return parser


def test_flags():
    parser = argparse.ArgumentParser(description="M2Det Testing")
    parser.add_argument("-c", "--config", default="configs/m2det320_vgg.py", type=str)
    parser.add_argument("-d", "--dataset", default="COCO")
    parser.add_argument("-m", "--trained_model", default=None, type=str)
    parser.add_argument("--test", action="store_true")
    return parser
