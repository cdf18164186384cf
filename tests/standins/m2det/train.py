"""Stands in for M2Det's train.py: its command line, its loop, its files and its failures; a step takes M2DET_STANDIN_STEP_S seconds.

Its net counts the images it has seen. Everything that is known of the real program holds here too: checkpoints at the start of an
epoch, the learning rate's global name, the range of iterations that may be empty, and that nothing is said at the end.
"""

import os
import time

from configs.CC import Config
from flags import train_flags
from m2det import build_net
from utils.core import adjust_learning_rate, banner, get_dataloader, init_net, print_info, print_train_log, save_checkpoint

args = train_flags().parse_args()
banner("M2Det Training Program", 23)
cfg = Config.fromfile(args.config)
net = build_net("train", size=cfg.model.input_size, config=cfg.model.m2det_config)
init_net(net, cfg, args.resume_net)
net.parallel = args.ngpu > 1

if __name__ == "__main__":
    pace = float(os.environ.get("M2DET_STANDIN_STEP_S", "0"))
    epoch = args.resume_epoch
    print_info("===> Loading Dataset...")
    dataset = get_dataloader(cfg, args.dataset, "train_sets")
    batch = cfg.train_cfg.per_batch_size * args.ngpu
    epoch_size = len(dataset) // batch
    max_iter = getattr(cfg.train_cfg.step_lr, args.dataset)[-1] * epoch_size
    print_info("===> Training M2Det on " + args.dataset)
    for iteration in range(args.resume_epoch * epoch_size, max_iter):
        if iteration % epoch_size == 0:
            if epoch % cfg.model.save_eposhs == 0:
                save_checkpoint(net, cfg, final=False, datasetname=args.dataset, epoch=epoch)
            epoch += 1
        lr = adjust_learning_rate(epoch, iteration, epoch_size, cfg)
        for index in range(batch):
            dataset[(iteration % epoch_size) * batch + index]
        net.see(batch)
        time.sleep(pace)
        loss = float("nan") if os.environ.get("M2DET_STANDIN_NAN") else 20.0 / (iteration + 1)
        if loss != loss:
            net.spoil()
        print_train_log(
            iteration, cfg.train_cfg.print_epochs,
            [time.ctime(), epoch, iteration % epoch_size, epoch_size, iteration, loss / 4, loss, pace, lr],
        )
    save_checkpoint(net, cfg, final=True, datasetname=args.dataset, epoch=-1)
