"""The conversation with a prepare program: its words are made readable, its silence is the host's fault."""

from __future__ import annotations

import json

import pytest

from runner.errors import BadSpecError, HostError
from runner.frameworks.base import DatasetOnHost, Prepared, PrepareRequest
from runner.preparing import as_bytes, as_values, prepared_from, read_answer
from runner.transports.base import Finished
from tests.support.run_rows import SPEC

PREPARED = Prepared("config", 3, 2, 0.1, "revision", checkpoint="/r/epoch_1.pth", checkpoint_epoch=1, refused=(("/r/epoch_2.pth", "cut"),))


def answer(text: str, *, code: int = 0, stderr: str = "") -> Finished:
    return Finished(code, text.encode(), stderr.encode())


def test_what_was_prepared_is_stored_and_read_back_whole() -> None:
    stored = json.loads(json.dumps(as_values(PREPARED) | {"environment": "e1", "recheck": True}))
    assert prepared_from(stored) == PREPARED
    assert read_answer(answer(json.dumps(as_values(PREPARED)))) == PREPARED


def test_the_request_is_plain_json() -> None:
    dataset = DatasetOnHost("fish@1", "coco", ("fish",), {"train": ("data/a.json", "data/images")}, {"train": 2})
    request = json.loads(as_bytes(PrepareRequest(SPEC, dataset, ("/r/epoch_1.pth",), "/r/prepared")))
    assert request["spec"]["preset"]["name"] == "quick"
    assert request["checkpoints"] == ["/r/epoch_1.pth"]
    assert request["dataset"]["classes"] == ["fish"]


def test_what_can_never_work_is_said_in_the_frameworks_words() -> None:
    with pytest.raises(BadSpecError, match=r"There is no key x\. \(config\.py, line 3\)|There is no key x"):
        read_answer(answer('{"error": {"sentence": "There is no key x.", "where": "options"}}', code=3))


@pytest.mark.parametrize(
    ("finished", "words"),
    [
        (answer("", code=1, stderr="Traceback\nImportError: no module named torch\n"), "ImportError: no module named torch"),
        (answer("not json", code=0), "no answer"),
        (answer("[]"), "Preparing ended with exit code 0"),
        (answer('{"config": 1}'), "Preparing ended"),
        (answer('{"error": "bare"}'), "Preparing ended"),
    ],
)
def test_a_program_that_breaks_is_the_hosts_trouble(finished: Finished, words: str) -> None:
    with pytest.raises(HostError, match=words):
        read_answer(finished)
