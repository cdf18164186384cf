"""Predicts with a trained MMDetection 3.x model, in the framework's own Python (3.8 or newer) and in the attempt's directory.

This folder travels to a host as one file (``runner/host_program.py``). It reads pictures of a dataset, given pictures and videos one
batch at a time, asks the model through mmdet's own API, and leaves drawings and result files below ``results/``. The log gets lines of
ours (``{"signalbox": ...}``) for progress and for what was made.
"""
