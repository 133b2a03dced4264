"""Lines of logs and pages of metrics are understood as their programs mean them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.platform.dashboard.lines import record_of
from atoll.platform.dashboard.prometheus import Unreadable, samples_of_page

WHEN = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize(
    ("text", "level", "message"),
    [
        ('{"time":"2026-11-23T12:00:00.123Z","level":"warning","message":"slow","order_id":"o-1"}', 13, "slow"),
        ('{"status":503,"method":"POST","path":"/orders"}', 17, "503 POST /orders"),
        ('{"status":201,"method":"POST","path":"/orders"}', 9, "201 POST /orders"),
        ("12:30:01.120 error    orders  could not place", 17, None),
        ("[2026-11-23 12:00:00.123][7][warning][config] [source/x.cc:1] odd", 13, None),
        ("2026-11-23 12:00:00.123 UTC [7] FATAL:  the database system is starting up", 21, None),
        ("[7] 2026/11/23 12:00:00.123456 [ERR] JetStream failed", 17, None),
        ("nothing that looks like a level", 9, None),
        ("{not json", 9, None),
        ("{" * 5_000, 9, None),
    ],
)
def test_a_line_is_understood(text: str, level: int, message: str | None) -> None:
    found = record_of("orders", "orders-1", WHEN, text)
    assert found.level == level
    assert found.message.startswith(message if message is not None else text[:100])
    assert found.time == 1_795_435_200_123_456_000


def test_a_line_knows_its_trace() -> None:
    structured = record_of("orders", "", WHEN, f'{{"message":"x","trace_id":"{TRACE}","span_id":"b7ad6b7169203331"}}')
    assert (structured.trace.hex(), structured.span.hex()) == (TRACE, "b7ad6b7169203331")
    assert record_of("orders", "", WHEN, f"12:00:00 info x  trace_id={TRACE}").trace.hex() == TRACE
    assert record_of("orders", "", WHEN, '{"message":"x","trace_id":"zz"}').trace == b""


@given(st.text(max_size=200))
def test_no_line_is_too_odd(text: str) -> None:
    record_of("orders", "orders-1", WHEN, text)


def test_a_page_in_prometheus_format() -> None:
    page = '# TYPE jobs counter\njobs_total{kind="a"} 3\n# TYPE pool gauge\npool 1.5\n'
    found = samples_of_page("orders", "orders-1", 7, page, "text/plain; version=0.0.4")
    assert [(one.name, one.labels, one.value) for one in found] == [
        ("jobs_total", '{"kind":"a"}', 3.0), ("pool", "{}", 1.5),
    ]  # fmt: skip


def test_a_page_in_openmetrics_has_exemplars() -> None:
    page = (
        '# TYPE seconds histogram\nseconds_bucket{le="0.1"} 2 # {trace_id="' + TRACE + '"} 0.05\n'
        'seconds_bucket{le="+Inf"} 2\nseconds_sum 0.1\nseconds_count 2\n# EOF\n'
    )
    found = samples_of_page("orders", "orders-1", 7, page, "application/openmetrics-text; version=1.0.0")
    assert {one.name: one.value for one in found if not one.exemplar} == {
        "seconds_bucket": 2.0, "seconds_sum": 0.1, "seconds_count": 2.0,
    }  # fmt: skip
    assert [one.exemplar.hex() for one in found if one.exemplar] == [TRACE]


@pytest.mark.parametrize("page", ["<html>", 'a{b="c} 1\n', "a b c d e\n"])
def test_a_page_that_is_none_is_refused_with_a_line(page: str) -> None:
    with pytest.raises(Unreadable, match="orders: /metrics is not readable"):
        samples_of_page("orders", "orders-1", 7, page, "text/plain")
