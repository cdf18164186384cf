"""``python free_port.py FIRST [TAKEN...]``: prints a TCP port that nobody on this machine uses, looking from FIRST on.

Below the range that the kernel gives to outgoing connections (32768 and up by default): one of those could take it a moment later.
Runs with the host's Python, 3.6 or later.
"""

import errno
import socket
import sys

LOWEST, COUNT = 20000, 12000


def is_free(port):
    """Whether a program could listen there on every address."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family) as probe:
                probe.bind(("", port))
        except OSError as error:
            if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):  # a machine without IPv6
                return False
    return True


def main():
    """Say the first one found."""
    first, taken = int(sys.argv[1]), set(map(int, sys.argv[2:]))
    for step in range(COUNT):
        port = LOWEST + (first - LOWEST + step) % COUNT
        if port not in taken and is_free(port):
            print(port)
            return 0
    sys.stderr.write("every port from %d to %d is taken\n" % (LOWEST, LOWEST + COUNT - 1))
    return 1


if __name__ == "__main__":
    sys.exit(main())
