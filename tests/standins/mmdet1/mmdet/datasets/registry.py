"""Registries of 1.x, which decorate without brackets."""

from mmcv.utils import Registry

DATASETS, PIPELINES = Registry("dataset", bare=True), Registry("pipeline", bare=True)
