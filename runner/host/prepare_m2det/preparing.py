"""The verb ``prepare``: a request becomes one whole config, the checkpoint it starts from, and what its launch needs to know."""

import os

from .annotations import check_voc
from .checkpoints import HEAD, finished_epochs, newest_whole, require_fit, taken_over
from .config import base_config, parsed, rendered
from .datasets import set_dataset, source_of
from .errors import BadSpecError, listed
from .identity import identify
from .options import apply_options, raw_options
from .proof import prove
from .revisions import source_digest
from .schedule import set_schedule

RESULTS = {"pictures", "pickle", "coco"}


def prepare(request):
    """A PrepareRequest to a Prepared (runner/frameworks/base.py)."""
    revision = identify({"code": request["code_folder"]})["revision"]
    spec, trained = request["spec"], request.get("trained")
    overrides = {key: value for key, value in (spec.get("overrides") or {}).items() if value}
    mode = (spec.get("start") or {}).get("mode", "fresh")
    trains = spec["kind"] == "train"
    prepared = training(request, overrides, mode, trained) if trains else using(request, overrides, trained)
    values = dict(prepared.pop("values"), sources=source_digest(request["code_folder"]))
    return dict(prepared, revision=revision, values=values)


def training(request, overrides, mode, trained):
    """A fresh one, one that goes on, or one that begins with another's weights."""
    spec, dataset = request["spec"], request["dataset"]
    preset, resumes = spec["preset"], mode == "resume"
    before = trained if resumes and trained else {}
    cfg = parsed(before["config"]) if before else configured(request)
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    classes = checked_classes(dataset)
    source = source_of(dataset, training_split(dataset), evaluated_split(dataset))
    cfg["model"]["m2det_config"]["num_classes"] = len(classes) + 1
    notes = set_dataset(cfg, source)
    answer = start(request, mode, trained, prove(cfg))
    at = answer.pop("first_epoch")
    epochs = overrides.get("epochs") or before.get("epochs") or preset["epochs"]
    batch = overrides.get("batch") or before.get("batch") or preset["batch"]
    lr = overrides.get("lr") or (None if before else request.get("lr") or preset["lr"])
    lr, said = set_schedule(cfg["train_cfg"], epochs, lr, at, "lr" in overrides)
    notes += answer.pop("notes") + said
    iterations = iterations_of(dataset, batch, spec.get("gpus", 1))
    save_every = overrides.get("eval_every") or (cfg["model"]["save_eposhs"] if before else preset.get("eval_every", 1))
    notes += set_loading(cfg, batch, iterations, save_every)
    notes += check_backbone(cfg["model"], request["code_folder"]) if mode == "fresh" else []
    check_data(request["folder"], source, evaluated=False)
    values = {"source": source, "first_epoch": at}
    return dict(answer, config=rendered(cfg), epochs=epochs, batch=batch, lr=lr, iterations=iterations, notes=notes, values=values)


def configured(request):
    """The config of the preset with the preset's options."""
    preset = request["spec"]["preset"]
    cfg = base_config(preset, request.get("code") or {}, request["code_folder"])
    apply_options(cfg, preset.get("options") or {}, "preset.options", allowed=("train_cfg.lr",))
    return cfg


def checked_classes(dataset):
    """The class names, which M2Det reads in lower case and puts into names of files."""
    lowered, classes = {}, dataset["classes"]
    if not classes:
        raise BadSpecError("The dataset %s names no classes." % dataset["name"], "dataset.classes")
    for name in classes:
        other = lowered.setdefault(name.lower().strip(), name)
        if other is not name:
            sentence = "M2Det cannot tell the classes %r and %r apart, for it reads names in lower case; merge or rename them."
            raise BadSpecError(sentence % (other, name), "dataset.classes")
        if "/" in name or name == "__background__":
            raise BadSpecError("M2Det cannot have a class called %r; rename it." % name, "dataset.classes")
    return classes


def training_split(dataset):
    """What is trained on."""
    return "trainval" if "train" not in dataset["splits"] and "trainval" in dataset["splits"] else "train"


def evaluated_split(dataset):
    """What is measured, where nobody says otherwise; None where there is no such split."""
    return next((split for split in ("test", "val") if split in dataset["splits"]), None)


def start(request, mode, trained, shapes):
    """What a Prepared says of the checkpoint, the first epoch to come, and sentences for people."""
    at_epoch = (request["spec"].get("start") or {}).get("at_epoch") or 0
    if mode == "fresh":
        return {"checkpoint": None, "checkpoint_epoch": None, "refused": [], "first_epoch": 1, "notes": []}
    resumes, all_epochs = mode == "resume", (trained or {}).get("epochs")
    path, state, refused = newest_whole(request["checkpoints"], all_epochs, resumes)
    done = finished_epochs(path, all_epochs)
    answer = {"checkpoint": path, "checkpoint_epoch": done, "refused": refused}
    if resumes:
        require_fit(path, state, shapes, "; use finetune")
        notes = ["M2Det keeps weights only: the optimizer's momentum starts anew."]
        return dict(answer, first_epoch=done + 1, notes=notes)
    answer["checkpoint"], taken = taken_over(path, state, shapes, request["folder"])
    notes, before, new = [], list(request.get("trained_classes") or ()), taken["new_parameters"]
    if new:
        heads = all(HEAD.fullmatch(name) for name in new)
        which = "The heads are made for other classes and start anew" if heads else "%d weights do not fit and start anew" % len(new)
        notes.append("%s; all else is taken over." % which)
    elif before and before != list(request["dataset"]["classes"]):
        notes.append("The heads are taken over from the classes %s." % listed(before))
    return dict(answer, first_epoch=at_epoch + 1, notes=notes, **taken)


