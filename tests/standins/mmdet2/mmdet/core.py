"""The evaluation hook: it keeps the best checkpoint since 2.5."""

from mmdet import NUMBERS


class EvalHook:
    if NUMBERS >= (2, 5):

        def __init__(self, dataloader, interval=1, save_best=None, rule=None, **eval_kwargs):
            pass

    else:

        def __init__(self, dataloader, interval=1, **eval_kwargs):
            pass
