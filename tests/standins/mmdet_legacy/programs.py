"""What tools/train.py and tools/test.py of the stand-ins do behind their flags, in both generations."""

import json
import math
import os
import pickle
import shutil
import sys
from pathlib import Path

import torch
from mmcv import MMDET, Config
from mmcv.runner import Training, say

VERSION = tuple(map(int, MMDET.split(".")))


def witness(args):
    """What this process was told, for the test that started it."""
    told = {"argv": sys.argv[1:], "given": {key: value for key, value in vars(args).items() if value is not None}}
    told["variables"] = {key: os.environ.get(key) for key in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_PORT", "CUDA_VISIBLE_DEVICES")}
    Path("told-%s.json" % os.environ.get("RANK", "0")).write_text(json.dumps(told, default=str))


def world():
    return int(os.environ.get("WORLD_SIZE", "1"))


def leaf(node):
    while "dataset" in node:
        node = node["dataset"]
    return node


def opened(node):
    """(image records, category names) of a dataset: its files must be there."""
    listing = Path(node["ann_file"])
    if listing.suffix != ".json":
        stems = listing.read_text().split()
        return [{"id": stem, "file_name": "JPEGImages/%s.jpg" % stem} for stem in stems], None
    content = json.loads(listing.read_text())
    return content["images"], [item["name"] for item in content["categories"]]


def checked(cfg, build_detector, classes_of, extra):
    """The model, where the dataset's names and the model's number of classes agree."""
    data = leaf(cfg.data.train)
    classes = classes_of(data)
    names = opened(data)[1]
    if names is not None and names != list(classes):
        raise AssertionError("the categories %s are not the classes %s" % (names, classes))
    model = build_detector(cfg.model, train_cfg=cfg.get("train_cfg"), test_cfg=cfg.get("test_cfg"))
    for name, module in model.named_modules():
        count = getattr(module, "num_classes", None)
        if count not in (None, len(classes) + extra) and not name.endswith(("rpn_head", "semantic_head")):
            raise AssertionError("The `num_classes` (%d) in %s does not matches the length of `classes` %d)" % (count, name, len(classes)))
    return model


def train(args, work_dir, resume_from, validate, scaled, build_detector, classes_of, extra):
    witness(args)
    cfg = Config.fromfile(args.config)
    model = checked(cfg, build_detector, classes_of, extra)
    for split in ("val", "test"):
        opened(leaf(cfg.data[split]))
    batch = cfg.data.get("samples_per_gpu") or cfg.data.get("imgs_per_gpu")
    processes = world() if args.launcher != "none" else (args.gpus or 1)
    iterations = math.ceil(len(opened(leaf(cfg.data.train))[0]) / (batch * processes))
    lr = cfg.optimizer["lr"] * (scaled(cfg, processes, batch) if scaled else 1)
    training = Training(cfg, work_dir, model, iterations, lr, validate)
    say("Distributed training: %s" % (args.launcher != "none"))
    if resume_from:
        training.resume(resume_from)
    elif cfg.get("load_from"):
        training.load(cfg.load_from)
    training.run((cfg.get("runner") or {}).get("max_epochs") or cfg.total_epochs)


def results_of(images, cfg, classes):
    """A box for each class of each picture; with a mask head, masks as run lengths."""
    import numpy

    boxes = [numpy.array([[2.0, 3.0, 12.0, 11.0, 0.9 - 0.1 * at]], dtype=numpy.float32) for at in range(len(classes))]
    if not any("mask_head" in key for key in str(cfg.model).replace("'", '"').split('"')):
        return [boxes for _ in images]
    from pycocotools.mask import encode

    mask = numpy.zeros((24, 32), order="F", dtype=numpy.uint8)
    mask[3:11, 2:12] = 1
    return [(boxes, [[encode(mask)] for _ in classes]) for _ in images]


def test(args, classes_of, options, out_required, prints):
    witness(args)
    cfg = Config.fromfile(args.config)
    if args.eval and (2, 5) <= VERSION < (2, 8) and "save_best" in cfg.get("evaluation", {}):
        raise TypeError("evaluate() got an unexpected keyword argument 'save_best'")
    checkpoint = torch.load(args.checkpoint, map_location="cpu")
    data = leaf(cfg.data.test)
    images, classes = opened(data)[0], classes_of(data)
    if int(os.environ.get("RANK", "0")):
        return
    for at, _ in enumerate(images):
        print("\r[%s] %d/%d, 10.9 task/s, elapsed: 0s, ETA:     0s" % (">" * 30, at + 1, len(images)), end="", flush=True)
    if args.out:
        print("\nwriting results to %s" % args.out)
        Path(args.out).write_bytes(pickle.dumps(results_of(images, cfg, classes)))
    elif out_required:
        raise AssertionError("Please specify at least one operation (save or show the results) with the argument --out or --show")
    if getattr(args, "show_dir", None):
        for image in images:
            target = Path(args.show_dir, image["file_name"])
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(Path(data["img_prefix"], image["file_name"]), target)
    if getattr(args, "format_only", False) or getattr(args, "json_out", None) or "jsonfile_prefix" in options:
        write_formats(options, getattr(args, "json_out", None), images, classes)
    if args.eval and not getattr(args, "format_only", False):
        evaluated(args.eval, options, classes, 0.1 * (checkpoint["meta"].get("epoch") or 1), prints)


def write_formats(options, json_out, images, classes):
    prefix = json_out or options.get("jsonfile_prefix")
    if prefix:
        entries = [{"image_id": image["id"], "category_id": 1, "bbox": [2, 3, 10, 8], "score": 0.9} for image in images]
        Path("%s.bbox.json" % prefix).write_text(json.dumps(entries))
    if options.get("txtfile_prefix"):
        for image in images:
            Path(options["txtfile_prefix"], Path(image["file_name"]).stem + "_pred.txt").write_text("%s 26 0.9\n" % classes[0])


def evaluated(tasks, options, classes, ap, prints):
    """The tables, and in later releases the dictionary."""
    metrics = []
    for task in tasks:
        if task == "mAP":
            row = "| %s | 4 | 4 | 0.5 | %.3f |"
            lines = [row % (name, ap) for name in classes]
            print("\n+---+\n| class | gts | dets | recall | ap |\n+---+\n%s\n+---+\n| mAP | | | | %.3f |\n+---+" % ("\n".join(lines), ap))
            metrics.append(("mAP", round(ap, 3)))
        elif task == "proposal_fast":
            print("AR@100\t%.4f\nAR@300\t%.4f\nAR@1000\t%.4f" % (ap, ap, ap))
        else:
            table(task, ap)
            metrics += [("%s_mAP" % task, round(ap, 3)), ("%s_mAP_50" % task, round(ap, 3))]
            if options.get("classwise"):
                cells = "".join("| %s | %.3f " % (name, ap) for name in classes)
                print("+---+\n%s|\n+---+\n%s|\n+---+" % ("| category | AP " * min(3, len(classes)), cells))
    if prints:
        print("OrderedDict([%s])" % ", ".join("('%s', %s)" % pair for pair in metrics))


def table(task, ap):
    print("Evaluating %s...\nLoading and preparing results...\nDONE (t=0.01s)\nRunning per image evaluation..." % task)
    print("Evaluate annotation type *%s*\nDONE (t=0.10s).\nAccumulating evaluation results...\nDONE (t=0.02s)." % task)
    row = " Average Precision  (AP) @[ IoU=%-9s | area=%6s | maxDets=100 ] = %.3f"
    for iou, area in (("0.50:0.95", "all"), ("0.50", "all"), ("0.75", "all"), ("0.50:0.95", "small"), ("0.50:0.95", "medium")):
        print(row % (iou, area, ap))
    print(row % ("0.50:0.95", "large", -1.0))
