"""Registries of 2.x."""

from mmcv.utils import Registry

DATASETS, PIPELINES = Registry("dataset"), Registry("pipeline")
