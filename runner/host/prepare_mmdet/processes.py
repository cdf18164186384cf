"""Several processes that train or evaluate together: what their config must hold where no process has a GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .options import accepted_arguments

if TYPE_CHECKING:
    from mmengine.config import Config


def set_processes(cfg: Config, count: int) -> dict[str, Any]:
    """Nothing where there are GPUs: MMDetection's configs are made for them. Returns what the launch line must know.

    On the CPU, gloo takes NCCL's place (runner/host/gloo_launcher.py), the wrapped model has no device ids (mmengine's wrap_model would
    give them), and SyncBN, which knows CUDA only, becomes BN: the statistics are then each process's own.
    """
    import torch

    if count <= 1 or torch.cuda.is_available():
        return {}
    cfg.setdefault("env_cfg", {})["dist_cfg"] = {"backend": "gloo"}
    unused = cfg.get("find_unused_parameters", False)
    cfg.model_wrapper_cfg = {
        "type": "MMDistributedDataParallel", "device_ids": None, "broadcast_buffers": False, "find_unused_parameters": unused,
    }
    replace_sync_bn(cfg.model)
    if "use_syncbn" in (accepted_arguments(cfg.model.get("type")) or (set(),))[0]:
        cfg.model["use_syncbn"] = False  # RTMDet converts itself where several processes build it
    return {"backend": "gloo"}


def replace_sync_bn(node: Any) -> None:
    """Every SyncBN below a node becomes BN; the weights have the same names."""
    for value in node.values() if isinstance(node, dict) else node:
        if isinstance(value, dict) and value.get("type") == "SyncBN":
            value["type"] = "BN"
        elif isinstance(value, (dict, list, tuple)):
            replace_sync_bn(value)
