"""What the fleet of this machine makes of pages and gateways that are slow, cut off, or tell nonsense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest

from atoll.platform.local.fleet import LocalFleet
from atoll.platform.local.measuring import REQUESTS
from atoll.platform.local.probes import ask
from atoll.system import Service, Trouble

PLENTY = 20.0  # seconds
Counts = Mapping[str, Mapping[str, int]]


def page(*counts: str) -> bytes:
    lines = (f'{REQUESTS}_count{{http_route="/{number}"}} {count}\n' for number, count in enumerate(counts))
    return "".join(lines).encode()


@dataclass(eq=False)
class One:
    """An instance that answers with these bytes; None: it never does."""

    release: str
    reply: bytes | None
    length: int | None = None
    url: str = ""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    keeper: Any = field(default_factory=lambda: SimpleNamespace(phase="ready", restarts=0))

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.set()
        try:
            await reader.readuntil(b"\r\n\r\n")
            if self.reply is None:
                await reader.read()  # until whoever asked has gone
            else:
                length = len(self.reply) if self.length is None else self.length
                writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n".encode() + self.reply)
                await writer.drain()
        except ConnectionError:
            pass  # it had enough
        finally:
            writer.close()


@asynccontextmanager
async def answering(*instances: One) -> AsyncIterator[None]:
    servers = []
    for one in instances:
        server = await asyncio.start_server(one.answer, "127.0.0.1", 0)
        one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            server.close()


async def no_gateway(_: str) -> Counts:
    return {}


def fleet_of(*instances: One, gateway: Callable[[str], Awaitable[Counts]] = no_gateway) -> LocalFleet:
    runner: Any = SimpleNamespace(service=Service("orders", serve="a:b"), instances=instances)
    nothing: Any = None
    return LocalFleet({"orders": runner}, {}, nothing, nothing, gateway, nothing)


async def test_one_that_does_not_answer_in_time_is_not_reached_and_the_others_are() -> None:
    slow, well = One("new", None), One("old", page("7"))
    async with answering(slow, well):
        readings = await fleet_of(slow, well).measure("orders", 1.0)
    assert (readings["new"].reached, readings["old"].reached, readings["old"].requests) == (False, True, 7)


async def test_all_instances_and_the_gateway_are_asked_at_once() -> None:
    instances = [One("new", None) for _ in range(5)]

    async def gateway(_: str) -> Counts:
        await asyncio.gather(*(one.asked.wait() for one in instances))
        for one in instances:
            one.keeper.phase = "ended"
        raise Trouble("seen")

    async with answering(*instances):
        readings = await fleet_of(*instances, gateway=gateway).measure("orders", 1.0)
    assert {one.keeper.phase for one in instances} == {"ended"}  # so that the gateway saw all of them asked
    assert not readings["new"].reached


async def test_a_gateway_that_does_not_answer_in_time_is_no_data() -> None:
    async def gateway(_: str) -> Counts:
        await asyncio.Event().wait()
        return {}

    well = One("new", page("7"))
    async with answering(well):
        readings = await fleet_of(well, gateway=gateway).measure("orders", 1.0)
    assert (readings["new"].reached, readings["new"].requests) == (False, 7)


async def test_what_the_gateway_counted_is_told_beside_what_the_release_claims() -> None:
    one = One("new", page("1000"))

    async def gateway(_: str) -> Counts:
        return {urlsplit(one.url).netloc: {"rq_total": 20, "rq_error": 20}}

    async with answering(one):
        found = (await fleet_of(one, gateway=gateway).measure("orders", PLENTY))["new"]
    assert (found.requests, found.errors, found.at_gateway, found.failed_at_gateway) == (1020, 20, 20, 20)


@pytest.mark.parametrize(
    "one",
    [
        One("new", page("1e308", "1e308")),
        One("new", page("7"), length=1_000),
        One("new", page("7") + b"#" * 2**22),
        One("new", b"".join(f'{REQUESTS}_bucket{{le="{bound}"}} 1\n'.encode() for bound in range(1_000))),
    ],
    ids=["too many to add up", "cut off by the program", "cut off for its length", "too many bounds"],
)
async def test_a_page_that_is_not_whole_or_no_counts_told_nothing(one: One) -> None:
    async with answering(one):
        found = (await fleet_of(one).measure("orders", PLENTY))["new"]
    assert (found.reached, found.requests, found.buckets) == (False, 0, {})


@pytest.mark.parametrize(("limit", "whole"), [(4, False), (5, True), (6, True)])
async def test_an_answer_says_whether_it_is_whole(limit: int, whole: bool) -> None:
    one = One("new", b"12345")
    async with answering(one):
        answer = await ask(one.url, limit)
    assert answer is not None
    assert (answer.body, answer.whole) == (b"12345"[:limit], whole)
