"""Stands in for MMDetection 2.x."""

from mmcv import MMDET

__version__ = MMDET
NUMBERS = tuple(map(int, MMDET.split(".")))
