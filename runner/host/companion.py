"""Runs a training as its child and tells in its log which checkpoints are whole. One stdlib file for Python >= 3.6.

``python companion.py companion.json`` in an attempt's directory. The JSON object holds

program            argv of the training; its output is ours, and so is its exit code (128 + n for signal n)
folder, pattern    where checkpoints appear, and a regex that matches a whole file name. Group ``number`` counts them. Group ``name``, where
                   there is one, is the prefix that several files share: the checkpoint is every file that begins with ``<name>.``
epochs_per_number  epochs between two numbers (1 where absent; null: the number is the epoch); ``first_number`` and ``first_epoch`` (0) are
                   where the counting starts. What has no greater number than the first is not told
keep_folder        each whole checkpoint is linked there too, where the library deletes its own; null: nothing is kept
keep               how many of the newest stay in keep_folder, the best one besides; null: all
evaluate           null, or {program, variables, metric, deadline_s}: run for the newest checkpoint that has not been evaluated, one after
                   another, ``{checkpoint}`` in its argv being the path; ``metric`` is a regex whose group ``value`` is its mAP, the
                   greater the better. After the training's end the last checkpoint is still evaluated, for deadline_s seconds at most
poll_s             seconds between two looks at the folder (1)

Nothing that goes wrong in here ends the training: it goes on without company.
"""

import collections
import contextlib
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

POLL_S = 1.0
END_S = 5.0
NICE = 10
DEADLINE_S = 1800.0
STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

Whole = collections.namedtuple("Whole", "name number epoch files size_bytes")


def say(kind, **content):
    """One line in the log, whole: other programs write there too."""
    line = json.dumps(collections.OrderedDict(signalbox=kind, **content), separators=(",", ":"))
    os.write(1, line.encode() + b"\n")


def complain(error):
    """A sentence in the log; a full disk must not matter here."""
    with contextlib.suppress(OSError):
        os.write(2, ("\nsignalbox companion: %s: %s\n" % (type(error).__name__, error)).encode("utf-8", "replace"))


class Folder:
    """What lies in the checkpoint folder, and which of it has stopped growing."""

    def __init__(self, plan):
        self.path = plan["folder"]
        self.pattern = re.compile(plan["pattern"])
        self.per_number = plan.get("epochs_per_number", 1)
        self.first_number = plan.get("first_number", 0)
        self.first_epoch = plan.get("first_epoch", 0)
        self.sizes = {}

    def new(self, known, ended):
        """Checkpoints that are not known yet and whole: as large as at the last look, or the program has ended. The oldest first."""
        seen, found = {}, []
        names = sorted(os.listdir(self.path)) if os.path.isdir(self.path) else []
        for match in filter(None, map(self.pattern.fullmatch, names)):
            number = int(match.group("number"))
            name = match.groupdict().get("name") or match.group()
            if number <= self.first_number or name in known:
                continue
            files = [each for each in names if each.startswith(name + ".")] if "name" in match.groupdict() else [name]
            seen[name] = self.size_of(files)
            if seen[name] is not None and sum(seen[name]) and (ended or seen[name] == self.sizes.get(name)):
                found.append(Whole(name, number, self.epoch(number), files, sum(seen[name])))
        self.sizes = seen
        return sorted(found, key=lambda each: each.number)

    def size_of(self, files):
        try:
            return [os.path.getsize(os.path.join(self.path, each)) for each in files]
        except OSError:
            return None  # deleted at this moment

    def epoch(self, number):
        if self.per_number is None:
            return number
        return math.floor(self.first_epoch + (number - self.first_number) * self.per_number + 1e-6)


class Evaluator:
    """One evaluation at a time, of the newest checkpoint that waits."""

    def __init__(self, plan):
        self.plan = plan
        self.metric = re.compile((plan.get("metric") or r"(?P<value>(?!))").encode())
        self.child = self.reader = self.now = self.waiting = None
        self.value = None
        self.last_number = None

    @property
    def busy(self):
        return self.child is not None or self.waiting is not None

    def offer(self, whole):
        self.waiting = whole

    def poll(self, path_of):
        """(checkpoint, mAP) of an evaluation that has ended, else None; starts the next one."""
        done = None
        if self.child is not None and self.child.poll() is not None and not self.reader.is_alive():
            done, self.child = (self.now, self.value), None
        if self.child is None and self.waiting is not None:
            self.now, self.waiting, self.value = self.waiting, None, None
            self.start(path_of(self.now))
        return done

    def start(self, path):
        argv = [each.replace("{checkpoint}", path) for each in self.plan["program"]]
        variables = dict(os.environ, **self.plan.get("variables", {}))
        self.child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=variables
        )
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.child.pid, NICE)
        self.reader = threading.Thread(target=self.follow, args=(self.child.stdout,), daemon=True)
        self.reader.start()

    def follow(self, output):
        """Its lines go to the log one by one, so that none is torn by what the training prints."""
        for line in output:
            with contextlib.suppress(OSError):
                os.write(1, line)
            match = self.metric.search(line)
            if match:
                with contextlib.suppress(ValueError):
                    self.value = float(match.group("value"))

    def stop(self):
        self.waiting = None
        if self.child is not None:
            self.child.terminate()
            try:
                self.child.wait(END_S)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()


