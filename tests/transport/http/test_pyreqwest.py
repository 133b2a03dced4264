"""The HTTP client's adapter: pooling, cancelling, and telling "not sent" from "maybe sent"."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from atoll.contracts import BadGateway, DeadlineExceeded
from atoll.resilience import Lost, NotSent
from atoll.transport.http.client.pyreqwest import PyreqwestClient

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    async def closing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, asyncio.CancelledError):
            await answer(reader, writer)
        writer.close()

    server = await asyncio.start_server(closing, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@pytest.fixture(name="http")
async def http_fixture() -> AsyncIterator[PyreqwestClient]:
    http = PyreqwestClient(reply_limit=1000, connect=0.3)
    yield http
    await http.close()


async def test_connections_are_kept_and_redirects_and_proxies_are_not_followed(
    http: PyreqwestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 302 Found\r\nlocation: /other\r\nX-Name: value\r\ncontent-length: 2\r\n\r\nhi")

    async with answering(answer) as url:
        for _ in range(5):
            reply = await http.send("GET", url, {})
            assert (reply.status, reply.headers["x-name"], reply.body) == (302, "value", b"hi")
    assert connections == 1


async def test_a_cancelled_request_ends_at_once_and_its_connection_with_its_timeout(http: PyreqwestClient) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if await reader.read() == b"":
            closed.set()
        writer.close()

    async with answering(answer) as url:
        sending = asyncio.create_task(http.send("GET", url, {}, timeout=0.3))
        await asked.wait()
        sending.cancel()
        await asyncio.wait({sending})
        assert sending.cancelled()
        await asyncio.wait_for(closed.wait(), 2)


async def test_a_task_that_asks_again_and_again_is_cancelled_at_any_moment(http: PyreqwestClient) -> None:
    answered = 0
    changed = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal answered
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
            answered += 1
            changed.set()

    async def ask(url: str, *, streamed: bool) -> None:
        while True:
            if not streamed:
                await http.send("GET", url, {})
                continue
            async with http.stream("GET", url, {}) as reply:
                assert [chunk async for chunk in reply.chunks] == [b"hi"]

    async with answering(answer) as url:
        for turn in range(200):
            asking = asyncio.create_task(ask(url, streamed=turn % 2 == 1))
            until = answered + 1 + turn % 3
            while answered < until:
                changed.clear()
                await changed.wait()
            asking.cancel()
            await asyncio.wait({asking}, timeout=10)
            assert asking.cancelled(), f"turn {turn}: it asks on"


async def test_a_refused_connection_was_not_sent(http: PyreqwestClient) -> None:
    async def never(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None: ...

    async with answering(never) as url:
        pass
    with pytest.raises(NotSent):
        await http.send("POST", url, {}, b"x")


async def test_a_connection_that_nobody_accepts_was_not_sent(http: PyreqwestClient) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        others = [socket.socket() for _ in range(4)]
        for other in others:  # fills the backlog; the next connection waits for ever
            other.setblocking(False)
            other.connect_ex(listener.getsockname())
        with pytest.raises(NotSent):
            await http.send("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", {}, b"x")
        for other in others:
            other.close()


async def test_a_connection_that_breaks_before_the_reply_may_have_been_sent(http: PyreqwestClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(Lost):
            await http.send("POST", url, {}, b"x")


async def test_a_reply_that_breaks_off_is_lost(http: PyreqwestClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(Lost):
            await http.send("GET", url, {})


async def test_silence_is_a_deadline(http: PyreqwestClient) -> None:
    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with answering(answer) as url:
        with pytest.raises(DeadlineExceeded):
            await http.send("GET", url, {}, timeout=0.05)
        with pytest.raises(DeadlineExceeded):
            async with http.stream("GET", url, {}, timeout=0.05):
                pass


@pytest.mark.parametrize("head", [b"content-length: 2000\r\n", b"connection: close\r\n"])
async def test_a_reply_over_the_limit_is_not_read(http: PyreqwestClient, head: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 2000)
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(BadGateway):
            await http.send("GET", url, {})
