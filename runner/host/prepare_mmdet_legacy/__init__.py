"""Prepares what MMDetection 1.x and 2.x do, and predicts with them, in the host's own Python (3.6 or newer), next to nothing of ours.

This folder travels to a host as one file and is run there (``runner/host_program.py``). It imports the standard library; torch, mmcv,
mmdet and what they bring (numpy, OpenCV) only inside functions. A config becomes plain dictionaries at once, so that no difference
between mmcv 0.2 and 1.7 matters, and is frozen as literals. Where generations differ, the checkout is asked: its programs say their
flags (``--help``), its classes their arguments. Facts used here: mmdet 1.0.0 to 2.28.2, mmcv 0.2.16 to 1.7.1.
"""