def iterations_of(dataset, batch, gpus):
    """Of one epoch; M2Det leaves out the last images that fill no batch, and with less than one writes its last file at once."""
    images = dataset["images"].get(training_split(dataset), 0)
    iterations = images // (batch * max(1, gpus))
    if not iterations:
        raise BadSpecError(
            "The dataset %s has %d images to train on, fewer than one batch of %d: M2Det would train on nothing and call it success; "
            "use a smaller --batch." % (dataset["name"], images, batch * max(1, gpus)), "overrides.batch",
        )
    return iterations


def set_loading(cfg, batch, iterations, save_every):
    """Batch, lines in the log (``print_epochs`` counts iterations), checkpoints, and the device; returns sentences for people."""
    train_cfg = cfg["train_cfg"]
    train_cfg["per_batch_size"] = batch
    train_cfg["print_epochs"] = max(1, min(int(train_cfg.get("print_epochs", 10)), iterations // 3))
    cfg["model"].update(save_eposhs=save_every, weights_save="weights/", init_net=True)
    return set_device(cfg)


def set_device(cfg):
    """CUDA where there is a device; else images are read in the training process, for forking costs more than it saves."""
    import torch

    cuda = bool(torch.cuda.is_available())
    for part in ("train_cfg", "test_cfg"):
        cfg[part]["cuda"] = cuda
    if not cuda:
        cfg["train_cfg"]["num_workers"] = 0
    return [] if cuda else ["This host offers no CUDA device to M2Det: it works on the CPU, slowly."]


def check_backbone(model, checkout):
    """The backbone's weights have to be there; a relative path is the checkout's. Returns sentences for people."""
    path = model.get("pretrained")
    if model["m2det_config"].get("backbone") != "vgg16":
        return []
    if not isinstance(path, str):
        return ["The backbone starts from random weights: the config names no file for it."]
    model["pretrained"] = os.path.join(checkout, os.path.expanduser(path))
    if not os.path.isfile(model["pretrained"]):
        sentence = "The backbone's weights %s are not on the host; put them there, or set the option model.pretrained to their path."
        raise BadSpecError(sentence % model["pretrained"], "model.pretrained")
    return []


def check_data(folder, source, evaluated):
    """Where the data tree lies beside, its annotations are read as M2Det reads them."""
    part = "eval" if evaluated else "train"
    if source["kind"] == "VOC" and os.path.isdir(os.path.join(folder, "data")):
        listing, _ = source["sets"][part]
        check_voc(os.path.join(folder, source["root"]), os.path.join(folder, listing), source["classes"], evaluated)


def using(request, overrides, trained):
    """A trained model is evaluated, or used on a dataset or on given files."""
    spec, dataset = request["spec"], request["dataset"]
    cfg = parsed(trained["config"]) if trained else configured(request)
    apply_options(cfg, raw_options(overrides.get("options", ())), "overrides.options")
    classes = list(request.get("trained_classes") or dataset["classes"])
    path, state, refused = newest_whole(request["checkpoints"], (trained or {}).get("epochs"), resumable=False)
    cfg["model"]["m2det_config"]["num_classes"] = len(classes) + 1
    require_fit(path, state, prove(cfg))
    source, notes, split = None, [], spec.get("split")
    if dataset is not None:
        split = split or evaluated_split(dataset)
        if split is None:
            raise BadSpecError("The dataset %s has neither a test nor a val split." % dataset["name"], "dataset.splits")
        # The evaluation compares names as they are written, and only training reads them in lower case.
        spelt = {name.lower().strip(): name for name in dataset["classes"]}
        source = dict(source_of(dataset, None, split), classes=[spelt.get(name.lower().strip(), name) for name in classes])
        notes = set_dataset(cfg, source)
    notes += check_evaluation(dataset, split, classes) if spec["kind"] == "eval" else check_prediction(spec)
    if source is not None:
        check_data(request["folder"], source, evaluated=True)
    notes += set_device(cfg)
    return {
        "config": rendered(cfg), "epochs": (trained or {}).get("epochs") or spec["preset"]["epochs"], "batch": 1,
        "lr": cfg["train_cfg"]["lr"][0], "checkpoint": path, "checkpoint_epoch": finished_epochs(path, (trained or {}).get("epochs")),
        "refused": refused, "notes": notes, "values": {"source": source, "classes": classes},
    }


def check_evaluation(dataset, split, classes):
    """What test.py fails on, and what lowers its mean; sentences for people."""
    if dataset["images"].get(split, 0) < 2:
        sentence = "M2Det's evaluation divides by the number of images but one, and %s has fewer than two in %s."
        raise BadSpecError(sentence % (dataset["name"], split), "split")
    notes, lowered = [], {name.lower().strip() for name in dataset["classes"]}
    absent = [name for name in classes if name.lower().strip() not in lowered]
    if absent:
        notes.append("%s has no box of %s: M2Det counts that as AP 0, which lowers the mean." % (dataset["name"], listed(absent)))
    lowered = {name.lower().strip() for name in classes}
    strange = [name for name in dataset["classes"] if name.lower().strip() not in lowered]
    if strange:
        notes.append("The model does not know %s, and passes over their boxes." % listed(strange))
    return notes


def check_prediction(spec):
    """Result files that M2Det cannot make are refused."""
    other = sorted(set(spec.get("results") or ()) - RESULTS)
    if other:
        raise BadSpecError("M2Det makes no %s files; there are: %s." % (listed(other), ", ".join(sorted(RESULTS))), "results")
    return []
