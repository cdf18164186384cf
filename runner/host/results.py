"""Sends the files below one folder of this host. One stdlib file for Python >= 3.6, alone on the host.

stdin:  {"folder": absolute path, "limit_bytes": n, "most_files": n, "held": {name: bytes of it that the other side has}}
stdout: one JSON line {"files": [[name, size]], "left": [[name, why]], "left_more": n}, then of every file, in that order, its bytes from
        where the other side holds it. A folder that is not there has no files.

Links, devices and names that no other machine should be given are left, and so is what is over the limit: the smallest files go first.
Exit code 74: a file could not be sent to its end (why is on stderr).
"""

import json
import os
import stat
import sys

FAILED = 74
BLOCK = 256 * 1024
SHOWN = 20
LONGEST_NAME = 1024


class Left:
    """What stays here, and why; the first of it by name."""

    def __init__(self):
        self.shown, self.more = [], 0

    def add(self, name, why):
        if len(self.shown) < SHOWN:
            self.shown.append([shown(name), why])
        else:
            self.more += 1


def shown(name):
    """As it may be printed."""
    return name.encode("utf-8", "replace").decode("utf-8")[:200] if name.isprintable() else repr(name)[1:-1][:200]


def files_below(folder, left):
    """(name below folder, size) of every plain file, in the order of names."""
    if os.path.islink(folder):
        left.add(os.path.basename(folder), "a link")
        return
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            names = sorted(os.listdir(os.path.join(folder, below)), reverse=True)
        except FileNotFoundError:
            continue
        except OSError as error:
            left.add(below or os.path.basename(folder), error.strerror)
            continue
        folders = []
        for name in reversed(names):
            path = os.path.join(below, name)
            status = os.lstat(os.path.join(folder, path))
            if not name.isprintable() or "\\" in name or path[1:2] == ":" or len(path) > LONGEST_NAME:
                left.add(path, "its name")
            elif stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield path, status.st_size
            else:
                left.add(path, "a link" if stat.S_ISLNK(status.st_mode) else "no plain file")
        waiting += reversed(folders)


def chosen(folder, limit_bytes, most_files, left):
    """The files that are sent, by name."""
    taken, total = [], 0
    for name, size in sorted(files_below(folder, left), key=lambda file: (file[1], file[0])):
        if total + size > limit_bytes:
            left.add(name, "{:,} bytes, over the limit".format(size))
        elif len(taken) >= most_files:
            left.add(name, "over the limit of {:,} files".format(most_files))
        else:
            taken.append((name, size))
            total += size
    return sorted(taken)


def send(path, start, size, out):
    """The bytes of a file from ``start`` to ``size``: what somebody appends meanwhile is not waited for."""
    with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb", buffering=0) as file:
        file.seek(start)
        left = size - start
        while left:
            data = file.read(min(BLOCK, left))
            if not data:
                raise OSError("{} became shorter while it was sent".format(path))
            out.write(data)
            left -= len(data)


def main():
    asked, left, out = json.load(sys.stdin), Left(), sys.stdout.buffer
    files = chosen(asked["folder"], asked["limit_bytes"], asked["most_files"], left)
    header = {"files": files, "left": left.shown, "left_more": left.more}
    out.write(json.dumps(header).encode("ascii") + b"\n")
    for name, size in files:
        held = asked["held"].get(name, 0)
        send(os.path.join(asked["folder"], name), held if held <= size else 0, size, out)
    out.flush()


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.stderr.write("{}\n".format(error))
        sys.exit(FAILED)
