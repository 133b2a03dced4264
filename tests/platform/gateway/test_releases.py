"""Releases side by side behind a real Envoy: shares, wishes, failures that stay, copies."""

from __future__ import annotations

import asyncio
from math import sqrt

import pytest
from tests.platform.gateway.harness import Backend, Gateway, answering, backend, reply
from tests.platform.gateway.systems import shop

from atoll.platform.gateway import Endpoint, Shadow, compile_snapshot


def endpoint(one: Backend, release: str, weight: int, healthy: bool = True) -> Endpoint:
    return Endpoint(f"http://127.0.0.1:{one.port}", one.name, release, weight, healthy)


@pytest.mark.parametrize("share", [1, 5, 25, 50])
async def test_a_share_is_what_it_says_however_slow_the_release_is(gateway: Gateway, share: int) -> None:
    async def slow(seen: object, reader: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02)
        writer.write(reply())

    async with backend(name="s1") as s1, backend(name="s2") as s2, backend(slow, name="c") as c:
        await gateway.open(
            shop(),
            orders=[
                endpoint(s1, "dev", (100 - share) * 420),
                endpoint(s2, "dev", (100 - share) * 420),
                endpoint(c, "new", share * 840),
            ],
        )
        count = 1500
        pending = iter(range(count))

        async def client() -> None:
            for _ in pending:
                assert (await gateway.ask("GET", "/price")).status == 200

        await asyncio.gather(*(client() for _ in range(8)))
    expected, spread = count * share / 100, sqrt(count * share / 100 * (1 - share / 100))
    assert abs(len(c.seen) - expected) < 4.5 * spread + 1
    assert len(s1.seen) + len(s2.seen) + len(c.seen) == count
    assert min(len(s1.seen), len(s2.seen)) > (count - len(c.seen)) / 4


@pytest.mark.parametrize(
    "wish",
    [
        {"atoll-release": "orders=new"},
        {"Atoll-Release": "payments=x, orders=new ,a=b"},
        {"cookie": "atoll-release=orders=new"},
        {"cookie": 'a=b; atoll-release="payments=1,orders=new"; c=d'},
    ],
)
async def test_a_tester_gets_the_release_that_he_asks_for(gateway: Gateway, wish: dict[str, str]) -> None:
    async with backend(name="s") as s, backend(name="c") as c:
        await gateway.open(shop(), orders=[endpoint(s, "dev", 100), endpoint(c, "new", 0)])
        for _ in range(20):
            assert (await gateway.ask("GET", "/price", headers=list(wish.items()))).status == 200
            assert (await gateway.ask("GET", "/price")).status == 200
    assert (len(c.seen), len(s.seen)) == (20, 20)
    if "cookie" not in wish:
        assert {seen.headers.get("atoll-release") for seen in c.seen} == set(wish.values())  # for the calls inside
    assert all("x-atoll-release" not in seen.headers for seen in c.seen)


@pytest.mark.parametrize(
    "wish",
    [
        {"atoll-release": "orders=other"},
        {"atoll-release": "new"},
        {"atoll-release": "xorders=new"},
        {"atoll-release": "orders=newer"},
        {"atoll-release": ",;=%00" * 100},
        {"cookie": "atoll-release=orders=nothing; xatoll-release=orders=new"},
    ],
)
async def test_a_wish_that_means_nothing_is_ignored(gateway: Gateway, wish: dict[str, str]) -> None:
    async with backend(name="s") as s, backend(name="c") as c:
        await gateway.open(shop(), orders=[endpoint(s, "dev", 100), endpoint(c, "new", 0)])
        assert (await gateway.ask("GET", "/price", headers=list(wish.items()))).status == 200
    assert (len(c.seen), len(s.seen)) == (0, 1)


async def test_the_failures_of_a_release_stay_its_own(gateway: Gateway) -> None:
    """A retry goes to the release that failed; the other one would hide what is wrong."""
    async with backend(name="s") as s, backend(answering(reply(503)), name="c") as c:
        await gateway.open(shop(), orders=[endpoint(s, "dev", 80), endpoint(c, "new", 20)])
        statuses = [(await gateway.ask("GET", "/price")).status for _ in range(100)]
    assert 5 < statuses.count(503) < 40
    assert statuses.count(503) + len(s.seen) == 100


async def test_a_release_without_a_share_gets_nothing_even_when_the_other_is_away(gateway: Gateway) -> None:
    async with backend(name="s") as s, backend(name="c") as c:
        await gateway.open(shop(), orders=[endpoint(s, "dev", 0, healthy=False), endpoint(c, "new", 0)])
        assert (await gateway.ask("GET", "/price")).status == 503
    assert (c.seen, s.seen) == ([], [])


async def test_the_share_of_a_release_that_is_away_goes_to_the_other(gateway: Gateway) -> None:
    async with backend(name="s") as s, backend(name="c") as c:
        await gateway.open(shop(), orders=[endpoint(s, "dev", 50), endpoint(c, "new", 0, healthy=False)])
        assert [(await gateway.ask("GET", "/price")).status for _ in range(20)] == [200] * 20
    assert (len(c.seen), len(s.seen)) == (0, 20)


async def test_shifting_the_weights_under_load_fails_no_request(gateway: Gateway) -> None:
    async with backend(name="s") as s, backend(name="c") as c:
        done = asyncio.Event()
        statuses: list[int] = []

        async def client() -> None:
            while not done.is_set():
                statuses.append((await gateway.ask("GET", "/price")).status)

        await gateway.open(shop(), orders=[endpoint(s, "dev", 100)])
        clients = [asyncio.create_task(client()) for _ in range(4)]
        for _ in range(3):
            for share in (0, 5, 50, 100):
                await gateway.open(shop(), orders=[endpoint(s, "dev", 100 - share), endpoint(c, "new", share)])
            await gateway.open(shop(), orders=[endpoint(s, "dev", 100), endpoint(c, "new", 0)])
            await gateway.open(shop(), orders=[endpoint(s, "dev", 100)])
        done.set()
        await asyncio.gather(*clients)
    assert set(statuses) == {200}
    assert len(c.seen) > 0


async def test_copies_of_safe_requests_are_marked_and_their_replies_thrown_away(gateway: Gateway) -> None:
    async with backend(name="s") as s, backend(answering(reply(500)), name="c") as c:
        endpoints = {"orders": [endpoint(s, "dev", 100), endpoint(c, "new", 0)]}
        snapshot = compile_snapshot(shop(), endpoints, gateway.files.options, {}, {"orders": Shadow("new", 100)})
        await gateway.control.publish(snapshot)
        assert [(await gateway.ask("GET", "/price")).status for _ in range(20)] == [200] * 20
        assert (await gateway.ask("POST", "/price")).status == 405
        await gateway.control.publish(compile_snapshot(shop(), endpoints, gateway.files.options))
        await gateway.ask("GET", "/price")
    assert {seen.headers.get("atoll-shadow") for seen in c.seen} == {"on"}
    assert {seen.headers.get("atoll-shadow") for seen in s.seen} == {None}
    assert 15 <= len(c.seen) <= 20
    assert {seen.headers["atoll-peer"] for seen in c.seen} == {"gateway:s3cret"}
