"""Promise 8: a request acts once, whoever brings it how often; an error undoes everything it did. (Listeners: tests/bot.)"""

from __future__ import annotations

import threading

import pytest

from runner.entities import Place
from runner.errors import RequestError
from runner.service.house import House, Requester
from runner.service.requests import once
from runner.settings import Role
from runner.store import events, runs
from tests.support.run_rows import SPEC

WHO = Requester("U1", Role.MEMBER, "slash", "trigger-1", Place("C1"))


def submit(house: House) -> dict[str, object]:
    with house.store.writing() as db:
        return {"run": runs.submit(db, SPEC, owner="U1", place=Place("C1"), now=house.now()).id}


def test_a_duplicate_changes_nothing_and_gets_the_same_answer(house: House) -> None:
    first = once(house, WHO, "run quick on fish", lambda: submit(house))
    second = once(house, WHO, "run quick on fish", lambda: submit(house))
    assert second == first
    assert [run.id for run in runs.live(house.store.reading())] == [first["run"]]


def test_of_duplicates_that_arrive_at_once_one_acts(house: House) -> None:
    begin = threading.Barrier(4)
    answers: list[object] = []

    def ask() -> None:
        begin.wait(10)
        answers.append(once(house, WHO, "run quick on fish", lambda: submit(house))["run"])
        house.store.close()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(answers) == 4
    assert {*answers} == {run.id for run in runs.live(house.store.reading())}


def test_an_error_undoes_everything_the_request_itself_included(house: House) -> None:
    def fail() -> dict[str, object]:
        submit(house)
        raise RequestError("There is no dataset fsh. Did you mean fish?")

    with pytest.raises(RequestError):
        once(house, WHO, "run quick on fsh", fail)
    db = house.store.reading()
    assert runs.live(db) == []
    assert events.after(db, 0) == []
    assert once(house, WHO, "run quick on fish", lambda: submit(house))["run"]
