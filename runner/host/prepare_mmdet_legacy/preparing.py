"""The verb ``prepare``: a request becomes one whole, proved config and the checkpoint it starts from."""

import math
import os

from .checkpoints import finished_epochs, newest_whole, taken_over
from .config import base_config, frozen_text
from .datasets import check_stuff, metrics, repeats, set_classes, set_dataset, set_masks
from .errors import BadSpecError
from .identity import flags_of, identify, numbers
from .options import apply_options, preset_options, raw_options
from .own_code import use_own_code
from .proof import check_files, prove
from .request import TRAINING, check_framework, check_request
from .resuming import resume, trained_with
from .schedule import set_checkpoints, set_epochs, set_evaluation, set_loading, set_schedule, set_telling
from .using import is_use, prepare_use

TRAIN = "tools/train.py"
CPU_SINCE = (2, 21, 0)


def prepare(request):
    """A PrepareRequest to a Prepared (runner/frameworks/base.py)."""
    if is_use(request):
        return prepare_use(request)
    check_request(request, TRAINING)
    found = identify({"code": request["code_folder"]})
    version = numbers(found["mmdet"])
    spec, preset = request["spec"], request["spec"]["preset"]
    check_framework(preset, version)
    cuda = check_devices(spec, version)
    start = spec.get("start") or {}
    if start.get("at_epoch"):
        raise BadSpecError("MMDetection counts a fine-tune from epoch 0; leave --at-epoch out.", "start.at_epoch")
    mode = start.get("mode", "fresh")
    path, checkpoint, refused = None, None, []
    if mode != "fresh":
        path, checkpoint, refused = newest_whole(request["checkpoints"], resumable=mode == "resume")
    own = use_own_code(request)
    before = trained_with(request.get("trained"), checkpoint) if mode == "resume" else (None, None)
    made = resolved(request, version, own, before, cuda)
    cfg, values = made["cfg"], made["values"]
    check_files(request["folder"], request["dataset"])
    model = prove(cfg, request["dataset"]["classes"], values["dataset_class"], version[0])
    answer = {"checkpoint": path, "checkpoint_epoch": finished_epochs(checkpoint) if checkpoint else None, "refused": refused}
    if mode == "resume":
        wanted = (made["lr"], made["epochs"])
        answer["checkpoint"], notes = resume(path, checkpoint, model, wanted, before, request["folder"])
        made["notes"] += notes
    elif mode == "finetune":
        answer.update(taken_over(model, checkpoint))
        cfg["load_from"] = path
    answer.update(config=frozen_text(cfg), notes=made["notes"], revision=found["revision"], values=values)
    answer.update({key: made[key] for key in ("epochs", "batch", "lr", "iterations")})
    return answer


def check_devices(spec, version):
    """Whether there is a CUDA device; refuses what this version cannot do without one."""
    import torch

    cuda, gpus = bool(torch.cuda.is_available()) and spec.get("gpus", 1) > 0, spec.get("gpus", 1)
    said = ".".join(map(str, version))
    if not cuda and version[0] == 1:
        raise BadSpecError("MMDetection 1.x cannot train on a CPU; choose a host with a GPU, or a preset of MMDetection 3.x.", "gpus")
    if not cuda and version < CPU_SINCE:
        raise BadSpecError("MMDetection %s cannot train on a CPU (2.21 and later can); choose a host with a GPU." % said, "gpus")
    if not cuda and gpus > 1:
        raise BadSpecError("MMDetection 2.x trains in several processes on GPUs only; leave --gpus out on this host.", "gpus")
    distributed = (spec.get("overrides") or {}).get("distributed", True)
    if gpus > 1 and not distributed and version[0] > 1:
        sentence = "MMDetection %s drives several GPUs with a process for each only; leave --no-distributed out." % said
        raise BadSpecError(sentence, "overrides.distributed")
    return cuda


