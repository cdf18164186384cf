"""Every crash signature has a case; sentences are for people; hostile logs neither raise nor take long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.diagnosis import TAIL_LINES, UNKNOWN, Circumstances, diagnose
from runner.errors import ConfigurationError
from runner.signatures import Signature, known, load
from runner.states import Reason, State
from runner.tracebacks import tracebacks

CASES = sorted((Path(__file__).parents[1] / "cases" / "crashes").glob("*.txt"))
SAMPLES = Path(__file__).parents[2].parent / "shared" / "samples"
ONE = "- {name: a, reason: %s, pattern: '%s', sentence: '%s', remedy: r}\n"


def _searched(case: Path) -> str:
    """A case as patterns see it, or nearly: the recipe's JSON error is turned into words, and ranks have no labels."""
    return case.read_text().replace("[rank1]: ", "").replace('{"error"', 'DATA_ERROR: {"error"')


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_case(case: Path) -> None:
    expected = yaml.safe_load(case.with_suffix(".expected.yaml").read_text())
    around = Circumstances(oom_kills=expected.get("oom_kills"))
    found = diagnose(exit_code=expected["exit_code"], tail=case.read_bytes(), circumstances=around)
    assert (found.reason.value, found.sentence, found.action and found.action.value) == (
        expected["reason"], expected["sentence"], expected["action"],
    )  # fmt: skip
    assert found.remedy.endswith(".")
    assert found.reason.state is State.FAILED


def test_every_signature_is_what_some_case_is_recognised_by() -> None:
    deciding, tried = set(), sorted(known(), key=lambda each: (each.pattern is None, each.secondary))
    for case in CASES:
        expected = yaml.safe_load(case.with_suffix(".expected.yaml").read_text())
        code, kills = expected["exit_code"], expected.get("oom_kills")
        text = _searched(case)
        deciding.update([each.name for each in tried if each.match(text, exit_code=code, oom_kills=kills) is not None][:1])
    assert {each.name for each in known()} == deciding


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("error_snippets/pytorch_oom.txt", Reason.OUT_OF_MEMORY),
        ("error_snippets/nccl_elastic.txt", Reason.COLLECTIVE_TIMEOUT),
        ("error_snippets/m2det_resume_lr.txt", Reason.BAD_SPEC),
        ("error_snippets/dataloader_killed.txt", Reason.HOST_OUT_OF_MEMORY),
        ("error_snippets/tf_box_assert_vott_edge.txt", Reason.DATA_ERROR),
        ("error_snippets/tf_misc.txt", Reason.DATA_ERROR),
        ("tfod_real/crash_config_typo.log", Reason.BAD_SPEC),
        ("tfod_real/crash_inverted_box.log", Reason.DATA_ERROR),
        ("tfod_real/crash_missing_label_map.log", Reason.DATA_ERROR),
        ("tfod_real/crash_truncated_record.log", Reason.DATA_ERROR),
        ("tfod_real/nan_loss.log", Reason.NONZERO_EXIT),  # it goes on to its end: an alert's business
        ("m2det_logs/custom_class_keyerror.log", Reason.DATA_ERROR),
        ("m2det_logs/resume_epoch_beyond_steps.log", Reason.BAD_SPEC),
        ("m2det_logs/test_voc_class_without_detection.log", Reason.CODE_ERROR),
    ],
)
def test_real_logs(file: str, reason: Reason) -> None:
    if not (SAMPLES / file).is_file():
        pytest.skip(f"the real log {file} is not at hand (it is not part of the project)")
    assert diagnose(exit_code=1, tail=(SAMPLES / file).read_bytes()).reason is reason


def test_no_real_log_of_a_training_that_ended_well_is_blamed_for_anything() -> None:
    """Logs of all systems, warnings and harmless allocator lines included, as if the program had then ended with code 1."""
    folders = ("tfod_logs", "tfod_real", "m2det_logs", "mmdet1_logs", "mmdet2_logs", "mmdet3_logs")
    crashed = ("crash_", "custom_class", "test_voc_class", "resume_epoch_beyond")
    logs = [path for folder in folders for path in sorted((SAMPLES / folder).rglob("*.log")) if not path.name.startswith(crashed)]
    if not logs:
        pytest.skip("the real logs are not at hand (they are not part of the project)")
    assert {path.name: found.sentence for path in logs if (found := diagnose(exit_code=1, tail=path.read_bytes())).reason is not
            Reason.NONZERO_EXIT} == {}  # fmt: skip


@pytest.mark.parametrize(
    ("around", "tried"),
    [(Circumstances(batch=16, lr=0.01), "Retry with batch 8 and learning rate 0.005, or"), (UNKNOWN, "Retry with half the batch and half"),
     (Circumstances(batch=5, lr=0.01), "batch 2 and learning rate 0.004"), (Circumstances(batch=1, lr=0.01), "smaller images")],
)  # fmt: skip
def test_what_to_try_after_running_out_of_memory_has_its_numbers(around: Circumstances, tried: str) -> None:
    case = (CASES[0].parent / "cuda_oom_torch2.txt").read_bytes()
    assert tried in diagnose(exit_code=1, tail=case, circumstances=around).remedy


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
    assert tracebacks(lines) == []
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


@pytest.mark.parametrize("signature", [each for each in known() if each.pattern], ids=lambda each: each.name)
def test_a_log_made_of_beginnings_of_a_signature_takes_no_longer(signature: Signature) -> None:
    """What a pattern matches without its end, over and over: what a pattern that tries every way would not survive."""
    assert signature.pattern is not None
    [match, *_] = [found for found in (signature.pattern.search(_searched(case)) for case in CASES) if found]
    begun = match[0][: max(1, len(match[0]) * 3 // 4)]
    for separator in ("", "\n"):
        text = separator.join([begun] * (64 * 1024 // len(begun)))[: 64 * 1024]
        started = time.process_time()
        signature.match("\n".join(line[:2000] for line in text.split("\n")), exit_code=1)
        assert time.process_time() - started < 0.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [(ONE % ("COMPLETED", "x", "s"), "no reason of a failed run"), (ONE % ("KILLED", "(", "s"), "pattern"),
     (ONE % ("KILLED", "(?P<a>x)", "{b}"), "names b"), (ONE % ("KILLED", "x", "s") * 2, "two entries called a"),
     ("- {name: a, reason: KILLED, sentence: s, remedy: r}", "needs a pattern or exit codes"), ("- {nam: a}", "nam"), (":\n:", "wrong")],
)  # fmt: skip
def test_a_wrong_table_stops_the_start(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "s.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=complaint):
        load([tmp_path / "s.yaml"])
