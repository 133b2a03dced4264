"""A whole service with a collector: its spans, metrics and logs arrive, and nobody notices when the collector is away."""

from __future__ import annotations

import asyncio
import json
import logging
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.error import HTTPError

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus
from tests.telemetry.collector import Collector, attributes, collecting

from atoll.contracts import PUBLIC, Api, Message, NotFound, Operation, Surface
from atoll.serve.assemble import Running, assemble
from atoll.serve.environment import Environment
from atoll.service import Service, implements
from atoll.telemetry import span

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
CARD, TOKEN, PASSWORD = "4111111111111111", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2lnbmF0dXJl", "correct-horse"
log = logging.getLogger("lantern")


class Ask(Message):
    name: str
    card: str = ""


class Answer(Message):
    text: str


class Lantern(Api):
    shine = Operation("POST /shine", Ask, Answer, access=PUBLIC, errors=(NotFound,))
    level = Operation("GET /level", None, Answer, access=PUBLIC, http=Surface(polled=True))


@implements(Lantern.shine)
async def shine(ask: Ask) -> Answer:
    with span("look around", far=True):
        if ask.name == "nobody":
            raise NotFound(f"there is no {ask.name}")
        if ask.name == "broken":
            raise RuntimeError(f"the card {ask.card} and password={PASSWORD} and {TOKEN} went in")
        log.info("shone on %s", ask.card, extra={"token": TOKEN, "distance": 3})
    return Answer("light")


@implements(Lantern.level)
async def level() -> Answer:
    return Answer("full")


service = Service("lantern", handlers=[shine, level])


@asynccontextmanager
async def running(values: Mapping[str, str]) -> AsyncIterator[Running]:
    level = logging.getLogger().level
    logging.getLogger().setLevel("INFO")
    found = assemble(service, Environment(port=0, grace=3.0), {"OTEL_BSP_SCHEDULE_DELAY": "50", **values})
    await asyncio.create_task(found.start())
    try:
        yield found
    finally:
        await found.stop()
        logging.getLogger().setLevel(level)


async def ask(url: str, name: str, headers: Mapping[str, str] = HEADERS) -> int:
    body = json.dumps({"name": name, "card": CARD}).encode()
    request = urllib.request.Request(f"{url}/shine", body, {"content-type": "application/json", **headers})

    def send() -> int:
        try:
            with urllib.request.urlopen(request) as reply:
                return int(reply.status)
        except HTTPError as error:
            error.close()
            return error.code

    return await asyncio.to_thread(send)


async def level_of(url: str, headers: Mapping[str, str]) -> int:
    def send() -> int:
        with urllib.request.urlopen(urllib.request.Request(f"{url}/level", headers=headers)) as reply:
            return int(reply.status)

    return await asyncio.to_thread(send)


async def page(url: str, accept: str) -> tuple[str, str]:
    request = urllib.request.Request(f"{url}/metrics", headers={"accept": accept})

    def read() -> tuple[str, str]:
        with urllib.request.urlopen(request) as reply:
            return reply.headers["content-type"], reply.read().decode()

    return await asyncio.to_thread(read)


def families(parser: Any, text: str) -> list[Any]:
    return list(parser(text))


@pytest.fixture
def collector() -> Any:
    with collecting() as found:
        yield found


async def test_spans_metrics_and_logs_of_one_request_belong_together(collector: Collector) -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_RESOURCE_ATTRIBUTES": "team=night"}) as one:
        assert await ask(one.url, "ada") == 200
        assert await ask(one.url, "nobody") == 404
        assert await ask(one.url, "broken") == 500
    spans = [span for name, span in collector.spans if name == "lantern"]
    servers = [span for span in spans if span.name == "POST /shine"]
    assert [attributes(span)["http.response.status_code"] for span in servers] == [200, 404, 500]
    assert [span.status.code for span in servers] == [0, 0, 2]  # what a client got wrong is no error of the server
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert {span.parent_span_id.hex() for span in servers} == {PARENT}
    inner = [span for span in spans if span.name == "look around"]
    assert [span.parent_span_id for span in inner] == [span.span_id for span in servers]
    (said,) = [record for _, record in collector.logs if record.body.string_value.startswith("shone on")]
    assert (said.trace_id.hex(), said.span_id) == (TRACE, inner[0].span_id)
    assert attributes(said)["distance"] == 3
    (failed,) = [record for _, record in collector.logs if record.severity_number == 17]
    assert failed.trace_id.hex() == TRACE
    (durations,) = [metric for _, metric in collector.metrics if metric.name == "http.server.request.duration"][-1:]
    assert sorted(point.count for point in durations.histogram.data_points) == [1, 1, 1]


