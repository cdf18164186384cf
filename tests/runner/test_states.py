"""The table of states and reasons is the design's."""

from __future__ import annotations

from runner.states import RESUMABLE_CAUSES, Reason, State

TABLE = {
    State.PENDING: "SUBMITTED PREPARING WAITING_FOR_GPU WAITING_FOR_HOST WAITING_FOR_ENVIRONMENT WAITING_FOR_DATASET WAITING_FOR_RUN "
    "WAITING_FOR_QUOTA WAITING_FOR_APPROVAL HELD RETRYING PREEMPTED",
    State.RUNNING: "STAGING LAUNCHING WORKING UNREACHABLE UNCLEAR STOPPING",
    State.SUCCEEDED: "COMPLETED",
    State.CANCELLED: "BY_USER SUPERSEDED",
    State.FAILED: "BAD_SPEC ENVIRONMENT_ERROR CODE_ERROR OUT_OF_MEMORY HOST_OUT_OF_MEMORY DIVERGED STALLED COLLECTIVE_TIMEOUT DATA_ERROR "
    "CHECKPOINT_ERROR DISK_FULL GPU_FAULT KILLED TIME_LIMIT NONZERO_EXIT LOST INTERNAL_ERROR",
}


def test_a_reason_belongs_to_exactly_one_state() -> None:
    for state, names in TABLE.items():
        assert {reason.value for reason in Reason if reason.state is state} == set(names.split())
    assert sum(len(names.split()) for names in TABLE.values()) == len(Reason)


def test_only_what_has_ended_is_final() -> None:
    assert {state for state in State if state.final} == {State.SUCCEEDED, State.CANCELLED, State.FAILED}


def test_what_is_tried_again_by_itself_is_a_failure() -> None:
    assert all(reason.state is State.FAILED for reason in RESUMABLE_CAUSES)


def test_reasons_read_as_words() -> None:
    assert Reason.WAITING_FOR_GPU.in_words == "waiting for GPU"
    assert Reason.BY_USER.in_words == "by user"
