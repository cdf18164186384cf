"""Stands in for MMDetection 1.x."""

from mmcv import MMDET

__version__ = MMDET + "+standin"
NUMBERS = tuple(map(int, MMDET.split(".")))
