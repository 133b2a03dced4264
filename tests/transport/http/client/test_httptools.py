"""The HTTP client's adapter: pooling, cancelling, telling "not sent" from "maybe sent", and servers of all kinds."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import BadGateway, DeadlineExceeded
from atoll.platform.gateway import development_certificate
from atoll.resilience import Lost, NotSent, Unreadable
from atoll.transport.http.client.httptools import HttptoolsClient, client
from atoll.transport.http.client.httptools.connection import Connection
from atoll.transport.http.client.port import HttpReply

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
async def http_fixture() -> AsyncIterator[HttptoolsClient]:
    http = HttptoolsClient(reply_limit=1000, connect=0.3)
    yield http
    await http.close()


async def test_connections_are_kept_and_redirects_and_proxies_are_not_followed(
    http: HttptoolsClient, monkeypatch: pytest.MonkeyPatch
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


async def test_a_cancelled_request_ends_at_once_and_its_connection_with_it(http: HttptoolsClient) -> None:
    asked, closed = asyncio.Event(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with suppress(ConnectionResetError):
            await reader.read()
        closed.set()
        writer.close()

    async with answering(answer) as url:
        sending = asyncio.create_task(http.send("GET", url, {}, timeout=600))
        await asked.wait()
        sending.cancel()
        await asyncio.wait({sending})
        assert sending.cancelled()
        await asyncio.wait_for(closed.wait(), 20)


async def test_a_task_that_asks_again_and_again_is_cancelled_at_any_moment(http: HttptoolsClient) -> None:
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


async def test_a_refused_connection_was_not_sent(http: HttptoolsClient) -> None:
    async def never(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None: ...

    async with answering(never) as url:
        pass
    with pytest.raises(NotSent):
        await http.send("POST", url, {}, b"x")


async def test_a_connection_that_nobody_accepts_was_not_sent(http: HttptoolsClient) -> None:
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


async def test_a_connection_that_breaks_before_the_reply_may_have_been_sent(http: HttptoolsClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(Lost):
            await http.send("POST", url, {}, b"x")


async def test_a_reply_that_breaks_off_is_lost(http: HttptoolsClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(Lost):
            await http.send("GET", url, {})


async def test_silence_is_a_deadline(http: HttptoolsClient) -> None:
    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with answering(answer) as url:
        with pytest.raises(DeadlineExceeded):
            await http.send("GET", url, {}, timeout=0.05)
        with pytest.raises(DeadlineExceeded):
            async with http.stream("GET", url, {}, timeout=0.05):
                pass


@pytest.mark.parametrize("head", [b"content-length: 2000\r\n", b"connection: close\r\n"])
async def test_a_reply_over_the_limit_is_not_read(http: HttptoolsClient, head: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + b"x" * 2000)
        writer.close()

    async with answering(answer) as url:
        with pytest.raises(BadGateway):
            await http.send("GET", url, {})


_CHUNKED = b"5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nx-t: 1\r\n\r\n"
_INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
REPLIES = {
    b"HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\nhello world": (200, b"hello world"),
    b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n" + _CHUNKED: (201, b"hello world"),
    b"HTTP/1.1 200 OK\r\n\r\nhello world": (200, b"hello world"),  # until the connection ends
    b"HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n": (404, b""),
    _INTERIM + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi": (200, b"hi"),
    b"HTTP/1.1 204 No Content\r\n\r\n": (204, b""),
    b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5000\r\n\r\n": (304, b""),
}


@given(reply=st.sampled_from(sorted(REPLIES)), cuts=st.sets(st.integers(1, 90), max_size=8))
async def test_a_reply_is_the_same_however_its_bytes_come(reply: bytes, cuts: set[int]) -> None:
    bounds = [0, *sorted(cut for cut in cuts if cut < len(reply)), len(reply)]

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for start, end in pairwise(bounds):
            writer.write(reply[start:end])
            await asyncio.sleep(0)  # lets the client read what has come so far
        writer.close()

    http = HttptoolsClient(reply_limit=1000)
    async with answering(answer) as url:
        found = await http.send("GET", url, {})
        assert (found.status, found.body) == REPLIES[reply]
        assert "x-t" not in found.headers
        assert "link" not in found.headers
        await http.close()  # this server ends each connection without a word
        http = HttptoolsClient(reply_limit=1000)
        async with http.stream("GET", url, {}) as stream:
            assert stream.status == REPLIES[reply][0]
            assert b"".join([chunk async for chunk in stream.chunks]) == REPLIES[reply][1]
    await http.close()


async def answers(http: HttptoolsClient, reply: bytes, *methods: str) -> tuple[list[HttpReply], int]:
    """What it makes of a server that always sends this, and how many connections that took."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(reply)

    async with answering(answer) as url:
        return [await http.send(method, url, {}) for method in methods], connections


