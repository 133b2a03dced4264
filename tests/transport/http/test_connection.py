"""What one connection may send: trailers and pipelined requests, within bounds."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast

import pytest
from tests.transport.http.serving import Served, read_reply, serving

from atoll.contracts import PUBLIC, Access, Api, Message, Operation, Surface
from atoll.service import Request
from atoll.transport.http import HttpLimits
from atoll.transport.http.server.asgi import Receive, Scope, Send
from atoll.transport.http.server.uvicorn import PIPELINED, SLICE

HEADER_BYTES = 16_384
GET = b"GET /who HTTP/1.1\r\nhost: test\r\n\r\n"
CHUNKED = b"POST /%s HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n"


class Who(Message):
    subject: str = ""


class People(Api):
    who = Operation("GET /who", None, Who, access=PUBLIC)
    post = Operation("POST /who", None, Who, access=Access(scopes=("read",)))
    tell = Operation("POST /tell", Who, Who, access=PUBLIC)


async def who(request: Request) -> Who:
    return Who(request.caller.subject if request.caller else "")


async def tell(request: Request) -> Who:
    return Who(request.message.subject)


class Mount:
    """Shows headers after the body; ``/mount/wait`` waits until its client is gone."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.gone = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        while (event := await receive()).get("more_body"):
            pass
        if scope["path"] == "/mount/wait":
            self.waiting.set()
            while event["type"] != "http.disconnect":
                event = await receive()
            self.gone.set()
            return
        shown = b",".join(name for name, _ in scope["headers"])
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(shown))]})
        await send({"type": "http.response.body", "body": shown})


@pytest.fixture(name="mount")
async def mount_fixture() -> Mount:
    return Mount()


@pytest.fixture(name="served")
async def served_fixture(mount: Mount) -> AsyncIterator[Served]:
    routes: dict[Operation[Any, Any], Any] = {People.who: who, People.post: who, People.tell: tell}
    async with serving(routes, limits=HttpLimits(header_bytes=HEADER_BYTES), mounts={"/mount": mount}) as served:
        yield served


def connection_of(served: Served) -> Any:
    (connection,) = cast(Any, served.server)._state.connections
    return connection


async def test_a_trailer_is_no_header(served: Served) -> None:
    trailers = b"0\r\natoll-subject: admin\r\natoll-scopes: read\r\natoll-peer: shop\r\n\r\n"
    assert (await served.raw(CHUNKED % b"who" + trailers)).status == 401
    reply = await served.raw(CHUNKED % b"mount/show" + b"2\r\nhi\r\n" + trailers)
    assert reply.body == b"host,transfer-encoding"
    upgrade = (CHUNKED % b"mount/show").replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    reply = await served.raw(upgrade + b"2\r\nhi\r\n" + trailers)
    assert reply.body == b"host,transfer-encoding,connection,upgrade"


