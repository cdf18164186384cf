"""Prepares runs of the TensorFlow 2 Object Detection API; runs in the training environment's Python (3.7 or newer).

This folder travels to a host as one file and is run there (``runner/host_program.py``). It imports the standard library, and
tensorflow and object_detection only inside functions. ``configs/`` holds the pipelines that Signalbox's presets name. Facts used here
were read in object_detection as tf-models-research-object-detection 2.8.0 ships it (model_lib_v2.py, utils/config_util.py,
builders/optimizer_builder.py, meta_architectures/*.py).
"""