async def test_a_reply_to_head_has_no_body_whatever_its_length_says(http: HttptoolsClient) -> None:
    found, _ = await answers(http, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD", "HEAD")
    assert [(reply.status, reply.body, reply.headers["content-length"]) for reply in found] == [(200, b"", "5")] * 2


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi, and more that nobody asked for",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi" + b"HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=1, max=100\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    ],
)
async def test_a_connection_that_ends_or_cannot_be_trusted_is_not_used_again(
    http: HttptoolsClient, reply: bytes
) -> None:
    found, connections = await answers(http, reply, *["GET"] * 3)
    assert [(one.status, one.body) for one in found] == [(200, b"hi")] * 3
    assert connections == 3


async def test_what_comes_while_nobody_asks_is_no_reply_to_the_next_request(http: HttptoolsClient) -> None:
    evil = asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        await evil.wait()
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")
        with suppress(ConnectionResetError):
            await reader.read()  # the client ends it
        evil.clear()

    async with answering(answer) as url:
        assert (await http.send("GET", url, {})).body == b"hi"
        evil.set()
        while evil.is_set():
            await asyncio.sleep(0)
        assert (await http.send("GET", url, {})).body == b"hi"


def held(listener: socket.socket, after: bytes, said: threading.Event) -> threading.Thread:
    """A server that answers two requests; on the first connection more comes of it while the client's loop is held."""

    def serve() -> None:
        for _ in range(2):
            accepted, _address = listener.accept()
            with accepted:
                accepted.recv(65536)
                accepted.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
                if not said.is_set():
                    answered.wait(20)
                    accepted.sendall(after)
                    if after:
                        said.set()
                        with suppress(OSError):
                            accepted.recv(65536)
            said.set()

    answered = threading.Event()
    thread = threading.Thread(target=serve)
    thread.answered = answered  # type: ignore[attr-defined]
    thread.start()
    return thread


@pytest.mark.parametrize("after", [b"", b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"])
async def test_what_came_while_the_loop_was_held_is_seen_before_the_next_request(
    http: HttptoolsClient, after: bytes
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        said = threading.Event()
        server = held(listener, after, said)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        assert (await http.send("GET", url, {})).body == b"hi"
        server.answered.set()  # type: ignore[attr-defined]
        assert said.wait(20)  # the event loop has had no chance to see it
        assert (await http.send("POST", url, {}, b"x")).body == b"hi"
        server.join()


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", Lost),
        (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", Unreadable),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70_000, Unreadable),
        (b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000, Unreadable),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 5_000, Unreadable),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 20_000, Unreadable),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nhi!", Lost),
        (b"HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nhi", Lost),
        (b"", Lost),
    ],
)
async def test_a_server_that_speaks_no_http_is_one_error(
    http: HttptoolsClient, reply: bytes, failure: type[Exception]
) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        if reply:
            with suppress(ConnectionResetError):
                await reader.read()

    async with answering(answer) as url:
        with pytest.raises(failure) as caught:
            await http.send("GET", url, {})
        assert url in str(caught.value)