@pytest.mark.parametrize("line", [b"a: b\r\n", b"a: " + b"b" * 1_000_000], ids=["many", "one"])
async def test_a_flood_of_trailers_is_cut(served: Served, line: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(CHUNKED % b"mount/show" + b"2\r\nhi\r\n0\r\n" + line * ((HEADER_BYTES + SLICE) // len(line) + 1))
    async with asyncio.timeout(5):
        assert (await read_reply(reader)).status == 431
        with suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_a_chunked_body_and_the_next_request_work(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    head = CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-type: application/json\r\n\r\n") % b"tell"
    text = b"x" * 200_000
    body = b'{"subject":"' + text + b'"}'
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:7], body[7:90_000], body[90_000:]))
    for _ in range(2):
        writer.write(head + chunks + b"0\r\nchecksum: 1\r\n\r\n")
        async with asyncio.timeout(5):
            assert (await read_reply(reader)).json() == {"subject": text.decode()}
    writer.close()


@pytest.mark.parametrize("count", [5, 10_000])
async def test_pipelined_requests_are_all_answered_and_few_wait(served: Served, count: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(GET * count)
    longest = 0
    async with asyncio.timeout(30):
        for _ in range(count):
            assert (await read_reply(reader)).status == 200
            longest = max(longest, len(connection_of(served).pipeline))
        writer.write(GET)
        assert (await read_reply(reader)).status == 200
    assert longest <= PIPELINED + SLICE // len(GET)
    assert not connection_of(served).pipeline
    writer.close()


async def test_a_slow_request_holds_back_what_is_pipelined_and_hears_that_its_client_left(
    served: Served, mount: Mount
) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"GET /mount/wait HTTP/1.1\r\nhost: test\r\n\r\n" + GET * 400_000)
    async with asyncio.timeout(5):
        await mount.waiting.wait()
        await asyncio.sleep(0.2)
        connection = connection_of(served)
        assert PIPELINED <= len(connection.pipeline) <= PIPELINED + SLICE // len(GET)
        connection.refuse_if_slow(asyncio.get_running_loop().time() + 60)
        assert not connection.transport.is_closing()  # it is the server who waits
        connection.transport.abort()
        await mount.gone.wait()
    assert not connection.pipeline
    writer.transport.abort()


async def test_a_refusal_never_answers_for_another_request(served: Served, mount: Mount) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"GET /mount/wait HTTP/1.1\r\nhost: test\r\n\r\n")
    async with asyncio.timeout(5):
        await mount.waiting.wait()
        writer.write(b"hello\r\n\r\n")
        assert await reader.read() == b""
    writer.close()


