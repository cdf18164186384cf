"""Stands in for M2Det's test.py: its command line, the order of its output, its files and its failures."""

import os
import pickle

from configs.CC import Config
from data import BaseTransform
from flags import test_flags
from layers.functions import Detect, PriorBox
from m2det import build_net
from tqdm import tqdm
from utils.core import anchors, banner, get_dataloader, image_forward, init_net, nms_process, print_info

args = test_flags().parse_args()
banner("M2Det Evaluation Program", 21)
cfg = Config.fromfile(args.config)
if not os.path.exists(cfg.test_cfg.save_folder):
    os.mkdir(cfg.test_cfg.save_folder)
anchor_config = anchors(cfg)
print("The Anchor info: \n{}".format(anchor_config))
priors = PriorBox(anchor_config).forward()


def test_net(save_folder, net, testset):
    if not os.path.exists(save_folder):
        os.mkdir(save_folder)
    images, classes = len(testset), cfg.model.m2det_config.num_classes
    print_info("=> Total {} images to test.".format(images))
    all_boxes = [[[] for _ in range(images)] for _ in range(classes)]
    print_info("Begin to evaluate")
    detector = Detect(classes, cfg.loss.bkg_label, anchor_config)
    transform = BaseTransform(cfg.model.input_size, cfg.model.rgb_means, (2, 0, 1))
    for index in tqdm(range(images)):
        boxes, scores = image_forward(testset.pull_image(index), net, cfg.test_cfg.cuda, priors, detector, transform)
        nms_process(classes, index, scores, boxes, cfg, cfg.test_cfg.score_threshold, all_boxes, cfg.test_cfg.topk)
    with open(os.path.join(save_folder, "detections.pkl"), "wb") as file:
        pickle.dump(all_boxes, file)
    print_info("===> Evaluating detections")
    testset.evaluate_detections(all_boxes, save_folder)
    for what in ("Detect", "Nms", "Total"):
        print("{} time per image: {:.3f}s".format(what, 0.01 * images / (images - 1)))
    print("FPS: {:.3f} fps".format(100.0))


if __name__ == "__main__":
    net = build_net("test", size=cfg.model.input_size, config=cfg.model.m2det_config)
    init_net(net, cfg, args.trained_model)
    print_info("===> Finished constructing and loading model")
    net.eval()
    testset = get_dataloader(cfg, args.dataset, "test_sets" if args.test else "eval_sets")
    test_net(os.path.join(cfg.test_cfg.save_folder, args.dataset), net, testset)
