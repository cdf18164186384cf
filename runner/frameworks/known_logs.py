"""Every log that can be read, by the name of what wrote it, and which of them a log is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from runner.frameworks.base import LogParser
from runner.frameworks.coco_log import coco_log_parser
from runner.frameworks.m2det_log import m2det_log_parser
from runner.frameworks.mmdet_json_log import MmdetJsonLogParser
from runner.frameworks.mmdet_log import MmdetLogParser
from runner.frameworks.tfod_log import tfod_log_parser

LOG_PARSERS: Mapping[str, Callable[[], LogParser]] = {
    "mmdet": MmdetLogParser,
    "mmdet-json": MmdetJsonLogParser,
    "m2det": m2det_log_parser,
    "tfod": tfod_log_parser,
    "pycocotools": coco_log_parser,
}
"""pycocotools comes last: its table is also inside the logs of others, who say more."""


def recognised(chunks: Iterable[bytes]) -> str | None:
    """The name of the first parser that finds a record; pycocotools only where no other does. None where none finds any."""
    parsers = {name: parser() for name, parser in LOG_PARSERS.items()}
    tables = False
    for chunk in chunks:
        found = [name for name, parser in parsers.items() if parser.feed(chunk)]
        if found and found[0] != "pycocotools":
            return found[0]
        tables = tables or bool(found)
    return "pycocotools" if tables else None
