"""The files of datasets on this host, stored by content, and trees of links to them. One stdlib file for Python >= 3.6, alone on the host.

A store holds STORE/ab/abcd…, mode 0444, named by the sha256 of its bytes. What has arrived of an object so far is STORE/.partial/abcd…,
locked by whoever receives it; it gets its name only whole and verified.

receive STORE       stdin: lines "<digest> <size>" up to an empty one; stdout: "<digest> <bytes held>" for each that is not there whole,
                    and an empty line; stdin: for each that is sent a line "<digest> <offset> <size>", then the bytes from offset on
link STORE FOLDER   stdin: lines "<digest> <path below FOLDER>"; stdout: how many became symbolic links. A FOLDER that is there stays

Exit codes: 74 for what trying again does not mend (why is on stderr), 75 for what it may mend.
"""

import contextlib
import errno
import fcntl
import hashlib
import io
import os
import signal
import sys
import time

FAILED, TRY_AGAIN = 74, 75
BLOCK = 256 * 1024
# Linux' fcntl for the size of a pipe, which Python knows from 3.10 on. sshd goes on filling a big one while we write.
F_SETPIPE_SZ, PIPE_BYTES = 1031, 1024 * 1024
# A connection that broke without a word leaves nobody who would end us; the other side gives it up after as long.
PATIENCE_S = 20
INTERRUPTED = "the transfer was interrupted"
FORGOTTEN_S = 7 * 86400
# No hard links here: another file system, one without them, or as many already as a file can have.
NO_HARD_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOSYS, errno.EOPNOTSUPP)


class StoreError(Exception):
    """What is said on stderr before the program ends."""

    def __init__(self, code, sentence):
        super().__init__(sentence)
        self.code = code


def place(store, digest):
    return os.path.join(store, digest[:2], digest)


def partial(store, digest):
    return os.path.join(store, ".partial", digest)


def size_of(path):
    """-1 where there is none."""
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


def bytes_held(store, digest):
    """What an interrupted transfer left. Whoever still receives it is waited for: it finishes, or finds out that nothing comes."""
    try:
        with open(partial(store, digest), "rb") as file:
            for _ in range(10 * (PATIENCE_S + 1)):
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return os.fstat(file.fileno()).st_size
                time.sleep(0.1)
    except OSError:
        pass
    return 0


def say_missing(incoming, store):
    lines = []
    for line in iter(incoming.readline, b"\n"):
        if not line:
            raise StoreError(TRY_AGAIN, INTERRUPTED)
        digest, size = line.decode("ascii").split()
        held = bytes_held(store, digest)
        if size_of(place(store, digest)) != int(size):  # a power cut may leave less under the whole name
            lines.append("%s %d\n" % (digest, held))
    sys.stdout.write("".join(lines) + "\n")
    sys.stdout.flush()


def open_partial(store, digest):
    """The file for an object's bytes and its path, locked; one of our own where somebody else receives the same object."""
    path = partial(store, digest)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(file), os.stat(path)):  # else its last owner finished it, and this is the stored object
            return file, path
    except OSError:
        pass
    os.close(file)
    path = "%s.%d" % (path, os.getpid())
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600), path


def hash_held(file, digest, offset):
    """The hash of the first ``offset`` bytes; what lies behind them is cut off."""
    if os.fstat(file).st_size < offset:
        raise StoreError(TRY_AGAIN, "what was held of %s is gone" % digest)
    os.ftruncate(file, offset)
    seen = hashlib.sha256()
    while offset:
        block = os.read(file, min(BLOCK, offset))
        seen.update(block)
        offset -= len(block)
    return seen


def receive_one(incoming, block, store, digest, offset, size):
    """Whether the object arrived undamaged, and is stored."""
    file, path = open_partial(store, digest)
    try:
        seen = hash_held(file, digest, offset)
        left = size - offset
        while left:
            signal.alarm(PATIENCE_S)
            count = incoming.readinto(block[: min(len(block), left)])
            if not count:
                raise StoreError(TRY_AGAIN, INTERRUPTED)
            data = block[:count]
            seen.update(data)
            while data:
                data = data[os.write(file, data):]
            left -= count
        if seen.hexdigest() != digest:
            os.unlink(path)
            return False
        os.fchmod(file, 0o444)
        os.rename(path, place(store, digest))
        return True
    finally:
        os.close(file)


def forget_old(folder):
    for entry in os.scandir(folder):
        with contextlib.suppress(OSError):
            if entry.stat().st_mtime < time.time() - FORGOTTEN_S:
                os.unlink(entry.path)


def give_up(_number, _frame):
    raise StoreError(TRY_AGAIN, "nothing came for %d s" % PATIENCE_S)


def receive(store):
    with contextlib.suppress(OSError):
        fcntl.fcntl(0, F_SETPIPE_SZ, PIPE_BYTES)
    incoming = io.BufferedReader(io.FileIO(0, closefd=False), BLOCK)
    say_missing(incoming, store)
    signal.signal(signal.SIGALRM, give_up)
    os.umask(0o022)
    os.makedirs(os.path.join(store, ".partial"), exist_ok=True)
    forget_old(os.path.join(store, ".partial"))
    block = memoryview(bytearray(BLOCK))
    damaged, folders = [], set()
    while True:
        signal.alarm(PATIENCE_S)
        line = incoming.readline()
        if not line:
            break
        if not line.endswith(b"\n"):
            raise StoreError(TRY_AGAIN, INTERRUPTED)
        digest, offset, size = line.decode("ascii").split()
        if digest[:2] not in folders:
            folders.add(digest[:2])
            os.makedirs(os.path.join(store, digest[:2]), exist_ok=True)
        if not receive_one(incoming, block, store, digest, int(offset), int(size)):
            damaged.append(digest)
    if damaged:
        raise StoreError(FAILED, "%d arrived damaged: %s" % (len(damaged), " ".join(damaged[:20])))


def link_one(target, path):
    """Whether it took a symbolic link."""
    try:
        os.link(target, path)
    except OSError as error:
        if error.errno not in NO_HARD_LINK:
            raise
        os.stat(target)
        os.symlink(target, path)
        return True
    return False


def rename_once(laid, folder):
    try:
        os.rename(laid, folder)
    except OSError:
        if not os.path.isdir(folder):  # else somebody else has laid it meanwhile
            raise


def link(store, folder):
    lines = [line.decode("utf-8").rstrip("\n").split(" ", 1) for line in sys.stdin.buffer]
    symbolic, absent, made = 0, [], set()
    laid = "%s.laid-%d" % (folder, os.getpid())
    os.umask(0o077)
    try:
        for digest, below in [] if os.path.isdir(folder) else lines:
            path = os.path.join(laid, below)
            parent = os.path.dirname(path)
            if parent not in made:
                made.add(parent)
                os.makedirs(parent, exist_ok=True)
            try:
                symbolic += link_one(place(store, digest), path)
            except FileNotFoundError:
                absent.append(digest)
        if absent:
            raise StoreError(FAILED, "%d files are not in %s: %s" % (len(absent), store, " ".join(absent[:20])))
        if made:
            rename_once(laid, folder)
    finally:
        if os.path.lexists(laid):
            import shutil  # slow to load, and rarely needed

            shutil.rmtree(laid, ignore_errors=True)
    print(symbolic)


def main():
    try:
        {"receive": receive, "link": link}[sys.argv[1]](*sys.argv[2:])
    except (StoreError, OSError) as error:
        sys.stderr.write("%s\n" % error)
        sys.exit(getattr(error, "code", FAILED))


main()
