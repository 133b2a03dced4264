"""The ordered faults: which edges there are, who hears of which fault, and that each ends."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from atoll.contracts import PUBLIC, Api, Message, Operation
from atoll.platform.local.faults import FaultBook, FaultOrder
from atoll.system import Gateway, Route, Service, System, Trouble


class Empty(Message):
    """Nothing."""


class Orders(Api):
    look = Operation("GET /look", Empty, Empty, access=PUBLIC)


SYSTEM = System(
    "shop",
    services=(
        Service("orders", serve="a:b", offers=(Orders,), calls=("payments",)),
        Service("payments", serve="a:b"),
    ),
    gateway=Gateway(routes=(Route(Orders),)),
)


def book(**how: bool) -> tuple[FaultBook, list[int]]:
    changes: list[int] = []
    return FaultBook(SYSTEM, lambda: changes.append(1), **how), changes


async def test_a_service_hears_of_its_own_faults_and_the_gateway_of_its_own() -> None:
    faults, changes = book()
    waiting = asyncio.create_task(faults.of("orders", 1, 5.0))
    await asyncio.sleep(0)
    faults.add(FaultOrder("orders->payments", delay=2.0, error=0.3))
    told = await waiting
    assert told["version"] == 2
    mine = cast(list[dict[str, Any]], told["faults"])[0]
    assert (mine["target"], mine["delay"], mine["error"], mine["status"]) == ("payments", 2.0, 0.3, 503)
    assert 59 < mine["left"] <= 60
    assert faults.edge_faults() == {}
    faults.add(FaultOrder("gateway -> orders", error=1.0, status=500, share=0.01))
    assert faults.edge_faults()["orders"].share == 0.01
    assert faults.edge_faults()["orders"].status == 500
    assert (await faults.of("payments", 0, 0))["faults"] == []
    assert len(changes) == 2


async def test_a_fault_ends_and_those_who_wait_are_told() -> None:
    faults, changes = book()
    faults.add(FaultOrder("orders->payments", error=1.0, seconds=0.05))
    told = await faults.of("orders", 2, 5.0)
    assert told == {"version": 3, "faults": []}
    assert faults.listing() == []
    assert len(changes) == 2


async def test_faults_are_cleared_one_by_one_or_all() -> None:
    faults, _ = book()
    faults.add(FaultOrder("orders->payments", error=1.0))
    faults.add(FaultOrder("gateway->orders", delay=1.0))
    assert faults.clear("orders->payments") == 1
    assert [one["edge"] for one in faults.listing()] == ["gateway->orders"]
    assert faults.clear() == 1
    assert faults.listing() == []


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (FaultOrder("payments->orders", delay=1), "payments does not call orders; there are: gateway->orders"),
        (FaultOrder("orders", delay=1), "'orders' is not like orders->payments"),
        (FaultOrder("orders->payments"), "a fault needs a delay or a share of errors"),
        (FaultOrder("orders->payments", delay=-1), "the delay is -1"),
        (FaultOrder("orders->payments", delay=100), "between 0 and 60"),
        (FaultOrder("orders->payments", error=30), "the share of errors is 30"),
        (FaultOrder("orders->payments", error=1, seconds=10**6), "the time is 1e"),
        (FaultOrder("orders->payments", error=1, seconds=0), "the time is 0"),
        (FaultOrder("orders->payments", error=1, status=200), "the status is 200"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused(order: FaultOrder, why: str) -> None:
    with pytest.raises(Trouble) as refused:
        book()[0].add(order)
    assert why in str(refused.value)


async def test_where_faults_are_off_none_is_taken() -> None:
    with pytest.raises(Trouble, match="ATOLL_FAULTS=off"):
        book(enabled=False)[0].add(FaultOrder("orders->payments", error=1))
