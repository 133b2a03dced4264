"""The balancer: where calls go."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from atoll.discovery import Balancer, Endpoint, StaticRegistry

A, B, C = (Endpoint(f"http://127.0.0.1:{port}", f"x-{port}") for port in (1, 2, 3))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def balancing(*endpoints: Endpoint, time: Time | None = None) -> AsyncIterator[Balancer]:
    registry = StaticRegistry({"x": endpoints})
    balancer = Balancer("x", registry, clock=time or Time(), chance=random.Random(7))
    await balancer.start()
    await balancer.ready(0.1)
    try:
        yield balancer
    finally:
        await balancer.stop()


def picked(balancer: Balancer, calls: int = 1000, **how: Endpoint) -> Counter[str]:
    return Counter(load.endpoint.url for _ in range(calls) if (load := balancer.pick(tried=how.get("tried"))))


async def test_calls_spread_and_the_one_just_tried_is_avoided() -> None:
    async with balancing(A, B, C) as balancer:
        assert min(picked(balancer)[one.url] for one in (A, B, C)) > 200
        assert picked(balancer, tried=A)[A.url] == 0


async def test_the_only_endpoint_is_tried_again() -> None:
    async with balancing(A) as balancer:
        assert picked(balancer, 3, tried=A) == {A.url: 3}


async def test_a_slow_endpoint_gets_little_and_recovers() -> None:
    time = Time()
    async with balancing(A, B, C, time=time) as balancer:
        for _ in range(1000):
            load = balancer.pick()
            assert load is not None
            began = load.begin()
            time.now += 1.0 if load.endpoint == A else 0.01
            load.end(began)
        time.now += 0.1
        shares = picked(balancer)
        assert shares[A.url] <= 100
        time.now += 120  # its peak decays
        assert picked(balancer)[A.url] > 200


async def test_what_is_in_flight_counts() -> None:
    async with balancing(A, B) as balancer:
        for _ in range(100):
            load = balancer.pick()
            assert load is not None
            load.begin()
        assert {load.in_flight for load in balancer._loads.values()} == {50}


async def test_weights_hold_for_a_canary_and_zero_takes_nothing() -> None:
    canary = Endpoint(B.url, "x-2", "next", 10)
    async with balancing(Endpoint(A.url, "x-1", "dev", 90), canary, Endpoint(C.url, "x-3", "dev", 0)) as balancer:
        shares = picked(balancer, 5000)
        assert 300 < shares[B.url] < 900
        assert shares[C.url] == 0


async def test_unusable_endpoints_are_avoided_unless_all_are() -> None:
    async with balancing(A, B) as balancer:
        assert {load.endpoint for _ in range(50) if (load := balancer.pick(usable=lambda one: one == B))} == {B}
        assert balancer.pick(usable=lambda _: False) is not None


async def test_without_endpoints_there_is_nothing_to_pick() -> None:
    async with balancing() as balancer:
        assert balancer.pick() is None
        assert not await balancer.ready(0.01)