async def test_a_polled_operation_is_counted_and_begins_no_trace(collector: Collector) -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as one:
        for headers in ({}, HEADERS):
            assert await level_of(one.url, headers) == 200
    assert [span.trace_id.hex() for _, span in collector.spans if span.name == "GET /level"] == [TRACE]
    (durations,) = [metric for _, metric in collector.metrics if metric.name == "http.server.request.duration"][-1:]
    assert [point.count for point in durations.histogram.data_points] == [2]


async def test_no_secret_leaves_in_telemetry(collector: Collector) -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as one:
        headers = {**HEADERS, "authorization": f"Bearer {TOKEN}", "cookie": f"session={PASSWORD}"}
        await ask(one.url, "ada", headers)
        await ask(one.url, "broken", headers)
        told = b"".join([text.encode() for text in await page(one.url, "")])
    told += b"".join(collector.raw)
    assert b"look around" in told
    for secret in (CARD, TOKEN, PASSWORD):
        assert secret.encode() not in told


@pytest.mark.parametrize("status", [503, 400])
async def test_a_collector_that_refuses_costs_no_request(status: int, caplog: pytest.LogCaptureFixture) -> None:
    with collecting(lambda: status) as refusing:
        async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": refusing.url}) as one:
            assert [await ask(one.url, "ada") for _ in range(5)] == [200] * 5
            while "does not take traces" not in caplog.text:
                await asyncio.sleep(0.05)
    assert caplog.text.count("does not take traces") == 1


async def test_a_collector_that_is_away_costs_no_request() -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_MAX_QUEUE_SIZE": "4"}) as one:
        assert [await ask(one.url, "ada") for _ in range(5)] == [200] * 5
        await one.telemetry.stop()
        _, text = await page(one.url, "")
    lost = [s.value for f in families(prometheus, text) if f.name == "atoll_telemetry_dropped" for s in f.samples]
    assert sum(lost) > 0


async def test_metrics_are_read_by_prometheus_own_parsers(collector: Collector) -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url}) as one:
        await ask(one.url, "ada")
        kind, plain = await page(one.url, "text/plain")
        modern_kind, modern = await page(one.url, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert kind.startswith("text/plain; version=0.0.4")
    assert modern_kind.startswith("application/openmetrics-text")
    names = {family.name for family in families(prometheus, plain)}
    assert names == {family.name for family in families(openmetrics, modern)}
    assert {
        "http_server_request_duration_seconds",
        "process_memory_usage_bytes",
        "atoll_event_loop_lag_seconds",
    } <= names
    buckets = [
        s for f in families(openmetrics, modern) if f.name == "http_server_request_duration_seconds" for s in f.samples
    ]
    assert TRACE in [s.exemplar.labels["trace_id"] for s in buckets if s.exemplar]
    assert {s.labels["atoll_operation"] for s in buckets} == {"lantern.shine"}


async def test_switched_off_it_is_off(collector: Collector) -> None:
    async with running({"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_SDK_DISABLED": "true"}) as one:
        assert await ask(one.url, "ada") == 200
        with pytest.raises(HTTPError) as refused:
            await page(one.url, "")
        refused.value.close()
    assert collector.raw == []


def test_what_a_variable_gets_wrong_is_told_and_its_default_used(caplog: pytest.LogCaptureFixture) -> None:
    values = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318/",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc",
        "OTEL_TRACES_SAMPLER": "sometimes",
        "OTEL_TRACES_SAMPLER_ARG": "7",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20abc,x=1",
    }
    found = assemble(service, Environment(port=0), values).telemetry.settings
    assert found.urls == {"metrics": "http://collector:4318/v1/metrics", "logs": "http://collector:4318/v1/logs"}
    assert (found.sampler, found.ratio) == ("parentbased_always_on", 1.0)
    assert found.headers == {"authorization": "Bearer abc", "x": "1"}
    assert "abc" not in repr(found)
    assert caplog.text.count("\n") == 3
