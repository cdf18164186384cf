"""What mmcv's runner prints and writes in a training: TextLoggerHook's lines in the grammar of each release, checkpoints, the best one."""

import os
import random
import time
from pathlib import Path

import torch
from mmcv import NUMBERS


class CheckpointHook:
    if NUMBERS >= (0, 6):

        def __init__(self, interval=-1, by_epoch=True, save_optimizer=True, out_dir=None, max_keep_ckpts=-1, **kwargs):
            pass

    else:

        def __init__(self, interval=-1, save_optimizer=True, out_dir=None, **kwargs):
            pass


class EvalHook:
    def __init__(self, dataloader, interval=1, save_best=None, rule=None, **eval_kwargs):
        pass


def say(text):
    name = "mmdet - " if NUMBERS >= (0, 3) else ""
    print("%s,%03d - %sINFO - %s" % (time.strftime("%Y-%m-%d %H:%M:%S"), random.randrange(1000), name, text), flush=True)


class Training:
    """One process of a training: rank 0 speaks and writes."""

    def __init__(self, cfg, work_dir, model, iterations, lr, validate):
        self.cfg, self.work_dir, self.model, self.iterations, self.lr, self.validate = cfg, Path(work_dir), model, iterations, lr, validate
        self.first, self.rank = 1, int(os.environ.get("RANK", "0"))
        self.fails_at = int(os.environ.get("STANDIN_FAIL_AT", "0"))

    def resume(self, path):
        checkpoint = torch.load(path, map_location="cpu")
        self.lr = checkpoint["optimizer"]["param_groups"][0]["lr"]
        self.first = checkpoint["meta"]["epoch"] + 1
        self.fails_at = 0
        say("load checkpoint from local path: %s" % path)
        say("resumed epoch %d, iter %d" % (checkpoint["meta"]["epoch"], checkpoint["meta"]["iter"]))

    def load(self, path):
        torch.load(path, map_location="cpu")
        say("load checkpoint from local path: %s" % path)
        self.fails_at = 0

    def run(self, epochs):
        if self.rank:
            return
        self.work_dir.mkdir(parents=True, exist_ok=True)
        best = -1.0
        for epoch in range(self.first, epochs + 1):
            for iteration in range(1, self.iterations + 1):
                time.sleep(0.01)
                say(self.train_line(epoch, iteration, epochs))
            self.save(epoch)
            ap = min(0.9, 0.1 * epoch)
            if self.validate and epoch % self.cfg.evaluation.interval == 0:
                say(self.eval_line(epoch, ap))
                best = self.keep_best(epoch, ap, best)
            if epoch == self.fails_at:
                raise RuntimeError("CUDA error: an illegal memory access was encountered")

    def train_line(self, epoch, iteration, epochs):
        lr = "%.3e" % self.lr if NUMBERS >= (0, 6) else "%.5f" % self.lr
        left = ((epochs - epoch) * self.iterations + self.iterations - iteration) // 100
        loss = 2.0 / ((epoch - 1) * self.iterations + iteration)
        return "Epoch [%d][%d/%d]\tlr: %s, eta: 0:00:%02d, time: 0.010, data_time: 0.001, memory: 1024, loss_cls: %.4f, loss: %.4f" % (
            epoch, iteration, self.iterations, lr, left, loss / 2, loss,
        )

    def eval_line(self, epoch, ap):
        tasks = self.cfg.evaluation.get("metric", "bbox")
        fields = []
        for task in [tasks] if isinstance(tasks, str) else tasks:
            if task == "mAP":
                fields.append("mAP: %.4f, AP50: %.4f" % (ap, ap))
            elif task == "proposal_fast":
                fields.append("AR@100: %.4f, AR@300: %.4f, AR@1000: %.4f" % (ap, ap, ap))
            else:
                fields.append("{0}_mAP: {1:.4f}, {0}_mAP_50: {1:.4f}, {0}_mAP_75: {1:.4f}, {0}_mAP_s: -1.0000".format(task, ap))
        if NUMBERS <= (1, 0, 5):
            return "Epoch [%d][%d/%d]\tlr: %.5f, %s" % (epoch, self.iterations, self.iterations, self.lr, ", ".join(fields))
        return "Epoch(val) [%d][%d]\t%s" % (epoch, self.iterations if NUMBERS <= (1, 3, 3) else 2, ", ".join(fields))

    def save(self, epoch):
        if NUMBERS >= (0, 6):
            say("Saving checkpoint at %d epochs" % epoch)
        groups = [{"lr": self.lr, "initial_lr": self.lr}]
        content = {"meta": {"epoch": epoch, "iter": epoch * self.iterations}, "state_dict": self.model.state_dict()}
        torch.save(dict(content, optimizer={"param_groups": groups}), self.work_dir / ("epoch_%d.pth" % epoch))
        latest = self.work_dir / "latest.pth"
        if latest.is_symlink():
            latest.unlink()
        latest.symlink_to("epoch_%d.pth" % epoch)
        keep = self.cfg.checkpoint_config.get("max_keep_ckpts", -1)
        old = self.work_dir / ("epoch_%d.pth" % (epoch - keep))
        if keep > 0 and old.exists():
            old.unlink()

    def keep_best(self, epoch, ap, best):
        key = self.cfg.evaluation.get("save_best")
        if not key or ap <= best:
            return best
        for old in self.work_dir.glob("best_*.pth"):
            old.unlink()
        if NUMBERS < (1, 3):
            written = self.work_dir.resolve() / ("epoch_%d.pth" % epoch)
            (self.work_dir / ("best_%s.pth" % key)).symlink_to(written)
            say("Now best checkpoint is %s.Best %s is %.4f" % (written, key, ap))
            return ap
        name = "best_%s_epoch_%d.pth" % (key, epoch)
        (self.work_dir / name).write_bytes((self.work_dir / ("epoch_%d.pth" % epoch)).read_bytes())
        say("Now best checkpoint is saved as %s." % name)
        say("Best %s is %.4f at %d epoch." % (key, ap, epoch))
        return ap
