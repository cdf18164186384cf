"""The evaluation hook: it links the best checkpoint since 2.5, and leaves that to mmcv's hook, which copies it, since 2.13."""

from mmcv import runner
from mmdet import NUMBERS

if NUMBERS >= (2, 13):

    class EvalHook(runner.EvalHook):
        def __init__(self, *args, dynamic_intervals=None, **kwargs):
            pass

elif NUMBERS >= (2, 5):

    class EvalHook:
        def __init__(self, dataloader, interval=1, save_best=None, rule=None, **eval_kwargs):
            pass

else:

    class EvalHook:
        def __init__(self, dataloader, interval=1, **eval_kwargs):
            pass
