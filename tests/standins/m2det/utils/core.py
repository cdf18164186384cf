"""Stands in for what M2Det's programs share. Its net finds one thing: whatever has another colour than the picture's first corner."""

import torch
from data import COCODetection, VOCDetection
from termcolor import cprint
from utils.nms_wrapper import nms


def banner(words, before):
    print_info("-" * 70 + "\n|" + " " * before + words.ljust(68 - before) + "|\n" + "-" * 70)


def print_info(info):
    cprint(info, "yellow", attrs=["bold"])


def print_train_log(iteration, print_epochs, info_list):
    if iteration % print_epochs == 0:
        line = "Time:{}||Epoch:{}||EpochIter:{}/{}||Iter:{}||Loss_L:{:.4f}||Loss_C:{:.4f}||Batch_Time:{:.4f}||LR:{:.7f}"
        cprint(line.format(*info_list), "green")


def anchors(cfg):
    return {"feature_maps": [40, 20, 10, 5, 3, 1], "min_dim": cfg.model.input_size}


def init_net(net, cfg, resume_net):
    if cfg.model.init_net and not resume_net:
        net.init_model(cfg.model.pretrained)
        return
    print("Loading resume network...")
    state = torch.load(resume_net)
    net.load_state_dict({name[7:] if name[:7] == "module." else name: value for name, value in state.items()}, strict=False)


def get_dataloader(cfg, dataset, setname="train_sets"):
    reader = {"VOC": VOCDetection, "COCO": COCODetection}[dataset]
    return reader(cfg.COCOroot if dataset == "COCO" else cfg.VOCroot, getattr(cfg.dataset, dataset)[setname], None)


def adjust_learning_rate(epoch, iteration, epoch_size, cfg):
    global lr
    if epoch <= 5:
        lr = cfg.train_cfg.end_lr + (cfg.train_cfg.lr[0] - cfg.train_cfg.end_lr) * iteration / (epoch_size * cfg.train_cfg.warmup)
    else:
        for i in range(len(cfg.train_cfg.step_lr.COCO)):
            if cfg.train_cfg.step_lr.COCO[i] >= epoch:
                lr = cfg.train_cfg.lr[i]
                break
    return lr


def save_checkpoint(net, cfg, final=True, datasetname="COCO", epoch=10):
    name = "M2Det_{}_size{}_net{}".format(datasetname, cfg.model.input_size, cfg.model.m2det_config.backbone)
    path = cfg.model.weights_save + ("Final_{}.pth".format(name) if final else "{}_epoch{}.pth".format(name, epoch))
    torch.save(net.state_dict(), path)


def image_forward(img, net, cuda, priors, detector, transform):
    import numpy as np

    rows, columns = np.nonzero(np.abs(transform(img).astype(int) - img[0, 0]).sum(axis=2) > 60)
    if not net.seen or not len(rows):
        return np.zeros((0, 4)), np.zeros((0, detector.num_classes))
    scores = np.zeros((1, detector.num_classes))
    scores[0, 1] = 0.9
    return np.array([[columns.min(), rows.min(), columns.max(), rows.max()]], float), scores


def nms_process(num_classes, i, scores, boxes, cfg, min_thresh, all_boxes, max_per_image):
    import numpy as np

    for j in range(1, num_classes):
        inds = np.where(scores[:, j] > min_thresh)[0]
        dets = np.hstack((boxes[inds], scores[inds, j][:, np.newaxis])).astype(np.float32)
        all_boxes[j][i] = dets[nms(dets, cfg.test_cfg.iou, force_cpu=cfg.test_cfg.soft_nms)[: cfg.test_cfg.keep_per_class]]