def resolved(request, version, own, before, cuda):
    """Base config, then the preset's options, then what the run sets, then raw options; with what was found out on the way."""
    spec, dataset, folder = request["spec"], request["dataset"], request["folder"]
    preset, overrides = spec["preset"], {key: value for key, value in (spec.get("overrides") or {}).items() if value}
    major, form = version[0], dataset.get("format") or "coco"
    cfg = base_config(preset, request.get("code") or {}, folder, request["code_folder"])
    apply_options(cfg, preset_options(preset.get("options") or {}), "preset.options")
    dataset_class = set_dataset(cfg, dataset, "%s@%s" % (spec["dataset"]["name"], spec["dataset"]["version"]), major, own)
    set_classes(cfg["model"], len(dataset["classes"]) + (1 if major == 1 else 0))
    check_stuff(cfg)
    set_masks(cfg, dataset)
    batch, gpus = overrides.get("batch") or preset["batch"], max(1, spec.get("gpus", 1))
    set_loading(cfg, batch, major, cuda)
    images = dataset["images"].get("train", 0) * repeats(cfg["data"]["train"])
    iterations = math.ceil(images / (batch * gpus)) or 1
    lr = overrides.get("lr") or before[0] or request.get("lr") or preset["lr"]
    epochs = overrides.get("epochs") or before[1] or preset["epochs"]
    notes = set_schedule(cfg, epochs, set_epochs(cfg, epochs, major), lr, iterations)
    notes += set_checkpoints(cfg, overrides.get("keep")) + set_start(cfg, spec)
    set_evaluation(cfg, metrics(cfg, form), overrides.get("eval_every") or preset.get("eval_every", 1), version)
    set_telling(cfg, iterations)
    cfg["dist_params"] = {"backend": "nccl"}
    values = {"kind": "train", "version": version_text(version), "flags": flags_of(request["code_folder"], TRAIN), "cuda": cuda}
    values.update(set_imports(cfg, own), dataset_class=dataset_class, seed=preset.get("seed", 0))
    values["scaling"] = set_scaling(cfg, spec, lr, fresh=before == (None, None) and "lr" not in overrides, flags=values["flags"])
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    return {"cfg": cfg, "values": values, "notes": notes, "epochs": epochs, "batch": batch, "lr": lr, "iterations": iterations}


def version_text(version):
    """(2, 25, 0) as 2.25.0."""
    return ".".join(map(str, version))


def set_start(cfg, spec):
    """Nothing is loaded but what the run asks for; where all weights come from a checkpoint, the backbone's own are not fetched."""
    notes = []
    if cfg.get("load_from"):
        name = os.path.basename(str(cfg["load_from"]))
        notes.append("The config's own load_from (%s) is left out; give it as the preset's start." % name)
    cfg.update(load_from=None, resume_from=None)
    for key in ("auto_resume", "work_dir", "gpu_ids", "device"):
        cfg.pop(key, None)
    if (spec.get("start") or {}).get("mode", "fresh") != "fresh":
        if cfg["model"].get("pretrained"):
            cfg["model"]["pretrained"] = None
        backbone = cfg["model"].get("backbone") or {}
        if "Pretrained" in str((backbone.get("init_cfg") or {}).get("type", "")):
            backbone["init_cfg"] = None
    return notes


def set_imports(cfg, own):
    """The preset's modules: in the config where this mmcv imports what a config names (since 1.1.1), else by our launcher."""
    import mmcv.utils

    if own and hasattr(mmcv.utils, "import_modules_from_strings"):
        earlier = (cfg.get("custom_imports") or {}).get("imports", [])
        imports = [earlier] if isinstance(earlier, str) else list(earlier)
        cfg["custom_imports"] = {"imports": imports + [name for name in own if name not in imports], "allow_failed_imports": False}
        return {"imports": []}
    return {"imports": own}


def set_scaling(cfg, spec, lr, fresh, flags):
    """The flag that makes the framework scale the learning rate itself, where its arithmetic comes to the rate wanted; else "".

    2.24.1 and later multiply by images a step over ``base_batch_size``; 1.0 to 2.2 by GPUs over 8, whatever the batch is.
    """
    preset, gpus = spec["preset"], max(1, spec.get("gpus", 1))
    if cfg.get("auto_scale_lr") is not None or "--auto-scale-lr" in flags:
        cfg["auto_scale_lr"] = {"enable": False, "base_batch_size": preset["batch"] * preset.get("gpus", 1)}
    if not fresh or lr == preset["lr"]:
        return ""
    flag = "--auto-scale-lr" if "--auto-scale-lr" in flags else ""
    if "--autoscale-lr" in flags and math.isclose(preset["lr"] * gpus / 8, lr, rel_tol=1e-9):
        flag = "--autoscale-lr"
    if flag:
        cfg["optimizer"]["lr"] = preset["lr"]
    return flag
