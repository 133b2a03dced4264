"""The edge and the inside agree: what Envoy is told is compared with the stacks of a client with the same policy."""

from __future__ import annotations

from typing import Any

import pytest
from tests.platform.gateway.systems import Orders, shop

from atoll.contracts.policies import BreakerPolicy, BudgetPolicy, CallPolicy, ClientPolicy, RetryPolicy
from atoll.platform.gateway import GatewayOptions, compile_snapshot
from atoll.resilience import Breakers, ClientStacks, Reach

POLICIES = [
    ClientPolicy(),
    ClientPolicy(
        in_flight=77,
        retry=RetryPolicy(attempts=2, base=0.1, most=3.0),
        budget=BudgetPolicy(share=0.1, per_second=5.0),
        breaker=BreakerPolicy(in_a_row=9, shortest=2.0, longest=20.0),
    ),
]


def inside(policy: ClientPolicy) -> dict[str, Any]:
    """The numbers of the client's stack for an operation."""
    reach = Reach(lambda inner: inner, Breakers(policy.breaker), lambda _: "a")
    stack = ClientStacks(policy, reach).of(Orders.price, CallPolicy())
    return {named.name: named.numbers for named in stack}


def edge(policy: ClientPolicy) -> tuple[dict[str, Any], dict[str, Any]]:
    """Envoy's route and cluster for the same operation."""
    snapshot = compile_snapshot(shop(resilience=policy), {}, GatewayOptions(8080, 9901))
    routes = {route["name"]: route for route in snapshot.routes[0]["virtual_hosts"][0]["routes"]}
    clusters = {cluster["name"]: cluster for cluster in snapshot.clusters}
    return routes["orders.price"], dict(clusters["orders"])


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


@pytest.mark.parametrize("policy", POLICIES)
def test_envoy_has_the_numbers_of_a_clients_stack(policy: ClientPolicy) -> None:
    ours, (route, cluster) = inside(policy), edge(policy)
    retry, thresholds = route["route"]["retry_policy"], cluster["circuit_breakers"]["thresholds"][0]
    outliers = cluster["outlier_detection"]
    headers = {one["header"]["key"]: one["header"]["value"] for one in route["request_headers_to_add"]}
    assert int(headers["atoll-deadline-ms"]) == ours["deadline"]["seconds"] * 1000
    assert seconds(route["route"]["timeout"]) == ours["deadline"]["seconds"] + 0.5
    assert retry["num_retries"] + 1 == ours["retry"]["attempts"]
    assert seconds(retry["retry_back_off"]["base_interval"]) == ours["retry"]["base"]
    assert seconds(retry["retry_back_off"]["max_interval"]) == ours["retry"]["most"]
    budget = thresholds["retry_budget"]
    rendered = f"{budget['budget_percent']['value'] / 100:.0%} + {budget['min_retry_concurrency']}/s"
    assert rendered == ours["retry"]["budget"]
    assert thresholds["max_requests"] == ours["bulkhead"]["in_flight"]
    assert outliers["consecutive_gateway_failure"] == ours["breaker"]["in_a_row"]
    assert outliers["consecutive_local_origin_failure"] == ours["breaker"]["in_a_row"]
    assert seconds(outliers["base_ejection_time"]) == ours["breaker"]["shortest"]
    assert seconds(outliers["max_ejection_time"]) == ours["breaker"]["longest"]


def test_without_retries_envoy_has_none_either() -> None:
    policy = ClientPolicy(retry=RetryPolicy(attempts=1))
    assert "retry" not in inside(policy)
    assert not edge(policy)[0]["route"].get("retry_policy")
