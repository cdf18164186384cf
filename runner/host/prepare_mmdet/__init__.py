"""Prepares MMDetection 3.x trainings; runs in the training environment's Python (3.8 or newer), next to nothing of ours.

This folder travels to a host as one file and is run there (``runner/host_program.py``). It imports the standard library,
torch, mmengine and mmdet, the last three only inside functions: what needs no framework is refused before they load, and can
be tested without them. Facts used here were read in mmengine 0.10.7 (runner/runner.py, optim/scheduler, hooks/ema_hook.py)
and mmdet 3.3.0.
"""
