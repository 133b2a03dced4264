"""The store keeps what came, once, within its size, and answers about it."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.platform.dashboard.telling import SECOND, START, span

from atoll.platform.dashboard import Batch, Intake, Log, Sample, Store
from atoll.platform.dashboard.asking import LogQuery, TraceQuery, Unknown, Wrong, log_query, trace_query
from atoll.platform.dashboard.metrics import MetricQuery, draw, metric_names, quantile
from atoll.platform.dashboard.rates import rates
from atoll.platform.dashboard.records import find_logs
from atoll.platform.dashboard.traces import edges, find_traces, one_trace


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "telemetry.db")


def test_a_trace_is_read_as_its_tree(store: Store) -> None:
    store.write(Batch((span(3, 2), span(2, 1, service="payments"))))
    store.write(Batch((span(1, service="gateway", name="ingress"), span(4, 1, status=2))))
    found = one_trace(store, (1).to_bytes(16, "big"))
    assert [(one["span"][-1], one["depth"]) for one in found["spans"]] == [("1", 0), ("2", 1), ("3", 2), ("4", 1)]
    assert (found["orphans"], found["errors"]) == (0, 1)
    (listed,) = find_traces(store, TraceQuery())
    assert (listed["service"], listed["name"], listed["spans"], listed["errors"]) == ("gateway", "ingress", 4, 1)
    assert {one["service"]: one["spans"] for one in listed["services"]} == {"gateway": 1, "orders": 2, "payments": 1}


def test_a_span_sent_again_is_not_counted_again(store: Store) -> None:
    for _ in range(2):
        store.write(Batch((span(1), span(2, 1), span(2, 1))))
    (listed,) = find_traces(store, TraceQuery())
    assert listed["spans"] == 2


def test_a_span_whose_parent_is_missing_is_shown_and_counted(store: Store) -> None:
    store.write(Batch((span(5, 4), span(6, 5), span(7, 8), span(8, 7))))
    found = one_trace(store, (1).to_bytes(16, "big"))
    assert len(found["spans"]) == 4
    assert found["orphans"] == 3  # the one without its parent, and two that are each other's parents


def test_an_unknown_trace_is_said_to_be_unknown(store: Store) -> None:
    with pytest.raises(Unknown, match="too old"):
        one_trace(store, b"x" * 16)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"service": "payments"}, {2}),
        ({"errors": "1"}, {3}),
        ({"at_least": "5ms"}, {2}),
        ({"q": "refund"}, {3}),
        ({"q": "0000000000000000000000000000000"}, {1, 2, 3}),
        ({"attribute": "http.route=/orders/{id}"}, {1}),
        ({"since": str(START + 2), "until": str(START + 2)}, {2}),
        ({"before": str(START + 2)}, {1}),
        ({"order": "slowest", "limit": "1"}, {2}),
        ({"service": "nobody"}, set()),
        ({"q": "%' OR 1=1 --"}, set()),
    ],
)
def test_traces_are_found_by(store: Store, query: dict[str, str], expected: set[int]) -> None:
    store.write(
        Batch((
            span(1, trace=1, attributes='{"http.route":"/orders/{id}"}'),
            span(2, trace=2, service="payments", duration=9_000_000),
            span(3, trace=3, name="refund", status=2),
        ))
    )  # fmt: skip
    assert {int(one["trace"], 16) for one in find_traces(store, trace_query(query))} == expected


@pytest.mark.parametrize(
    "query",
    [{"at_least": "fast"}, {"limit": "-1"}, {"limit": "99999"}, {"attribute": "x"}, {"since": "x"}, {"before": "1e9"}],
)
def test_a_query_that_says_nothing_clear_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Wrong):
        trace_query(query)


def test_logs_are_found_and_followed(store: Store) -> None:
    trace = (7).to_bytes(16, "big")
    store.write(Batch(logs=(
        Log(START, "orders", "orders-1", 9, "placed", trace, b"", '{"order":"o-1"}'),
        Log(START + 1, "orders", "orders-1", 17, "card DECLINED", b"", b"", "{}"),
    )))  # fmt: skip
    assert [one["message"] for one in find_logs(store, LogQuery())] == ["placed", "card DECLINED"]
    assert [one["message"] for one in find_logs(store, log_query({"level": "error"}))] == ["card DECLINED"]
    assert [one["message"] for one in find_logs(store, log_query({"q": "declined"}))] == ["card DECLINED"]
    assert [one["message"] for one in find_logs(store, log_query({"trace": trace.hex()}))] == ["placed"]
    assert [one["message"] for one in find_logs(store, log_query({"attribute": "order=o-1"}))] == ["placed"]
    (first, second) = find_logs(store, LogQuery())
    assert find_logs(store, LogQuery(after=first["id"])) == [second]
    with pytest.raises(Wrong, match="take one of"):
        log_query({"level": "loud"})


def test_who_called_whom(store: Store) -> None:
    store.write(Batch((
        span(1, service="gateway"), span(2, 1), span(3, 2), span(4, 3, service="payments", status=2),
        span(5, 2, service="payments", kind=5),
    )))  # fmt: skip
    found = {(one["source"], one["target"], one["kind"]): one["errors"] for one in edges(store, 0)}
    assert found == {
        ("gateway", "orders", "call"): 0,
        ("orders", "payments", "call"): 1,
        ("orders", "payments", "event"): 0,
    }


def test_a_counter_is_drawn_as_its_rate_and_survives_a_restart(store: Store) -> None:
    for at, value in enumerate((0, 10, 20, 5)):
        store.write(
            Batch(samples=(Sample(START + at * SECOND, "orders", "orders-1", "jobs_total", '{"kind":"a"}', value),))
        )
    query = MetricQuery("jobs_total", "rate", since=START, until=START + 3 * SECOND, step=SECOND)
    (line,) = draw(store, query)["lines"]
    assert line["values"] == [None, 10.0, 10.0, 5.0]


def test_a_histogram_is_drawn_as_its_quantile(store: Store) -> None:
    rows = [
        Sample(START + at * SECOND, "orders", "orders-1", "seconds_bucket", f'{{"le":"{le}"}}', at * count)
        for at in range(3)
        for le, count in (("0.1", 50.0), ("0.2", 99.0), ("+Inf", 100.0))
    ]
    store.write(Batch(samples=tuple(rows)))
    query = MetricQuery("seconds", "p50", since=START, until=START + 2 * SECOND, step=SECOND)
    (line,) = draw(store, query)["lines"]
    assert line["values"][1:] == [pytest.approx(0.1), pytest.approx(0.1)]
    assert metric_names(store) == [
        {"name": "seconds", "kind": "histogram", "services": ["orders"], "labels": [], "series": 3}
    ]


def test_the_rate_of_an_operation_over_its_instances(store: Store) -> None:
    route = '"http_request_method":"POST","http_route":"/orders"'
    rows = [
        Sample(START + at * SECOND, "orders", instance, "http_server_request_duration_seconds_bucket",
               f'{{{route},"http_response_status_code":"{status}","le":"{le}"}}', at * each * (1.0 if le == "+Inf" else 0.5))
        for at in range(11) for instance in ("orders-1", "orders-2") for status, each in (("201", 9), ("500", 1))
        for le in ("0.1", "+Inf")
    ]  # fmt: skip
    store.write(Batch(samples=tuple(rows)))
    (found,) = rates(store, START, START + 10 * SECOND)
    assert (found["service"], found["operation"]) == ("orders", "POST /orders")
    assert (found["rate"], found["errors"], found["p50"]) == (pytest.approx(20), pytest.approx(0.1), pytest.approx(0.1))
    assert rates(store, START + 60 * SECOND, START + 90 * SECOND) == []


def test_the_first_request_of_an_operation_counts_if_its_instance_was_known(store: Store) -> None:
    def bucket(at: int, route: str, count: float) -> Sample:
        labels = f'{{"http_request_method":"GET","http_route":"{route}","http_response_status_code":"200","le":"+Inf"}}'
        name = "http_server_request_duration_seconds_bucket"
        return Sample(START + at * SECOND, "orders", "orders-1", name, labels, count)

    store.write(Batch(samples=(bucket(0, "/old", 7), Sample(START, "orders", "orders-1", "up", "{}", 1.0))))
    store.write(Batch(samples=(bucket(5, "/old", 8), bucket(5, "/new", 2))))
    store.write(Batch(samples=(bucket(10, "/old", 8), bucket(10, "/new", 3))))
    found = {one["operation"]: one["count"] for one in rates(store, START, START + 20 * SECOND)}
    assert found == {"GET /old": 1, "GET /new": 3}
    assert rates(store, START + 6 * SECOND, START + 20 * SECOND) == []


@given(st.lists(st.integers(0, 5), min_size=2, max_size=12), st.sets(st.integers(1, 11)))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_growth_is_what_was_counted_however_often_the_instance_began_anew(steps: list[int], restarts: set[int]) -> None:
    with TemporaryDirectory() as folder:
        store = Store(Path(folder) / "telemetry.db")
        value, total = 100, 0
        for at, step in enumerate(steps):
            value = step if at in restarts and step < value else value + step
            total += step if at else 0
            labels = '{"http_request_method":"GET","le":"+Inf"}'
            name = "http_server_request_duration_seconds_bucket"
            store.write(Batch(samples=(Sample(START + at * SECOND, "orders", "orders-1", name, labels, value),)))
        found = rates(store, START, START + 20 * SECOND)
        store.close()
    assert sum(one["count"] for one in found) == total


def test_the_quantile_of_nothing_is_nothing_and_of_the_endless_bucket_its_lower_bound() -> None:
    assert quantile(0.5, [1.0, float("inf")], [0.0, 0.0]) is None
    assert quantile(0.99, [1.0, float("inf")], [1.0, 100.0]) == 1.0


def test_the_file_stays_within_its_size_and_the_latest_stay(tmp_path: Path) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    most = 4 * 2**20
    store = Store(tmp_path / "telemetry.db", most=most)
    for trace in range(1, 400):
        ids = [rng.randrange(1, 2**63) for _ in range(50)]
        store.write(
            Batch(
                tuple(
                    span(one, trace=trace, start=START + trace, attributes=f'{{"text":"{"x" * 500}"}}') for one in ids
                )
            )
        )
        store.trim()
    assert store.size() < most * 2  # the log of what was written counts too
    found = find_traces(store, TraceQuery(limit=1_000))
    numbers = {int(one["trace"], 16) for one in found}
    assert 399 in numbers
    assert 1 not in numbers
    (kept,) = store.rows("SELECT count(*) AS spans, count(DISTINCT trace) AS traces FROM spans")
    assert kept["spans"] > 1_000
    (summed,) = store.rows("SELECT count(*) AS traces FROM traces")
    assert summed["traces"] == kept["traces"]


def test_a_burst_that_is_larger_than_the_file_may_be_is_trimmed_at_once(tmp_path: Path) -> None:
    most = 2 * 2**20
    store = Store(tmp_path / "telemetry.db", most=most)
    for trace in range(1, 200):
        spans = (span(trace * 100 + one, trace=trace, start=START + trace) for one in range(50))
        store.write(Batch(tuple(one._replace(attributes=f'{{"text":"{"x" * 500}"}}') for one in spans)))
    store.trim()
    assert store.size() < most * 1.5


def test_what_was_stored_is_there_after_a_restart_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    first = Store(file)
    first.write(Batch((span(1),), samples=(Sample(START, "orders", "", "up", "{}", 1.0),)))
    first.close()
    again = Store(file)
    again.write(Batch(samples=(Sample(START + 1, "orders", "", "up", "{}", 1.0),)))
    assert len(find_traces(again, TraceQuery())) == 1
    assert len(metric_names(again)) == 1
    assert file.stat().st_mode & 0o077 == 0


def test_a_file_of_another_layout_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "telemetry.db"
    old = sqlite3.connect(file)
    old.execute("CREATE TABLE spans (something TEXT)")
    old.execute("PRAGMA user_version = 999")
    old.close()
    store = Store(file)
    store.write(Batch((span(1),)))
    assert len(find_traces(store, TraceQuery())) == 1


def test_a_query_may_not_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.rows("DELETE FROM spans")


def test_a_flood_is_shed_and_counted_and_what_was_taken_is_kept(store: Store) -> None:
    intake = Intake(store, most=100)
    taken = [intake.offer(Batch((span(number),) * 1)) for number in range(1, 151)]
    intake.start()
    intake.stop()
    counts = intake.counts()
    assert sum(taken) == 100
    assert (counts.kept, counts.shed, counts.failed) == (100, 50, 0)
    (stored,) = store.rows("SELECT count(*) AS spans FROM spans")
    assert stored["spans"] == 100
