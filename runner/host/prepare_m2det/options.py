"""Options of a config by dotted key: a preset's, and raw ones of the form ``key=value``.

M2Det reads a fixed set of keys and ignores a misspelt one: so each key is looked up first.
"""

import ast
import re

from .errors import BadSpecError, did_you_mean

RAW_OPTION = re.compile(r"[A-Za-z_][\w.]*=")
# What Signalbox sets consistently from its own flags, from the dataset or from the host.
RESERVED = {
    "train_cfg.lr": "use --lr",
    "train_cfg.per_batch_size": "use --batch",
    "train_cfg.cuda": "the host decides",
    "train_cfg.warmup": "M2Det warms up for five epochs whatever it says, and another number only distorts the learning rate",
    "test_cfg.cuda": "the host decides",
    "test_cfg.save_folder": "results always go to the run's own folder",
    "model.save_eposhs": "use --eval-every",
    "model.weights_save": "results always go to the run's own folder",
    "model.init_net": "use finetune or resume",
    "model.m2det_config.num_classes": "the dataset says how many classes there are",
    "dataset": "the run has its own dataset",
    "VOCroot": "the run has its own dataset",
    "COCOroot": "the run has its own dataset",
}


def raw_options(texts):
    """``key=value`` texts as a mapping; a value that is no Python literal is text."""
    options = {}
    for text in texts:
        if not RAW_OPTION.match(text):
            raise BadSpecError("The raw option %r is not of the form key=value." % text, "overrides.options")
        key, _, value = text.partition("=")
        try:
            options[key] = ast.literal_eval(value)
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            options[key] = value
    return options


def apply_options(cfg, options, where, allowed=()):
    """Set dotted keys of a config, each of which must exist in it. ``allowed`` are reserved keys that may be set all the same."""
    for key, value in options.items():
        for reserved, why in RESERVED.items():
            if (key == reserved or key.startswith(reserved + ".")) and reserved not in allowed:
                raise BadSpecError("The option %s is Signalbox's own: %s." % (key, why), where)
        node, parts = cfg, key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(node, dict) or part not in node:
                here = ".".join(parts[:depth]) or "the config"
                known = node if isinstance(node, dict) else ()
                raise BadSpecError("There is no option %r: %s has no %r%s." % (key, here, part, did_you_mean(part, known)), where)
            node, parent = node[part], node
        parent[parts[-1]] = value
