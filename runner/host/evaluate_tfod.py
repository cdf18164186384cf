"""``python evaluate_tfod.py <model_main_tf2.py> <checkpoint prefix>`` in an attempt's directory: that checkpoint is evaluated, once.

The API's own program evaluates what a folder's ``checkpoint`` file names, and ends at once only where the step is the target; else it
waits for minutes. So it is given a folder with this checkpoint alone, and its step. Runs in the training environment's Python.
"""

import os
import runpy
import sys

FOLDER = "evaluating"


def main() -> None:
    """Find out the step, then become the API's program."""
    program, prefix = sys.argv[1:]
    import tensorflow as tf

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
