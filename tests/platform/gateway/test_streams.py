from __future__ import annotations

import asyncio

import pytest
from tests.platform.gateway.harness import Gateway, Seen, backend
from tests.platform.gateway.systems import shop

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Feed:
    """Sends the next event only when the test says so: a proxy that holds events back would hang the test."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[str] = asyncio.Queue()

    async def respond(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while event := await self.events.get():
            data = f"data: {event}\n\n".encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")


@pytest.mark.parametrize("path", ["/feed", "/catalog/feed"])
async def test_events_pass_one_by_one_and_outlast_the_deadline(gateway: Gateway, path: str) -> None:
    feed = Feed()
    async with backend(feed.respond) as service:
        await gateway.open(shop(), orders=service, catalog=service)
        accept = "accept: text/event-stream\r\naccept-encoding: gzip\r\n"
        reader, writer = await gateway.raw(f"GET {path} HTTP/1.1\r\nhost: x\r\n{accept}\r\n".encode())
        for number in range(3):
            feed.events.put_nowait(f"event-{number}")
            async with asyncio.timeout(5):
                await reader.readuntil(f"event-{number}".encode())
            await asyncio.sleep(0.45)  # together longer than the deadline (0.2 s) or timeout (0.3 s) and the margin
        feed.events.put_nowait("")
        async with asyncio.timeout(5):
            await reader.readuntil(b"0\r\n\r\n")
        writer.close()
        assert "atoll-deadline-ms" not in service.last


async def test_another_reply_of_that_prefix_has_its_timeout(gateway: Gateway) -> None:
    feed = Feed()
    async with backend(feed.respond) as service:
        await gateway.open(shop(), catalog=service)
        async with asyncio.timeout(3):
            reader, writer = await gateway.raw(b"GET /catalog/feed HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            await reader.read()  # Envoy cuts it off after 0.8 s
        writer.close()
        feed.events.put_nowait("")


UPGRADE = (
    b"GET /catalog/socket HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def upgraded(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    assert seen.headers["upgrade"] == "websocket"
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    while data := await reader.read(100):
        writer.write(data.upper())


async def test_a_websocket_passes_both_ways_and_outlasts_the_timeout(gateway: Gateway) -> None:
    async with backend(upgraded) as catalog:
        await gateway.open(shop(), catalog=catalog)
        reader, writer = await gateway.raw(UPGRADE)
        async with asyncio.timeout(5):
            assert b"101" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"first")
            assert await reader.readexactly(5) == b"FIRST"
            await asyncio.sleep(1.0)  # longer than the route's timeout and the margin
            writer.write(b"again")
            assert await reader.readexactly(5) == b"AGAIN"
        writer.close()


async def test_an_upgrade_where_there_is_none_is_refused(gateway: Gateway) -> None:
    async with backend(upgraded) as orders:
        await gateway.open(shop(), orders=orders)
        reader, writer = await gateway.raw(UPGRADE.replace(b"/catalog/socket", b"/price"))
        assert b" 403 " in await reader.readline()
        writer.close()
        assert orders.seen == []
