"""Faults at the edge, on a real Envoy: they begin when they are published, and end by Envoy's own clock."""

from __future__ import annotations

import time

from tests.platform.gateway.harness import Backend, Gateway
from tests.platform.gateway.systems import shop

from atoll.platform.gateway import EdgeFault, compile_snapshot
from atoll.platform.gateway.faults import MARK, route_policy

ALMOST = 0.9  # of a delay: Envoy counts in whole milliseconds, from a time that it looked up a little earlier


async def test_a_fault_delays_and_fails_until_its_time_is_over_though_nobody_takes_it_out(
    gateway: Gateway, orders: Backend
) -> None:
    until = float(int(time.time())) + 5.0
    fault = EdgeFault(delay=0.2, error=1.0, status=503, until=until)
    endpoints = {"orders": [orders.endpoint()]}
    await gateway.control.publish(compile_snapshot(shop(), endpoints, gateway.files.options, {"orders": fault}))
    began = time.monotonic()
    answer = await gateway.ask("GET", "/price")
    assert answer.status == 503
    assert time.monotonic() - began >= 0.2 * ALMOST
    assert orders.seen == []
    while (answer := await gateway.ask("GET", "/price")).status == 503:
        assert time.time() < until + 30
    assert answer.status == 200
    assert time.time() >= until - 0.3
    assert MARK not in orders.last


async def test_a_delay_alone_reaches_the_service_and_other_services_feel_nothing(
    gateway: Gateway, orders: Backend, auth: Backend
) -> None:
    fault = EdgeFault(delay=2.0, error=0.0, status=503, until=time.time() + 60)
    endpoints = {"orders": [orders.endpoint()], "auth": [auth.endpoint()]}
    await gateway.control.publish(compile_snapshot(shop(), endpoints, gateway.files.options, {"orders": fault}))
    began = time.monotonic()
    assert (await gateway.ask("GET", "/price")).status == 200
    assert time.monotonic() - began >= 2.0 * ALMOST
    assert MARK not in orders.last
    began = time.monotonic()
    assert (await gateway.ask("POST", "/auth/token", body=b"{}")).status == 200
    assert time.monotonic() - began < 2.0 * ALMOST


def test_a_share_of_the_requests_waits() -> None:
    one_in_a_hundred = route_policy(EdgeFault(1.0, 0.0, 503, time.time() + 60, share=0.01))
    assert one_in_a_hundred["envoy.filters.http.fault"]["delay"]["percentage"] == {
        "numerator": 100,
        "denominator": "TEN_THOUSAND",
    }


async def test_a_client_cannot_order_a_fault_by_its_headers(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    forged = [(MARK, "on"), ("x-envoy-fault-abort-request", "503"), ("x-envoy-fault-abort-request-percentage", "100")]
    assert (await gateway.ask("GET", "/price", headers=forged)).status == 200


async def test_a_gateway_that_allows_no_faults_has_nothing_of_them(gateway: Gateway) -> None:
    options = type(gateway.files.options)(8080, 9901)
    fault = EdgeFault(0.1, 1.0, 503, time.time() + 60)
    snapshot = compile_snapshot(shop(), {}, options, {"orders": fault})
    assert "envoy.filters.http.fault" not in str(snapshot)
    assert "envoy.filters.http.lua" not in str(snapshot)
