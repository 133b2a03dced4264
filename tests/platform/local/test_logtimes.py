"""Each program writes times in its own way; the lines of all of them come in one order."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from atoll.platform.local.logtimes import timed

NEAR = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def far_from_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Etc/GMT-3")  # three hours east
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def whens(*texts: str) -> list[str]:
    return [line.when.astimezone(UTC).isoformat() for line in timed("x", texts, NEAR)]


@pytest.mark.parametrize(
    "text",
    [
        "--- 2026-01-02T10:11:12Z orders-1 begins",
        "2026-01-02T10:11:12Z orders-1 ready http://127.0.0.1:1",
        '{"method":"GET","path":"/x","time":"2026-01-02T10:11:12.000Z"}',
        "2026-01-02 10:11:12.000 UTC [42] LOG:  ready",
        "[2026-01-02 10:11:12.000][42][warning][main] caught SIGTERM",
        "[42] 2026/01/02 10:11:12.000000 [INF] Server is ready",
        "13:11:12.000 info     atoll.serve  ready",
    ],
)
def test_the_time_of_each_program_is_understood(text: str) -> None:
    assert whens(text) == ["2026-01-02T10:11:12+00:00"]


def test_a_line_without_a_time_has_that_of_its_neighbour() -> None:
    ten = "2026-01-02T10:00:00+00:00"
    assert whens("before", "--- 2026-01-02T10:00:00Z it begins", "  Traceback", "99:99:99 is no time") == [ten] * 4
    assert whens("nothing at all") == [NEAR.isoformat()]
    assert whens("2026-99-99 99:99:99 is no date") == [NEAR.isoformat()]


def test_a_clock_without_a_date_is_on_the_nearest_day() -> None:
    # 23:30 UTC is 02:30 of the next day there.
    assert whens("--- 2026-01-02T20:59:00Z it begins", "23:59:30.500 a", "00:00:01.000 b", "23:59:59.000 late") == [
        "2026-01-02T20:59:00+00:00",
        "2026-01-02T20:59:30.500000+00:00",
        "2026-01-02T21:00:01+00:00",
        "2026-01-02T20:59:59+00:00",
    ]
