"""A page of metrics costs its length and no more, whatever is on it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from atoll.platform.local import metrics_page
from atoll.platform.local.metrics_page import LONGEST_LINE, TooLate, sample, samples

NAME = "some_count"


@dataclass
class Watched:
    """A pattern, and where it was tried."""

    pattern: re.Pattern[str]
    tried: list[int] = field(default_factory=list)

    def match(self, line: str, position: int) -> re.Match[str] | None:
        self.tried.append(position)
        return self.pattern.match(line, position)


@pytest.fixture
def labels(monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(metrics_page._LABEL)
    monkeypatch.setattr(metrics_page, "_LABEL", watched)
    return watched


def line(labels: str) -> str:
    return f"{NAME}{{{labels}}} 1\n"


def test_a_sample_is_read() -> None:
    assert sample(line('a="1",b="x, \\"y\\"",')) == (NAME, {"a": "1", "b": 'x, \\"y\\"'}, "1")


@pytest.mark.parametrize(
    "text", ["some_count 1", "some_count{", "some_count{a} 1", 'some_count{a="} 1', 'some_count{a=""}']
)
def test_what_is_no_sample_is_none(text: str) -> None:
    assert sample(text) is None


def test_lines_that_are_too_long_are_not_looked_at(labels: Watched) -> None:
    page = line("a" * 40_000) * 100 + line('a="1"')
    assert list(samples(page, (NAME,))) == [(NAME, {"a": "1"}, "1")]
    assert len(labels.tried) == 2  # the label of the last line, and its end


@pytest.mark.parametrize("filling", ["a", '"', "\\", "a=", '="', "} ", "{", ", "])
def test_a_line_that_is_no_sample_is_left_at_the_first_place_that_is_wrong(labels: Watched, filling: str) -> None:
    page = line(filling * ((LONGEST_LINE - 20) // len(filling))) * 500
    assert list(samples(page, (NAME,))) in ([], [(NAME, {}, "}")] * 500)
    assert len(labels.tried) == 500


def test_each_label_is_looked_at_once(labels: Watched) -> None:
    list(samples(line('a="",' * 1_000), (NAME,)))
    assert len(labels.tried) == 1_001
    assert labels.tried == sorted(set(labels.tried))


def test_a_page_that_nobody_waits_for_is_left_at_once() -> None:
    answers = iter([False, False, True])
    reading = samples(line('a="1"') * 100_000, (NAME,), lambda: next(answers))
    assert [next(reading), next(reading)] == [(NAME, {"a": "1"}, "1")] * 2
    with pytest.raises(TooLate):
        next(reading)
