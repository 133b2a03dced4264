"""The samples of a page of metrics. It comes from a program that may be broken: no page costs more than its length."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator

LONGEST_LINE = 8 * 2**10  # characters; an honest one has some hundreds
# Each begins where the one before ended, and none matches the same characters in two ways: the time grows with the length alone.
_NAME = re.compile(r"([a-z_]+)\{")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"[, ]*')
_VALUE = re.compile(r"\} +(\S+)")

Sample = tuple[str, dict[str, str], str]  # name, labels, value


class TooLate(ValueError):
    """Nobody waits for the page any more."""


def never() -> bool:
    """Somebody waits, however long it takes."""
    return False


def samples(text: str, names: tuple[str, ...], given_up: Callable[[], bool] = never) -> Iterator[Sample]:
    """Those whose name begins with one of ``names``. given_up: asked at each line, whether to end with TooLate."""
    for line in io.StringIO(text):  # one by one: a page of empty lines is no list of millions
        if given_up():
            raise TooLate("the page takes too long to read")
        if len(line) <= LONGEST_LINE and line.startswith(names) and (found := sample(line)) is not None:
            yield found


def sample(line: str) -> Sample | None:
    """The sample of one line; None if it is none with labels."""
    name = _NAME.match(line)
    if name is None:
        return None
    labels, end = _labels(line, name.end())
    value = _VALUE.match(line, end)
    return None if value is None else (name[1], labels, value[1])


def _labels(line: str, begin: int) -> tuple[dict[str, str], int]:
    """The labels from there on, and where they end."""
    found: dict[str, str] = {}
    while (label := _LABEL.match(line, begin)) is not None:
        found[label[1]] = label[2]
        begin = label.end()
    return found, begin