class Companion:
    """What is known of the checkpoints of one training."""

    def __init__(self, plan):
        self.folder = Folder(plan)
        self.kept_in = plan.get("keep_folder")
        self.keep = plan.get("keep")
        self.evaluator = Evaluator(plan["evaluate"]) if plan.get("evaluate") else None
        self.deadline_s = (plan.get("evaluate") or {}).get("deadline_s", DEADLINE_S)
        self.poll_s = plan.get("poll_s", POLL_S)
        self.known = collections.OrderedDict()
        self.best = None

    def path_of(self, whole):
        return os.path.abspath(os.path.join(self.kept_in or self.folder.path, whole.name))

    def look(self, ended=False):
        """One look at the folder: tell what is new and what is gone, keep, evaluate."""
        for whole in self.folder.new(self.known, ended):
            if self.kept_in:
                self.link(whole)
            self.known[whole.name] = whole
            self.tell(whole)
            if self.evaluator:
                self.evaluator.offer(whole)
        if self.evaluator:
            self.judge(self.evaluator.poll(self.path_of))
        self.drop_old()
        for whole in [each for each in self.known.values() if each.files and not self.is_there(each)]:
            self.known[whole.name] = whole._replace(files=[])
            self.tell(whole, removed=True)

    def tell(self, whole, **more):
        say("checkpoint", name=whole.name, epoch=whole.epoch, size_bytes=whole.size_bytes, **more)

    def link(self, whole):
        os.makedirs(self.kept_in, exist_ok=True)
        for name in whole.files:
            source, target = os.path.join(self.folder.path, name), os.path.join(self.kept_in, name)
            if not os.path.exists(target):
                try:
                    os.link(source, target)
                except OSError:  # a file system without links
                    shutil.copyfile(source, target + ".part")
                    os.rename(target + ".part", target)

    def is_there(self, whole):
        return all(os.path.exists(os.path.join(self.kept_in or self.folder.path, name)) for name in whole.files)

    def judge(self, done):
        """A checkpoint is the best one when its mAP is greater than all before it."""
        if done and done[1] is not None and done[1] >= 0 and (self.best is None or done[1] > self.best[1]):
            self.best = done
            self.tell(done[0], best=True)

    def drop_old(self):
        """Of those that we keep, the newest stay, the best one, and what is being evaluated or waits for it."""
        if not (self.keep and self.kept_in):
            return
        there = [each for each in self.known.values() if each.files]
        in_use = [self.best[0]] if self.best else []
        if self.evaluator and self.evaluator.busy:
            in_use += [self.evaluator.now, self.evaluator.waiting]
        for whole in there[: -self.keep]:
            if whole not in in_use:
                for name in whole.files:
                    with contextlib.suppress(FileNotFoundError):  # a person was faster
                        os.remove(os.path.join(self.kept_in, name))

    def finish(self, wanted):
        """After the training's end: what it left, and the last evaluation as long as that is wanted."""
        self.look(ended=True)
        deadline = time.time() + self.deadline_s
        while self.evaluator and self.evaluator.busy and wanted() and time.time() < deadline:
            time.sleep(self.poll_s)
            self.look(ended=True)
        if self.evaluator and self.evaluator.busy and wanted():
            complain(TimeoutError("the last evaluation took longer than %d s and is ended" % self.deadline_s))


def main():
    """Start the training, keep it company, end as it ended."""
    with open(sys.argv[1], encoding="utf-8") as file:
        plan = json.load(file)
    stopping = []
    for number in STOPS:
        # The whole group gets the signal: the program knows what to do, and ends; we wait for it.
        signal.signal(number, lambda *_: stopping.append(True))
    program = subprocess.Popen(plan["program"], stdin=subprocess.DEVNULL)
    companion = None
    try:
        companion = Companion(plan)
        accompany(program, companion, stopping)
    except Exception as error:
        complain(error)
    code = program.wait()
    if companion and companion.evaluator:
        companion.evaluator.stop()
    sys.exit(128 - code if code < 0 else code)


def accompany(program, companion, stopping):
    """Look once a second while the program runs. A look that fails is told once; the next one is tried all the same."""
    told = None
    while True:
        try:
            program.wait(companion.poll_s)
            break
        except subprocess.TimeoutExpired:
            pass
        try:
            companion.look()
        except Exception as error:
            if str(error) != told:
                complain(error)
            told = str(error)
    # A training that failed is told of at once: its last evaluation can be had later.
    companion.finish(lambda: program.returncode == 0 and not stopping)


if __name__ == "__main__":
    main()
