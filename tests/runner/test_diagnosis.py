"""Every crash signature has a case; sentences are for people; hostile logs neither raise nor take long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diagnosis import TAIL_LINES, diagnose
from runner.errors import ConfigurationError
from runner.signatures import known, load
from runner.states import Reason, State
from runner.tracebacks import root

CASES = sorted((Path(__file__).parents[1] / "cases" / "crashes").glob("*.txt"))
SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples" / "error_snippets"
ONE = "- {name: a, reason: %s, pattern: '%s', sentence: '%s', remedy: r}\n"


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    expected = yaml.safe_load(case.with_suffix(".expected.yaml").read_text())
    found = diagnose(exit_code=expected["exit_code"], tail=case.read_bytes())
    assert (found.reason.value, found.sentence, found.action and found.action.value) == (
        expected["reason"], expected["sentence"], expected["action"],
    )  # fmt: skip
    assert found.remedy.endswith(".")
    assert found.reason.state is State.FAILED


def test_every_signature_is_what_some_case_is_recognised_by() -> None:
    deciding = set()
    for case in CASES:
        code = yaml.safe_load(case.with_suffix(".expected.yaml").read_text())["exit_code"]
        # The recipe's JSON error is turned into words before it is searched.
        text = case.read_text().replace("[rank1]: ", "").replace('{"error"', 'DATA_ERROR: {"error"')
        deciding.update([each.name for each in known() if each.match(text, exit_code=code) is not None][:1])
    assert {each.name for each in known()} == deciding


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("pytorch_oom.txt", Reason.OUT_OF_MEMORY),
        ("nccl_elastic.txt", Reason.COLLECTIVE_TIMEOUT),
        ("m2det_resume_lr.txt", Reason.BAD_SPEC),
        ("dataloader_killed.txt", Reason.HOST_OUT_OF_MEMORY),
        ("tf_box_assert_vott_edge.txt", Reason.DATA_ERROR),
        ("tf_misc.txt", Reason.DATA_ERROR),
    ],
)
def test_real_snippets(file: str, reason: Reason) -> None:
    if not (SAMPLES / file).is_file():
        pytest.skip(f"the real snippet {file} is not at hand (it is not part of the project)")
    assert diagnose(exit_code=1, tail=(SAMPLES / file).read_bytes()).reason is reason


def test_the_tail_is_the_last_lines_before_the_launchers_own_noise_without_control_characters() -> None:
    noise = "".join(f"11/20 10:14:05 - mmengine - \x1b[4m\x1b[97mINFO\x1b[0m - line {number}\x07\n\n" for number in range(30))
    case = (CASES[0].parent / "cuda_oom_ranks.txt").read_text()
    found = diagnose(exit_code=1, tail=(noise + case).encode())
    assert len(found.tail) == TAIL_LINES
    assert found.tail[-1].startswith("torch.OutOfMemoryError: CUDA out of memory")
    assert found.tail[0] == "11/20 10:14:05 - mmengine - INFO - line 22"
    assert all(line.isprintable() and line.strip() for line in found.tail)


def test_a_progress_bar_shows_its_last_state_only() -> None:
    assert diagnose(exit_code=1, tail=b"  0%|   | 0/9\r 50%|#  | 4/9\rstopped at 4 of 9\r\n").tail == ("stopped at 4 of 9",)


def test_a_long_line_is_cut() -> None:
    assert len(diagnose(exit_code=1, tail=b"x" * 5000).tail[0]) == 300


def test_a_traceback_broken_off_at_the_start_still_names_its_exception() -> None:
    lines = ['  File "a/b.py", line 3, in f', "    g()", "ValueError: half of it is gone"]
    assert root(lines) is None
    assert diagnose(exit_code=1, tail="\n".join(lines).encode()).tail[-1] == "ValueError: half of it is gone"


@given(st.binary(max_size=2000), st.integers(0, 255))
@settings(max_examples=150, deadline=None)
def test_no_bytes_raise(garbage: bytes, exit_code: int) -> None:
    found = diagnose(exit_code=exit_code, tail=b"Traceback (most recent call last):\n  File " + garbage + b"\nKilled\n" + garbage)
    assert found.sentence


@pytest.mark.parametrize(
    "piece", [b"a", b"mmcv", b" Killed", b"x: ", b"FileNotFoundError: [Errno 2] 'a", b"\x1b]", b"\n", b"slurmstepd: error: CANCELLED AT "]
)
def test_hostile_logs_take_no_longer_than_others(piece: bytes) -> None:
    started = time.process_time()
    diagnose(exit_code=137, tail=piece * (2_000_000 // len(piece)))
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(ONE % ("COMPLETED", "x", "s"), "no reason of a failed run"), (ONE % ("KILLED", "(", "s"), "pattern"),
     (ONE % ("KILLED", "(?P<a>x)", "{b}"), "names b"), (ONE % ("KILLED", "x", "s") * 2, "two entries called a"),
     ("- {name: a, reason: KILLED, sentence: s, remedy: r}", "needs a pattern or exit codes"), ("- {nam: a}", "nam"), (":\n:", "wrong")],
)  # fmt: skip
def test_a_wrong_table_stops_the_start(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load(tmp_path / "s.yaml")
