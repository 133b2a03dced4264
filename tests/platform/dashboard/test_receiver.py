"""Telemetry comes in by OTLP; what is malformed, too large or too much is refused and harms nothing."""

from __future__ import annotations

import contextlib
import gzip
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from tests.platform.dashboard.telling import START, Running, otlp, running, span

from atoll.platform.dashboard import Batch, Intake, Store
from atoll.platform.dashboard.intake import MOST_READ
from atoll.platform.dashboard.opentelemetry import Malformed, samples_of, spans_of
from atoll.platform.dashboard.receiver import MOST_BYTES

PROTOBUF = {"content-type": "application/x-protobuf"}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path) as it:
        yield it


def test_what_is_sent_can_be_asked_for(served: Running) -> None:
    assert served.send([span(1), span(2, 1, service="payments", attributes='{"db.system.name":"postgresql"}')]) == 200
    status, found = served.ask("/api/traces")
    assert status == 200
    status, trace = served.ask(f"/api/traces/{found['traces'][0]['trace']}")
    assert status == 200
    assert [one["service"] for one in trace["spans"]] == ["orders", "payments"]
    assert trace["spans"][1]["attributes"] == {"db.system.name": "postgresql"}


def test_gzip_is_read_and_a_bomb_is_not(served: Running) -> None:
    zipped = {**PROTOBUF, "content-encoding": "gzip"}
    assert served.ask("/v1/traces", gzip.compress(otlp([span(1)])), zipped)[0] == 200
    assert served.ask("/v1/traces", gzip.compress(b"\0" * (MOST_BYTES + 1)), zipped)[0] == 413
    assert served.ask("/v1/traces", gzip.compress(otlp([span(1)]))[:-12], zipped)[0] == 400
    assert served.ask("/v1/traces", b"no gzip", zipped)[0] == 400


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"\xff\xff\xff", PROTOBUF, 400),
        (b"{}", {"content-type": "application/json"}, 415),
        (b"x", {**PROTOBUF, "content-encoding": "br"}, 400),
        (b"\0" * (MOST_BYTES + 1), PROTOBUF, 413),
    ],
)
def test_what_is_no_otlp_is_refused_with_a_line(
    served: Running, body: bytes, headers: dict[str, str], status: int
) -> None:
    found, reply = served.ask("/v1/traces", body, headers)
    assert found == status
    assert reply["error"]


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_do_more_than_be_malformed(body: bytes) -> None:
    with contextlib.suppress(Malformed):
        spans_of(body)


def test_spans_without_ids_are_left_out_and_odd_times_are_bounded() -> None:
    odd = span(2, start=2**64 - 1, duration=0)
    batch = spans_of(otlp([span(1)._replace(trace=b""), span(0), odd]))
    assert len(batch.spans) == 1
    assert batch.spans[0].start == 2**63 - 1


def test_a_name_of_a_megabyte_is_cut() -> None:
    (found,) = spans_of(otlp([span(1, name="x" * 1_000_000)])).spans
    assert len(found.name) < 5_000
    assert found.name.endswith("(1,000,000 characters)")


def test_too_much_is_answered_with_try_later(tmp_path: Path) -> None:
    with running(tmp_path, most=10) as served:
        many = [span(number) for number in range(1, 12)]
        status, reply = served.ask("/v1/traces", otlp(many), PROTOBUF)
        assert status == 429
        assert "shed" in reply["error"]
        assert served.ask("/api/store")[1]["shed"] == 11


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/traces/xyz", 400),
        (f"/api/traces/{'a' * 32}", 404),
        ("/api/traces?limit=many", 400),
        ("/api/metric", 400),
        ("/api/metric?name=x&show=p12", 400),
        ("/api/logs?trace=1", 400),
    ],
)
def test_a_wrong_question_gets_one_line(served: Running, path: str, status: int) -> None:
    found, reply = served.ask(path)
    assert found == status
    assert "\n" not in reply["error"]


def test_a_page_of_another_site_reads_nothing_by_a_name_that_points_here(served: Running) -> None:
    assert served.ask("/api/traces", headers={"host": "evil.example"})[0] == 401
    assert served.ask("/api/traces", headers={"host": "localhost:1"})[0] == 200


def test_a_sender_on_this_machine_may_bear_any_name(served: Running) -> None:
    as_envoy = {**PROTOBUF, "host": "telemetry-receiver", "x-forwarded-for": "192.0.2.7"}
    status, _ = served.ask("/v1/traces", otlp([span(1)]), as_envoy)
    assert status == 200


def test_the_token_lets_in(tmp_path: Path) -> None:
    elsewhere = {"host": "box.example"}
    with running(tmp_path, token="right") as served:
        assert served.ask("/api/traces", headers=elsewhere)[0] == 401
        assert served.ask("/api/traces", headers={**elsewhere, "authorization": "Bearer wrong"})[0] == 401
        assert served.ask("/api/traces", headers={**elsewhere, "authorization": "Bearer right"})[0] == 200
        assert served.ask("/api/traces?token=right", headers=elsewhere)[0] == 200


def test_clocks_that_differ_do_not_break_a_trace(served: Running) -> None:
    served.send([span(1, start=START), span(2, 1, service="payments", start=START - 10**9)])
    status, trace = served.ask(f"/api/traces/{(1).to_bytes(16, 'big').hex()}")
    assert status == 200
    assert [one["depth"] for one in trace["spans"]] == [0, 1]
    assert trace["skew"] == 10**9
    assert trace["duration"] >= 10**9


def test_a_sample_from_a_clock_that_is_wrong_came_now() -> None:
    request = ExportMetricsServiceRequest()
    told = request.resource_metrics.add().scope_metrics.add().metrics.add(name="jobs").gauge
    now = time.time_ns()
    for at in (0, now - 60 * 10**9, now + 400 * 86_400 * 10**9, 2**64 - 1):
        told.data_points.add(time_unix_nano=at, as_int=1)
    times = [sample.time for sample in samples_of(request.SerializeToString()).samples]
    assert times[1] == now - 60 * 10**9
    assert all(now <= time < now + 60 * 10**9 for time in (times[0], *times[2:]))


def test_what_there_is_no_room_for_is_not_even_read(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "telemetry.db"), most=10)
    assert intake.offer(Batch(tuple(span(number) for number in range(1, 10))))
    with intake.admitted() as room:
        assert not room
    counts = intake.counts()
    assert (counts.refused, counts.shed, counts.shedding) == (1, 0, True)


def test_only_so_many_requests_are_read_at_once(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "telemetry.db"))
    with contextlib.ExitStack() as many:
        assert all(many.enter_context(intake.admitted()) for _ in range(MOST_READ))
        with intake.admitted() as room:
            assert not room
    with intake.admitted() as room:
        assert room


def test_a_browser_without_the_token_gets_a_page_that_asks_for_it(tmp_path: Path) -> None:
    browser = {"host": "box.example", "accept": "text/html,*/*;q=0.8"}
    with running(tmp_path, token="right") as served:
        status, page = served.ask("/", headers=browser)
        assert status == 401
        assert b"asks for a token" in page
        assert served.ask("/?token=right", headers=browser)[0] == 200
        assert served.ask("/app.js", headers={**browser, "cookie": "atoll-dashboard=right"})[0] == 200
        assert served.ask("/app.js", headers={**browser, "cookie": "atoll-dashboard=wrong"})[0] == 401