async def test_an_idle_connection_is_closed_once_its_time_is_over(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(GET)
    await read_reply(reader)
    connection = connection_of(served)
    now = asyncio.get_running_loop().time()
    connection.refuse_if_slow(now + 70)
    assert not connection.transport.is_closing()
    writer.write(GET)  # a further request begins its time anew
    await read_reply(reader)
    connection.refuse_if_slow(now + 75)
    assert not connection.transport.is_closing()
    connection.refuse_if_slow(now + 80)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


async def test_a_request_that_begins_before_the_answer_to_the_last_is_not_idle(served: Served, mount: Mount) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    late = b"GET /mount/wait HTTP/1.1\r\nhost: test\r\n\r\n"
    writer.write(GET + late[:10])
    async with asyncio.timeout(5):
        await read_reply(reader)
        connection = connection_of(served)
        connection.refuse_if_slow(asyncio.get_running_loop().time() + 9)  # its headers have ten seconds
        writer.write(late[10:])
        await mount.waiting.wait()
        connection.refuse_if_slow(asyncio.get_running_loop().time() + 3600)
        assert not connection.transport.is_closing()
        writer.close()
        await mount.gone.wait()


async def test_a_request_and_its_body_are_gone_when_it_is_answered(served: Served) -> None:
    """By counting references: the collector of cycles comes rarely in a service."""
    kept: list[weakref.ref[Any]] = []
    gc.collect()
    gc.disable()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(GET)
        await read_reply(reader)
        connection = connection_of(served)
        started = connection._start_asgi_task

        def start(cycle: Any, app: Any) -> None:
            kept.append(weakref.ref(cycle))
            started(cycle, app)

        connection._start_asgi_task = start
        for path in (b"/who", b"/none", b"/tell"):
            writer.write(b"POST %s HTTP/1.1\r\nhost: test\r\ncontent-length: 15\r\n" % path)
            writer.write(b'content-type: application/json\r\n\r\n{"subject":"a"}')
            await read_reply(reader)
        writer.write(GET)  # the connection keeps its last one
        await read_reply(reader)
        writer.write(GET)
        await read_reply(reader)
        assert len(kept) == 5
        assert [one() for one in kept[:3]] == [None, None, None]
        writer.close()
    finally:
        gc.enable()


async def test_what_wraps_receive_and_send_sees_all_of_it() -> None:
    seen: list[str] = []

    class Wrapping:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            async def hearing() -> Any:
                event = await receive()
                seen.append(event["type"])
                return event

            async def telling(event: Any) -> None:
                seen.append(event["type"])
                await send(event)

            await self.inner({**scope, "path": "/tell", "raw_path": b"/tell"}, hearing, telling)

    async with serving({People.tell: tell}) as inside, serving({}, mounts={"/sub": Wrapping(inside.app)}) as served:
        seen.clear()
        reply = await served.ask("POST", "/sub/tell", b'{"subject":"a"}')
        assert reply.json() == {"subject": "a"}
        assert seen == ["http.request", "http.response.start", "http.response.body"]


async def test_a_line_break_in_a_location_is_no_header() -> None:
    class Broken(Api):
        get = Operation("GET /who", None, Who, access=PUBLIC, http=Surface(location="/x/{subject}\r\nset-cookie: a=b"))

    async with serving({Broken.get: who}) as served:
        reply = await served.raw(GET)
    assert "set-cookie" not in reply.headers
    assert reply.headers["location"] == "/x/  set-cookie: a=b"


async def test_who_is_answered_early_and_sends_no_more_of_the_body_is_idle(served: Served) -> None:
    """Also if a byte comes now and then."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"POST /none HTTP/1.1\r\nhost: test\r\ncontent-length: 100\r\n\r\nhal")
    assert (await read_reply(reader)).status == 404
    writer.write(b"f")
    connection = connection_of(served)
    async with asyncio.timeout(5):
        while connection._received_at <= connection._answered_at:
            await asyncio.sleep(0.001)
    connection._received_at += 80
    connection.refuse_if_slow(asyncio.get_running_loop().time() + 80)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize(
    ("change", "status", "rest"),
    [
        ({}, 200, b'{"subject":"a"}'),
        ({b"POST /tell HTTP/1.1": b"POST /tell HTTP/1.0"}, 200, b'{"subject":"a"}'),
        ({b"host: test": b"host: test\r\nconnection: close"}, 200, b'{"subject":"a"}'),
        ({b"host: test": b"host: test\r\nx-request-id: r 1"}, 200, b'{"subject":"a"}'),  # no sane one
    ],
    ids=["plain", "HTTP/1.0", "close", "id"],
)
async def test_a_reply_is_the_same_at_once_and_in_parts(
    served: Served, change: dict[bytes, bytes], status: int, rest: bytes
) -> None:
    request = b"POST /tell HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n"
    for old, new in change.items():
        request = request.replace(old, new)
    reply = await served.raw(request + b'{"subject":"a"}')
    closing = {"connection": "close"} if b"HTTP/1.0" in request or b"close" in request else {}
    assert (reply.status, reply.body) == (status, rest)
    assert reply.headers == {"content-type": "application/json", "content-length": "15", **closing}


async def test_who_waits_for_100_continue_hears_it_before_the_body_is_taken(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    head = b"POST /tell HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 15\r\n"
    head += b"expect: 100-continue\r\n\r\n"
    async with asyncio.timeout(5):
        writer.write(head)
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b'{"subject":"a"}')
        assert (await read_reply(reader)).json() == {"subject": "a"}
    writer.close()


async def test_a_body_in_pieces_is_waited_for(served: Served) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"POST /tell HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: 15\r\n\r\n")
    async with asyncio.timeout(5):
        for piece in (b'{"subj', b'ect":', b'"a"}'):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.02)  # so that it comes by itself
        assert (await read_reply(reader)).json() == {"subject": "a"}
    writer.close()


async def test_head_has_the_head_of_get_alone(served: Served) -> None:
    got, headed = await served.raw(GET), await served.raw(GET.replace(b"GET", b"HEAD"))
    assert (headed.status, headed.headers, headed.body) == (got.status, got.headers, b"")
