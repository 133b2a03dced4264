from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace
from pathlib import Path

import pytest
from tests.platform.gateway.conftest import running_envoy
from tests.platform.gateway.harness import (
    Backend,
    Gateway,
    Issuer,
    Seen,
    answering,
    backend,
    client_builder,
    free_ports,
    reply,
)
from tests.platform.gateway.systems import shop

from atoll.platform.gateway import GatewayFiles, GatewayOptions, compile_snapshot, listener


async def test_a_body_over_the_operations_limit_is_413(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    assert (await gateway.ask("POST", "/quote", body=b"x" * 2000)).status == 200
    answer = await gateway.ask("POST", "/quote", body=b"x" * 2001)
    assert answer.is_problem(413, "too-large")
    assert [len(seen.body) for seen in orders.seen] == [2000]


async def test_a_body_up_to_the_gateways_limit_gets_through(gateway: Gateway) -> None:
    async with backend() as catalog:
        await gateway.open(shop(), catalog=catalog)
        assert (await gateway.ask("POST", "/catalog/x", body=b"x" * 1_048_576)).status == 200
        assert len(catalog.seen[-1].body) == 1_048_576
        assert (await gateway.ask("POST", "/catalog/x", body=b"x" * 1_048_577)).is_problem(413, "too-large")


async def test_the_gateways_limit_holds_where_an_operation_says_nothing(gateway: Gateway, auth: Backend) -> None:
    await gateway.open(shop(body_limit=500), auth=auth)
    assert (await gateway.ask("POST", "/auth/token", body=b"x" * 501)).is_problem(413, "too-large")


async def test_asking_for_an_upgrade_does_not_lift_the_body_limit(gateway: Gateway) -> None:
    async with backend() as catalog:
        await gateway.open(shop(body_limit=100), catalog=catalog)
        head = b"POST /catalog/x HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\ncontent-length: 101\r\n\r\n"
        reader, writer = await gateway.raw(head + b"x" * 101)
        assert b" 413 " in await reader.readline()
        writer.close()
        assert catalog.seen == []


async def test_headers_over_the_limit_are_431(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    answer = await gateway.ask("GET", "/price", headers=[("x-big", "x" * 40_000)])
    assert answer.is_problem(431, "too-large")
    many = [(f"x-{number}", "1") for number in range(120)]
    assert (await gateway.ask("GET", "/price", headers=many)).is_problem(431, "too-large")


async def never(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_a_service_that_does_not_answer_is_504_in_time(gateway: Gateway) -> None:
    async with backend(never) as orders:
        await gateway.open(shop(), orders=orders)
        started = time.monotonic()
        assert (await gateway.ask("POST", "/quote", body=b"{}")).is_problem(504, "deadline-exceeded")
        assert 0.7 < time.monotonic() - started < 2.0  # deadline 0.3 s and the gateway's margin


async def test_the_service_is_told_its_deadline(gateway: Gateway, orders: Backend) -> None:
    async with backend() as catalog:
        await gateway.open(shop(), orders=orders, catalog=catalog)
        await gateway.ask("POST", "/quote", headers=[("atoll-deadline-ms", "999999")], body=b"{}")
        await gateway.ask("GET", "/catalog/x")
    assert orders.last["atoll-deadline-ms"] == "300"
    assert catalog.last["atoll-deadline-ms"] == "300"


async def test_an_idempotent_operation_is_tried_again_elsewhere(gateway: Gateway) -> None:
    async with backend(answering(reply(503)), "bad") as bad, backend(name="good") as good:
        await gateway.open(shop(), orders=[bad.endpoint(), good.endpoint()])
        for _ in range(10):
            assert (await gateway.ask("GET", "/price")).status == 200
    assert bad.seen


async def test_what_may_not_run_twice_is_sent_once(gateway: Gateway) -> None:
    async with backend(answering(reply(503, b"{}", retry_after="7")), "bad") as bad:
        await gateway.open(shop(), orders=bad)
        answer = await gateway.ask("POST", "/quote", body=b"{}")
        assert (answer.status, answer.headers["retry-after"]) == (503, "7")  # the service's own words
        assert len(bad.seen) == 1


async def breaks_off(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_a_service_that_breaks_off_is_502_and_not_asked_twice(gateway: Gateway) -> None:
    async with backend(breaks_off) as orders:
        await gateway.open(shop(), orders=orders)
        assert (await gateway.ask("POST", "/quote", body=b"{}")).is_problem(502, "bad-gateway")
        assert len(orders.seen) == 1


async def test_what_was_never_sent_is_tried_elsewhere(gateway: Gateway, orders: Backend) -> None:
    async with backend() as gone:
        pass
    await gateway.open(shop(), orders=[gone.endpoint(), orders.endpoint()])
    for _ in range(10):
        assert (await gateway.ask("POST", "/quote", body=b"{}")).status == 200
    assert len(orders.seen) == 10


async def test_nonsense_from_a_service_is_502(gateway: Gateway) -> None:
    async with backend(answering(b"nonsense\r\n\r\n")) as orders:
        await gateway.open(shop(), orders=orders)
        assert (await gateway.ask("POST", "/quote", body=b"{}")).is_problem(502, "bad-gateway")


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
async def test_a_services_own_problem_is_not_touched(gateway: Gateway, status: int) -> None:
    own = b'{"type":"urn:problem:out-of-stock","title":"Out","status":409,"detail":"x"}'
    async with backend(answering(reply(status, own, content_type="application/problem+json"))) as orders:
        await gateway.open(shop(), orders=orders)
        answer = await gateway.ask("POST", "/quote", body=b"{}")
        assert (answer.status, answer.body) == (status, own)


async def test_request_ids_are_made_and_a_clients_own_is_replaced(
    gateway: Gateway, orders: Backend, issuer: Issuer
) -> None:
    await gateway.open(shop(), orders=orders)
    answer = await gateway.ask("GET", "/price", headers=[("x-request-id", "mine\tand mine")])
    assert len(orders.last["x-request-id"]) == 36
    assert answer.headers["x-request-id"] == orders.last["x-request-id"]


async def test_trace_context_is_made_or_continued(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    await gateway.ask("GET", "/price")
    version, trace, span, _ = orders.last["traceparent"].split("-")
    assert (version, len(trace), len(span)) == ("00", 32, 16)
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await gateway.ask("GET", "/price", headers=[("traceparent", given), ("tracestate", "a=1")])
    _, trace, span, flags = orders.last["traceparent"].split("-")
    assert (trace, flags) == ("0af7651916cd43dd8448eb211c80319c", "01")
    assert span != "b7ad6b7169203331"
    assert orders.last["tracestate"] == "a=1"


@pytest.mark.parametrize(
    ("limit", "sent"),
    [
        ("HEADERS_TIMEOUT", b"GET /price HTTP/1.1\r\nhost: x\r\nx-slow"),
        ("REQUEST_TIMEOUT", b"POST /quote HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nslow"),
    ],
)
async def test_a_slow_client_is_408_and_holds_no_service(
    gateway: Gateway, orders: Backend, monkeypatch: pytest.MonkeyPatch, limit: str, sent: bytes
) -> None:
    monkeypatch.setattr(listener, limit, "0.3s")
    await gateway.open(shop(), orders=orders)
    reader, writer = await gateway.raw(sent)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    assert b" 408 " in answer.splitlines()[0]
    assert b"urn:problem:request-timeout" in answer
    assert orders.seen == []


async def test_a_new_envoy_serves_what_the_files_say_and_takes_no_more_connections_than_it_may(
    tmp_path: Path, orders: Backend
) -> None:
    port, admin_port = free_ports(2)
    files = GatewayFiles(tmp_path, GatewayOptions(port, admin_port, max_connections=2))
    snapshot = compile_snapshot(shop(), {"orders": [orders.endpoint()]}, files.options)
    files.install(snapshot)
    for _ in range(2):  # the second finds what the first, killed, left behind
        with running_envoy(files) as process:
            async with client_builder().build() as client:
                gateway = Gateway(files, client)
                await gateway.control.ready()
                await gateway.control.publish(snapshot)
                held = [await gateway.raw(b"GET /price HTTP/1.1\r\nhost: x\r\n\r\n") for _ in range(2)]
                for reader, _ in held:
                    assert b" 200 " in await reader.readline()
                reader, writer = await gateway.raw(b"GET /price HTTP/1.1\r\nhost: x\r\n\r\n")
                with contextlib.suppress(ConnectionError):
                    assert await reader.read() == b""
                for _, open_writer in [*held, (reader, writer)]:
                    open_writer.close()
            process.kill()


async def test_spans_go_to_the_receiver(gateway: Gateway, orders: Backend) -> None:
    async with backend() as receiver:
        options = replace(gateway.files.options, otlp_url=f"http://127.0.0.1:{receiver.port}/v1/traces")
        await gateway.open(shop(), options, orders=orders)
        async with asyncio.timeout(15):
            while not receiver.seen:
                assert (await gateway.ask("GET", "/price")).status == 200
    assert orders.last["traceparent"].endswith("-01")
    assert receiver.seen[0].path == "/v1/traces"
    assert receiver.last["content-type"] == "application/x-protobuf"
    assert "atoll-peer" not in receiver.last
