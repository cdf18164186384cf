"""Modules of a detector: they know their parts, and weights whose shapes follow the number of classes."""

from mmcv.utils import build_from_cfg, part
from torch import Tensor


class Module:
    registries = ()
    extra_class = 0  # 2.x: a head has a row for the background besides its classes

    def children(self):
        for key, value in self.given.items():
            if key not in ("train_cfg", "test_cfg"):
                items = list(enumerate(value)) if isinstance(value, (list, tuple)) else [(None, value)]
                for index, item in items:
                    if isinstance(item, dict) and "type" in item and key not in ("norm_cfg", "init_cfg", "conv_cfg"):
                        yield key if index is None else "%s.%d" % (key, index), item

    def named_modules(self, prefix=""):
        yield prefix, self
        for key, cfg in self.children():
            if any(registry.get(cfg["type"]) for registry in self.registries):
                module = build_from_cfg(cfg, self.registries)
                yield from module.named_modules("%s.%s" % (prefix, key) if prefix else key)
            elif key in ("backbone", "neck") or key.split(".")[0].endswith("head"):
                raise KeyError("%s is not in the models registry" % cfg["type"])

    def state_dict(self):
        found = {}
        for name, module in self.named_modules():
            rows = getattr(module, "num_classes", None)
            found["%s.weight" % name] = Tensor((8, 3) if rows is None else (rows + self.extra_class, 4))
        return found


def module(registries, registry, name, extra_class, **defaults):
    cls = part(name, (Module,), **defaults)
    cls.registries, cls.extra_class = registries, extra_class
    registry.module_dict[name] = cls
    return cls
