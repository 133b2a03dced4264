"""The default stacks: their order, and what the bulkhead refuses."""

from __future__ import annotations

import asyncio

import pytest

from atoll.contracts import Unavailable
from atoll.resilience import (
    Breakers,
    BulkheadFull,
    NotSent,
    Reach,
    Record,
    ServerPolicy,
    bulkhead,
    client_stack,
    server_stack,
)
from atoll.service import Request


def test_the_layers_stand_in_their_order_and_each_says_why() -> None:
    client = client_stack(reach=Reach(lambda inner: inner, Breakers(), lambda _: "a"))
    assert [named.name for named in client] == ["deadline", "bulkhead", "retry", "balance", "breaker"]
    assert [named.name for named in server_stack()] == ["shed", "bulkhead"]
    assert all(named.why for stack in (client, server_stack()) for named in stack)


async def test_a_full_bulkhead_refuses_at_once_and_frees_places() -> None:
    records: list[Record] = []
    go = asyncio.Event()

    async def wait(_: Request) -> None:
        await go.wait()

    bounded = bulkhead(2, hook=records.append, refuse=NotSent)(wait)
    request = Request("orders.place", None)
    inside = [asyncio.ensure_future(bounded(request)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(NotSent, match="2 are in flight") as refused:
        await bounded(request)
    assert refused.value.headers["retry-after"] == "1"
    assert records == [BulkheadFull("orders.place", 2)]
    inside[0].cancel()
    await asyncio.wait({inside[0]})
    go.set()
    await bounded(request)
    await inside[1]


async def test_one_server_stack_bounds_all_handlers_together() -> None:
    go = asyncio.Event()

    async def wait(_: Request) -> None:
        await go.wait()

    stack = server_stack(ServerPolicy(in_flight=1))
    first, second = stack.around(wait), stack.around(wait)
    inside = asyncio.ensure_future(first(Request("a", None)))
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await second(Request("b", None))
    go.set()
    await inside


def test_a_bulkhead_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        bulkhead(0)
