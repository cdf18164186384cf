"""Prepares, launches and draws with M2Det on a host; runs in the environment's own Python (3.6 or newer), next to nothing of ours.

This folder travels to a host as one file and is run there (``runner/host_program.py``). It imports the standard library, and torch,
OpenCV and the checkout's own modules only inside functions: what needs none of them can be tested without. Facts used here were
read in M2Det at de4a624 (train.py, test.py, demo.py, utils/core.py, data/, configs/).
"""
