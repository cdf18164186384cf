"""Matchers, spans of time and label sets read as Alertmanager reads them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from runner.alerts.matching import fingerprint, matcher, span, span_text

GPU1 = {"host": "gpu1", "run": "r-7f3k"}


@pytest.mark.parametrize(("text", "matches"), [
    ('host="gpu1"', True), ("host = gpu1", True), ('host="gpu"', False), ('host!="gpu2"', True), ('host!="gpu1"', False),
    ('host=~"gpu[0-9]"', True), ('host=~"gpu"', False), ('host!~"gpu.*"', False), ('host!~"cpu.*"', True),
    ('absent=""', True), ('absent!=""', False), ('absent=~".+"', False), ('absent=~".*"', True), (r'host="g\"1"', False),
])
def test_a_matcher_matches_as_there(text: str, matches: bool) -> None:
    assert matcher(text).matches(GPU1) is matches
    assert matcher(str(matcher(text))) == matcher(text)


@pytest.mark.parametrize("text", ["", "host", '="x"', "host=~[", 'a="b" c', "1a=b", 'a="b', "a=" + "x" * 600])
def test_what_is_no_matcher_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="is no matcher"):
        matcher(text)


@pytest.mark.parametrize(("text", "seconds"), [
    ("30s", 30), ("5m", 300), ("4h", 14_400), ("1d12h", 129_600), ("500ms", 0.5), ("0", 0), ("2w", 1_209_600),
])
def test_spans(text: str, seconds: float) -> None:
    assert span(text) == timedelta(seconds=seconds)
    assert span(span_text(span(text))) == span(text)


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5m", "5m3h", None, 300, "9" * 30 + "d"])
def test_what_is_no_span_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="span of time"):
        span(text)


def test_the_order_of_labels_and_empty_ones_make_no_difference() -> None:
    assert fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "c": "", "a": "1"})
    assert fingerprint({"a": '1","b":"2'}) != fingerprint({"a": "1", "b": "2"})
