"""Twelve epochs, as later releases say it."""

_base_ = "schedule_1x.py"
runner = dict(type="EpochBasedRunner", max_epochs=12)
