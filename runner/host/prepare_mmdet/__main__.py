"""``python prepare_mmdet prepare|verify|identify|smoke  < request.json  > answer.json``.

One JSON object in, one out (answering.py); whatever the frameworks print goes to stderr.
"""

from __future__ import annotations

import sys

from .answering import serve
from .checkpoints import verify
from .identity import identify
from .preparing import prepare
from .smoke import smoke

VERBS = {"prepare": prepare, "verify": verify, "identify": identify, "smoke": smoke}


def main() -> None:
    """Answer what the one argument asks for."""
    if len(sys.argv) != 2 or sys.argv[1] not in VERBS:
        sys.exit("usage: prepare_mmdet %s < request.json" % "|".join(VERBS))
    serve(VERBS[sys.argv[1]])


if __name__ == "__main__":
    main()