async def heard(http: HttptoolsClient, method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """The bytes of one request."""
    request = asyncio.get_running_loop().create_future()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request.set_result(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with answering(answer) as url:
        await http.send(method, url.removesuffix("/") + target, headers, body)
    return bytes(await request)


async def test_requests_are_written_as_the_standard_asks(http: HttptoolsClient) -> None:
    lines = (await heard(http, "POST", "/a b/%20?x=\u00e9#part", {"x-name": "caf\u00e9"}, b"body")).split(b"\r\n")
    assert lines[0] == b"POST /a%20b/%20?x=%C3%A9 HTTP/1.1"
    assert {b"content-length: 4", "x-name: caf\u00e9".encode(), b"accept: */*", b"user-agent: atoll"} < set(lines)
    assert sum(line.startswith(b"host: 127.0.0.1:") for line in lines) == 1
    assert b"content-length: 0" in await heard(http, "POST", "", {})
    assert b"content-length" not in await heard(http, "GET", "?q=1", {"accept": "text/plain"})


@pytest.mark.parametrize("odd", ["a\r\nx: 1", "a\nx: 1", "a\rx: 1", "a\0"])
async def test_what_somebody_else_wrote_begins_no_header_of_its_own(http: HttptoolsClient, odd: str) -> None:
    with pytest.raises(ValueError, match="x-subject") as caught:
        await http.send("GET", "http://127.0.0.1:9/", {"x-subject": odd})
    assert odd not in str(caught.value)
    with pytest.raises(ValueError, match="header's name"):
        await http.send("GET", "http://127.0.0.1:9/", {odd: "x"})


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:9/x", "ftp://127.0.0.1/", "http:///x", "http://a:b/", "", "http://[::1/", "http://[zz]/", "http://127.0.0.1:0/",
        " http://127.0.0.1:9/x", "http://127.0.0\n.1:9/x", "http://a..b/", f"http://{'a' * 64}.example/",
    ],
)  # fmt: skip
async def test_an_address_that_is_none_was_not_sent(http: HttptoolsClient, url: str) -> None:
    with pytest.raises(NotSent):
        await http.send("GET", url, {})


async def test_credentials_in_an_address_are_refused_and_not_told(http: HttptoolsClient) -> None:
    with pytest.raises(NotSent, match="header") as caught:
        await http.send("GET", "http://user:secret@127.0.0.1:9/", {})
    assert "secret" not in str(caught.value)


async def test_a_stream_waits_for_its_reader_and_ends_with_it(http: HttptoolsClient) -> None:
    sent, total, ended = 0, 64 * 1024 * 1024, asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with suppress(ConnectionError):
            while sent < total:
                writer.write(b"x" * 65536)
                sent += 65536
                await writer.drain()
        ended.set()

    async with answering(answer) as url:
        async with http.stream("GET", url, {}) as stream:
            read = 0
            async for chunk in stream.chunks:
                read += len(chunk)
                if read > 1_000_000:
                    break
            still = -1
            while sent != still:  # the kernel's buffers fill up, then nothing more is taken
                still = sent
                for _ in range(1000):
                    await asyncio.sleep(0)
            assert sent < total
        await ended.wait()


async def test_a_stream_that_says_nothing_is_ended() -> None:
    http = HttptoolsClient(silence=0.05)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhi")
        with suppress(ConnectionResetError):
            await reader.read()

    async with answering(answer) as url, http.stream("GET", url, {}) as stream:
        with pytest.raises(DeadlineExceeded, match="silent"):
            assert [chunk async for chunk in stream.chunks] == [b"hi"]
    await http.close()


async def test_a_stream_that_breaks_off_is_lost(http: HttptoolsClient) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")

    async with answering(answer) as url, http.stream("GET", url, {}) as stream:
        with pytest.raises(Lost):
            assert [chunk async for chunk in stream.chunks] == [b"half"]


async def test_closing_ends_what_is_under_way_and_takes_nothing_more() -> None:
    http, asked = HttptoolsClient(), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        with suppress(ConnectionResetError):
            await reader.read()

    async with answering(answer) as url:
        sending = asyncio.create_task(http.send("GET", url, {}))
        await asked.wait()
        await http.close()
        with pytest.raises(Lost):
            await sending
        with pytest.raises(NotSent, match="closed"):
            await http.send("GET", url, {})


async def test_idle_connections_are_closed_in_time() -> None:
    http, ended = HttptoolsClient(idle=0.05), asyncio.Event()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        with suppress(ConnectionResetError):
            await reader.read()
        ended.set()

    async with answering(answer) as url:
        assert (await http.send("GET", url, {})).body == b"hi"
        await ended.wait()
    await http.close()


async def test_a_certificate_that_nobody_vouches_for_is_not_taken(
    http: HttptoolsClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = development_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
    with pytest.raises(NotSent, match="certificate"):
        await http.send("GET", url, {})
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))
    trusting = HttptoolsClient()
    for _ in range(2):
        assert (await trusting.send("GET", url, {})).body == b"hi"
    await trusting.close()
    server.close()


