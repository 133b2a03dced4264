"""The balancer: where calls go."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hypothesis import given
from hypothesis import strategies as st

from atoll.discovery import Balancer, Endpoint, MemoryRegistry, OwnShare, StaticRegistry
from atoll.discovery.wishes import wish_of_cookies, wished_release

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


async def test_a_canarys_share_is_exact_however_slow_the_stable_release_is() -> None:
    time = Time()
    stable = [Endpoint(f"http://127.0.0.1:{port}", f"x-{port}", "dev", 95) for port in (1, 2, 3, 4)]
    canary = Endpoint("http://127.0.0.1:5", "x-5", "next", 20)  # 20 of 400
    async with balancing(*stable, canary, time=time) as balancer:
        for load in balancer._loads.values():
            began = load.begin()
            time.now += 0.001 if load.endpoint == canary else 1.0
            load.end(began)
        share = picked(balancer, 20_000)[canary.url] / 20_000
        assert abs(share - 0.05) < 0.01


async def test_one_of_four_at_ten_times_the_latency_gets_at_most_a_tenth() -> None:
    time, calls = Time(), Counter[str]()
    endpoints = [Endpoint(f"http://127.0.0.1:{port}", f"x-{port}") for port in range(4)]
    async with balancing(*endpoints, time=time) as balancer:
        for _ in range(5000):
            load = balancer.pick()
            assert load is not None
            began = load.begin()
            calls[load.endpoint.url] += 1
            time.now += 0.1 if load.endpoint == endpoints[0] else 0.01
            load.end(began)
    assert calls[endpoints[0].url] <= 500


class Changing:
    """A registry whose endpoints a test changes."""

    def __init__(self) -> None:
        self.known = MemoryRegistry()

    async def now(self, balancer: Balancer, *endpoints: Endpoint) -> None:
        wanted = {endpoint.instance for endpoint in endpoints}
        for old in balancer.endpoints:
            if old.instance not in wanted:
                await self.known.deregister("x", old.instance)
        for endpoint in endpoints:
            await self.known.register("x", endpoint)
        while {one.instance for one in balancer.endpoints} != wanted:
            await asyncio.sleep(0)


async def test_a_new_endpoint_among_older_ones_starts_slowly() -> None:
    time, registry = Time(), Changing()
    balancer = Balancer("x", registry.known, clock=time, chance=random.Random(7))
    await balancer.start()
    try:
        await registry.now(balancer, A)
        time.now += 60
        await registry.now(balancer, A, B, C)
        time.now += 1
        assert picked(balancer)[A.url] > 500  # of two drawn, the warm one is taken
        time.now += 10
        assert picked(balancer)[B.url] > 250
    finally:
        await balancer.stop()


async def test_an_endpoint_that_is_gone_finishes_what_it_has_and_gets_no_more() -> None:
    registry, told = Changing(), list[tuple[Endpoint, ...]]()
    balancer = Balancer("x", registry.known, chance=random.Random(7))
    balancer.on_change(told.append)
    await balancer.start()
    try:
        await registry.now(balancer, A, B)
        load = balancer._loads[A.url]
        began = load.begin()
        await registry.now(balancer, B)
        assert picked(balancer)[A.url] == 0
        load.end(began)
        assert load.in_flight == 0
        assert told[-1] == (B,)
    finally:
        await balancer.stop()


def of_release(port: int, release: str, weight: int) -> Endpoint:
    return Endpoint(f"http://127.0.0.1:{port}", f"x-{port}", release, weight)


async def test_a_release_has_its_share_however_slow_it_is() -> None:
    time = Time()
    stable, slow = of_release(1, "dev", 100), of_release(2, "new", 100)  # even weights, and two releases
    async with balancing(stable, slow, time=time) as balancer:
        found: Counter[str] = Counter()
        for _ in range(1000):
            load = balancer.pick()
            assert load is not None
            began = load.begin()
            time.now += 1.0 if load.endpoint == slow else 0.01
            load.end(began)
            found[load.endpoint.release] += 1
    assert 430 < found["new"] < 570


async def test_a_wish_goes_before_weights_if_the_release_is_there() -> None:
    stable, waiting = of_release(1, "dev", 100), of_release(2, "new", 0)
    async with balancing(stable, waiting) as balancer:
        assert {load.endpoint for _ in range(50) if (load := balancer.pick())} == {stable}
        for wish, expected in (("new", waiting), ("dev", stable), ("gone", stable)):
            assert {load.endpoint for _ in range(50) if (load := balancer.pick(release=wish))} == {expected}
        again = balancer.pick(tried=waiting, release="new")
        assert again is not None
        assert again.endpoint == waiting  # its failure is the tester's to see


@given(st.text(max_size=80), st.text(max_size=80))
def test_whatever_is_sent_as_a_wish_is_read_without_a_failure(wish: str, cookies: str) -> None:
    wished_release(wish, "orders")
    wish_of_cookies(cookies)


def test_wishes_are_read() -> None:
    assert wished_release("orders=abc", "orders") == "abc"
    assert wished_release("payments=1, orders = abc ,x", "orders") == "abc"
    assert wished_release("orders=abc", "order") == wished_release("orders", "orders") == ""
    assert wished_release("x" * 2000 + ",orders=abc", "orders") == ""
    assert wish_of_cookies('a=b; atoll-release="orders=abc,payments=1"; c=d') == "orders=abc,payments=1"
    assert wish_of_cookies("xatoll-release=orders=abc") == ""


async def test_one_knows_ones_own_share() -> None:
    registry, told = MemoryRegistry(), asyncio.Queue[int]()
    own = OwnShare("x", "x-2", registry, told.put_nowait)
    await own.start()
    await registry.register("x", of_release(1, "dev", 100))
    await registry.register("x", of_release(2, "new", 5))
    assert await asyncio.wait_for(told.get(), 5) == 5
    await registry.register("x", Endpoint("http://127.0.0.1:2", "x-2", "new", 50, 0))
    assert await asyncio.wait_for(told.get(), 5) == 0  # events wait
    await own.stop()
