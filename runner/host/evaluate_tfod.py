"""``python evaluate_tfod.py <model_main_tf2.py> <checkpoint prefix>`` in an attempt's directory: that checkpoint is evaluated, once.

The API's own program evaluates what a folder's ``checkpoint`` file names, and ends at once only where the step is the target; else it
waits for minutes. So it is given a folder with this checkpoint alone, and its step. Its average precision of each class needs a
``category_stats`` that only a fork of pycocotools had (metrics/coco_tools.py, ComputeMetrics); it is supplied here, from the same numbers.
Runs in the training environment's Python.
"""

import os
import runpy
import sys

FOLDER = "evaluating"


def category_stats(evaluator):
    """[average precision of every class]: over the recall and IoU thresholds, of all areas and most detections; -1 where undefined."""
    precision = evaluator.eval["precision"][:, :, :, 0, -1]
    defined = [precision[:, :, index][precision[:, :, index] > -1] for index in range(precision.shape[2])]
    return [[float(values.mean()) if len(values) else -1.0 for values in defined]]


def main() -> None:
    """Find out the step, then become the API's program."""
    program, prefix = sys.argv[1:]
    import tensorflow as tf
    from object_detection.metrics import coco_tools

    coco_tools.COCOEvalWrapper.category_stats = property(category_stats)
    step = tf.train.load_checkpoint(prefix).get_tensor("step/.ATTRIBUTES/VARIABLE_VALUE")
    os.makedirs(FOLDER, exist_ok=True)
    tf.compat.v1.train.update_checkpoint_state(FOLDER, prefix)
    sys.argv = [
        program, "--pipeline_config_path=pipeline.config", "--model_dir=model", "--checkpoint_dir=" + FOLDER, "--num_train_steps=%d" % step,
        "--eval_timeout=60",
    ]
    sys.path[0] = os.path.dirname(program)
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