def pooled(http: HttptoolsClient) -> list[Connection]:
    """All of its connections."""
    return [one for pool in http._pools.values() for one in pool._all]  # type: ignore[misc]


async def steps(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def always(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        await reader.read()


async def test_nothing_is_left_of_a_connection_whose_making_was_cancelled_or_ran_out_of_time() -> None:
    async with answering(always) as url:
        for turns in range(8):
            http = HttptoolsClient()
            asking = asyncio.create_task(http.send("GET", url, {}))
            await steps(turns)
            asking.cancel()
            await asyncio.wait({asking})
            await asyncio.wait_for(http.close(), 20)
        for turn in range(50):
            http = HttptoolsClient(connect=0.00005 * (turn % 25))
            with suppress(NotSent):
                await http.send("GET", url, {})
            await asyncio.wait_for(http.close(), 20)


async def test_closing_ends_what_is_being_connected_too() -> None:
    async with answering(always) as url:
        for turns in range(1, 6):
            http = HttptoolsClient()
            asking = asyncio.create_task(http.send("GET", url, {}))
            await steps(turns)
            await http.close()
            with suppress(NotSent, Lost):
                assert (await asking).body == b"hi"
            assert not pooled(http)


async def test_a_close_that_is_cut_off_has_closed_every_origin() -> None:
    open_ones: list[asyncio.StreamWriter] = []

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        await always(reader, writer)

    http = HttptoolsClient()
    async with answering(keep) as one, answering(keep) as other:
        await http.send("GET", one, {})
        await http.send("GET", other, {})
        closing = asyncio.create_task(http.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait({closing})
        while not all(writer.transport.is_closing() for writer in open_ones):
            await asyncio.sleep(0)
        assert len(open_ones) == 2


@pytest.mark.parametrize("streamed", [False, True])
async def test_our_own_closing_does_not_complete_a_body_without_a_length(streamed: bool) -> None:
    begun = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n[1, 2")
        begun.set()
        await silent(reader, writer)

    async def ask(url: str) -> None:
        if not streamed:
            await http.send("GET", url, {})
        async with http.stream("GET", url, {}) as reply:
            _ = [chunk async for chunk in reply.chunks]

    http = HttptoolsClient()
    async with answering(half) as url:
        asking = asyncio.create_task(ask(url))
        await begun.wait()
        while not any(one._reader._head_done for one in pooled(http)):
            await asyncio.sleep(0)
        await http.close()
        with pytest.raises(Lost):
            await asking


async def test_an_end_without_a_word_completes_nothing_over_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = development_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.certificate))

    def serve() -> None:
        accepted, _ = listener.accept()
        secure = context.wrap_socket(accepted, server_side=True)
        secure.recv(65536)
        secure.sendall(b"HTTP/1.1 200 OK\r\n\r\n[1, 2")
        socket.socket(fileno=secure.detach()).close()

    http = HttptoolsClient()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        with pytest.raises(Lost):
            await http.send("GET", f"https://localhost:{listener.getsockname()[1]}/", {})
        server.join()
    await http.close()


@pytest.mark.parametrize(
    "reply", [b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno", b"HTTP/1.0 413 X\r\n\r\nno"]
)
async def test_an_early_answer_ends_what_is_still_being_sent(http: HttptoolsClient, reply: bytes) -> None:
    answered = asyncio.Event()

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # of asyncio's StreamWriter's transport
        writer.write(reply)
        if b"length" not in reply:
            writer.write_eof()
        await answered.wait()

    async with answering(early) as url:
        assert (await http.send("POST", url, {}, bytes(20_000_000))).status == 413
        while pooled(http):
            await asyncio.sleep(0)
        answered.set()


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("?q=1", b"GET /?q=1 HTTP/1.1"), ("#part", b"GET / HTTP/1.1"), ("?q=/x", b"GET /?q=/x HTTP/1.1"), ("", b"GET / HTTP/1.1"),
    ],
)  # fmt: skip
async def test_a_target_begins_with_a_slash(http: HttptoolsClient, end: str, line: bytes) -> None:
    assert (await heard(http, "GET", end, {})).split(b"\r\n")[0] == line


async def test_all_ways_to_write_an_origin_share_its_connections(http: HttptoolsClient) -> None:
    connections = 0

    async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await always(reader, writer)

    async with answering(keep) as url:
        for one in (url, url.replace("http", "HTTP"), url.rstrip("/"), f"{url.rstrip('/')}?q=1", f"{url}x/y"):
            assert (await http.send("GET", one, {})).body == b"hi"
    assert connections == 1


async def test_an_interim_reply_adds_nothing_to_the_body(http: HttptoolsClient) -> None:
    with pytest.raises((Lost, Unreadable)):
        await answers(http, b"HTTP/1.1 104 X\r\ncontent-length: 4\r\n\r\nevil" + b"HTTP/1.1 204 No\r\n\r\n", "GET")


async def test_an_idle_connection_keeps_no_body_and_an_origin_without_any_is_forgotten() -> None:
    http = HttptoolsClient()

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + bytes(100_000))
        await silent(reader, writer)

    async with answering(once) as url:
        await http.send("GET", url, {})
        (one,) = pooled(http)
        assert not one._reader._chunks
        one.abort()
        while pooled(http):
            await asyncio.sleep(0)
        assert not http._pools
    await http.close()


