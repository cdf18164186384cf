"""Where a dataset comes from on the command line: a folder, an archive, a tar through a pipe (/dev/stdin), or a URL."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recipes.arriving.fetching import FetchLimits, fetched
from recipes.arriving.web import is_url, shown
from recipes.progress import Progress


def add_arguments(parser: ArgumentParser) -> None:
    """The source, and what a URL may cost; the defaults are FetchLimits' own."""
    usual = FetchLimits()
    parser.add_argument("source", help="a folder, an archive, /dev/stdin for a tar, or an http(s) URL")
    parser.add_argument("--sha256", metavar="HEX", help="what a URL has to give")
    parser.add_argument("--max-bytes", type=int, default=usual.max_bytes, help="the largest file taken from a URL")
    parser.add_argument("--timeout-s", type=float, default=usual.timeout_s, help="the longest that fetching it may take")
    parser.add_argument("--private-addresses", action="store_true", help="a URL may lead to this machine and into private networks")


@contextmanager
def arrived(options: Namespace, downloads: Path, progress: Progress) -> Iterator[tuple[Path, str | None]]:
    """The source as a path that can be read meanwhile, and what people call it where that is not the path's name."""
    if not is_url(options.source):
        yield Path(options.source), None
        return
    limits = FetchLimits(options.max_bytes, options.timeout_s, private_addresses=options.private_addresses)
    with fetched(options.source, downloads, limits, sha256=options.sha256, progress=progress) as path:
        yield path, shown(options.source)