async def test_a_stream_that_was_left_ends_whoever_still_reads_it(http: HttptoolsClient) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhi")
        await silent(reader, writer)

    first = asyncio.Event()

    async def read(chunks: AsyncIterator[bytes]) -> None:
        async for _ in chunks:
            first.set()

    async with answering(half) as url:
        async with http.stream("GET", url, {}) as reply:
            reading = asyncio.create_task(read(reply.chunks))
            await first.wait()
        with pytest.raises(Lost):
            await asyncio.wait_for(reading, 20)
        async with http.stream("HEAD", url, {}) as reply:
            assert [chunk async for chunk in reply.chunks] == []


async def test_the_callers_headers_replace_the_clients_own(http: HttptoolsClient) -> None:
    given = {"host": "other", "User-Agent": "me", "Accept": "text/plain"}
    lines = (await heard(http, "GET", "/", given)).lower().split(b"\r\n")
    assert sorted(line for line in lines[1:] if line) == [b"accept: text/plain", b"host: other", b"user-agent: me"]


@pytest.mark.parametrize("name", ["x: 1; y", "", "x y", "content-length", "Transfer-Encoding", "x\n"])
async def test_a_name_that_is_none_or_not_the_callers_is_refused(http: HttptoolsClient, name: str) -> None:
    with pytest.raises(ValueError, match="header"):
        await http.send("POST", "http://127.0.0.1:9/", {name: "7"}, b"body")


@pytest.mark.parametrize("method", ["GET /evil HTTP/1.1", "", "G\tT"])
async def test_a_method_that_is_none_is_refused(http: HttptoolsClient, method: str) -> None:
    with pytest.raises(ValueError, match="method"):
        await http.send(method, "http://127.0.0.1:9/", {})


async def test_white_space_at_the_end_is_no_part_of_a_value(http: HttptoolsClient) -> None:
    found, _ = await answers(http, b"HTTP/1.1 200 OK\r\nretry-after: 3 \t\r\ncontent-length: 0\r\n\r\n", "GET")
    assert found[0].headers["retry-after"] == "3"


async def test_failures_leave_nothing_for_the_collector() -> None:
    async def never(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    http = HttptoolsClient()
    async with answering(never) as url:
        gc.collect()
        gc.disable()
        before = sum(isinstance(one, (Connection, Lost)) for one in gc.get_objects())  # of other tests
        try:
            for _ in range(10):
                with suppress(Lost):
                    await http.send("GET", url, {})
            await steps(20)
            assert sum(isinstance(one, (Connection, Lost)) for one in gc.get_objects()) <= before + 2
        finally:
            gc.enable()
    await http.close()


async def test_what_follows_a_reply_is_not_an_error_of_the_loop(http: HttptoolsClient) -> None:
    said: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    odd = b"HTTP/1.1 101 S\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"
    found, _ = await answers(http, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi" + odd, "GET", "GET")
    assert [one.body for one in found] == [b"hi", b"hi"]
    assert not said


async def test_the_next_address_of_a_name_is_tried_when_the_first_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def both(_loop: object, _host: str, _port: int) -> list[str]:
        return ["127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(client, "_resolved", both)
    http = HttptoolsClient()
    async with answering(always) as url:
        found = await http.send("GET", url.replace("127.0.0.1", "service.internal"), {})
        assert found.body == b"hi"
    await http.close()
