"""What a caller sees of an HTTP server: replies, problems, limits."""

from __future__ import annotations

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, cast
from uuid import UUID

import pydantic
import pytest
from tests.transport.http.serving import Served, identify, read_reply, serving

from atoll.contracts import PUBLIC, Access, Api, Input, Message, NotFound, Operation, Surface
from atoll.service import Handler, Health, Request, current_request
from atoll.transport.http import HttpApp, HttpLimits
from atoll.transport.http.server.uvicorn import HttpServer


class Place(Input):
    sku: str
    quantity: int = 1


class ById(Input):
    id: UUID


class Change(Input):
    id: UUID
    note: str
    count: int = 0


class Page(Input):
    limit: int = 20
    tags: tuple[str, ...] = ()


class View(Message):
    text: str


class Login(Input):
    username: str
    password: str


class Model(pydantic.BaseModel):
    id: int
    name: str


@dataclasses.dataclass
class Data:
    name: str


class Things(Api):
    place = Operation("POST /things", Place, View, access=PUBLIC, http=Surface(status=201, location="/things/{text}"))
    get = Operation("GET /things/{id}", ById, View, access=PUBLIC)
    mine = Operation("GET /things/mine", None, View, access=Access(scopes=("read",)))
    find = Operation("GET /things", Page, View, access=PUBLIC)
    change = Operation("PUT /things/{id}", Change, View, access=PUBLIC)
    cancel = Operation("POST /things/{id}/cancel", ById, View, access=PUBLIC)
    login = Operation("POST /login", Login, View, access=PUBLIC, http=Surface(form=True))
    model = Operation("POST /models/{id}", Model, Model, access=PUBLIC)
    data = Operation("POST /data", Data, Data, access=PUBLIC)
    slow = Operation("POST /slow", None, View, access=PUBLIC, deadline=0.1)
    broken = Operation("POST /broken", None, View, access=PUBLIC)
    gone = Operation("DELETE /things/{id}", ById, None, access=PUBLIC, http=Surface(status=204))
    small = Operation("POST /small", Place, View, access=PUBLIC, http=Surface(body_limit=64))


async def show(request: Request) -> View:
    return View(repr(request.message))


async def place(request: Request) -> View:
    return View(request.message.sku)


async def mine(request: Request) -> View:
    assert current_request.get() is request
    return View(request.caller.subject if request.caller else "")


async def echo(request: Request) -> Any:
    return request.message


async def slow(_: Request) -> View:
    await asyncio.sleep(60)
    return View("never")


async def broken(_: Request) -> View:
    raise ZeroDivisionError("a secret of the service")


async def gone(_: Request) -> None:
    raise NotFound("no such thing")


ROUTES: dict[Operation[Any, Any], Handler] = {
    Things.place: place,
    Things.get: show,
    Things.mine: mine,
    Things.find: show,
    Things.change: show,
    Things.cancel: show,
    Things.login: show,
    Things.model: echo,
    Things.data: echo,
    Things.slow: slow,
    Things.broken: broken,
    Things.gone: gone,
    Things.small: show,
}
ID = "0192d5a0-7000-7000-8000-000000000001"


@pytest.fixture(name="served")
async def served_fixture() -> AsyncIterator[Served]:
    limits = HttpLimits(header_bytes=4096, body_timeout=0.2)
    async with serving(ROUTES, limits=limits, documents={"/openapi.json": b'{"openapi":"3.1.0"}'}) as served:
        yield served


async def test_a_typed_post_is_answered_with_its_status_and_location(served: Served) -> None:
    reply = await served.ask("POST", "/things", b'{"sku": "A 1/x"}', x_request_id="r-1")
    assert (reply.status, reply.json()) == (201, {"text": "A 1/x"})
    assert reply.headers["location"] == "/things/A%201%2Fx"
    assert reply.headers["x-request-id"] == "r-1"
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "target", "body", "headers", "status", "field"),
    [
        ("GET", "/nothing", None, {}, 404, None),
        ("GET", "/things/", None, {}, 404, None),
        ("PATCH", "/things", b"{}", {}, 405, None),
        ("POST", "/things", b"sku=1", {"content_type": "application/x-www-form-urlencoded"}, 415, None),
        ("POST", "/things", b"{}", {"content_type": "application/json; charset=latin-1"}, 415, None),
        ("POST", "/things", b"{}", {"content_encoding": "gzip"}, 415, None),
        ("POST", "/things", b"", {"content_type": ""}, 422, ""),
        ("POST", "/things", b"", {}, 422, ""),
        ("POST", "/things", b"{}", {"content_type": ""}, 415, None),
        ("POST", "/things", b"{", {}, 400, None),
        ("POST", "/things", b'{"sku": "a"} x', {}, 400, None),
        ("POST", "/things", b"[" * 50_000, {}, 422, ""),
        ("PUT", f"/things/{ID}", b'{"note": ' + b"[" * 50_000, {}, 400, None),
        ("POST", "/things", b'{"sku": "\xff"}', {}, 400, None),
        ("POST", "/things", b"{}", {}, 422, "sku"),
        ("POST", "/things", b'{"sku": 3}', {}, 422, "sku"),
        ("POST", "/things", b'{"sku": "a", "qty": 1}', {}, 422, "qty"),
        ("POST", "/things", b'{"sku": "a\\u0000"}', {}, 422, "sku"),
        ("GET", "/things/7", None, {}, 422, "path:id"),
        ("GET", "/things/%00", None, {}, 422, "path:id"),
        ("GET", "/things/%ff", None, {}, 400, None),
        ("GET", "/things?limit=x", None, {}, 422, "query:limit"),
        ("GET", "/things?limit=1&limit=2", None, {}, 422, "query:limit"),
        ("GET", "/things?page=1", None, {}, 422, "query:page"),
        ("GET", "/things?tags=%00", None, {}, 422, "query:tags"),
        ("GET", "/things?tags=%ff", None, {}, 400, None),
        ("PUT", f"/things/{ID}", b'{"note": "x", "count": "1"}', {}, 422, "count"),
        ("PUT", "/things/7", b'{"note": "x"}', {}, 422, "path:id"),
        ("PUT", f"/things/{ID}", b"[]", {}, 422, ""),
        ("POST", "/models/x", b'{"name": "n"}', {}, 422, "path:id"),
        ("POST", "/data", b'{"name": 3}', {}, 422, "name"),
        ("POST", "/login", b"username=a", {"content_type": "application/x-www-form-urlencoded"}, 422, "password"),
        ("POST", "/small", b'{"sku": "' + b"x" * 100 + b'"}', {}, 413, None),
        ("GET", "/things/mine", None, {}, 401, None),
        ("GET", "/things/mine", None, {"authorization": "Bearer bad"}, 401, None),
        ("GET", "/things/mine", None, {"authorization": "Bearer ann"}, 403, None),
        ("DELETE", f"/things/{ID}", None, {}, 404, None),
        ("POST", "/slow", None, {"atoll_deadline_ms": "0"}, 504, None),
        ("POST", "/slow", None, {"atoll_deadline_ms": "-7"}, 504, None),
        ("POST", "/slow", None, {}, 504, None),
    ],
)
async def test_bad_input_is_a_problem_that_names_the_field(
    served: Served,
    method: str,
    target: str,
    body: bytes | None,
    headers: dict[str, str],
    status: int,
    field: str | None,
) -> None:
    reply = await served.ask(method, target, body, **headers)
    assert reply.status == status, reply.body
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["status"] == status
    assert problem["instance"].encode().isascii() or status == 400
    if field is not None:
        assert [one["field"] for one in problem["errors"]] == [field]
    assert served.failures == []


async def test_a_defect_is_reported_and_never_shown(served: Served) -> None:
    reply = await served.ask("POST", "/broken")
    assert reply.status == 500
    assert b"secret" not in reply.body
    assert reply.headers["x-request-id"]
    assert [type(failure) for failure in served.failures] == [ZeroDivisionError]


async def test_wrong_method_names_the_right_ones(served: Served) -> None:
    assert (await served.ask("PATCH", "/things")).headers["allow"] == "GET, HEAD, OPTIONS, POST"
    reply = await served.ask("OPTIONS", "/things")
    assert (reply.status, reply.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


async def test_head_is_get_without_a_body(served: Served) -> None:
    reply = await served.ask("HEAD", f"/things/{ID}")
    assert (reply.status, reply.body) == (200, b"")
    assert int(reply.headers["content-length"]) > 0


async def test_plain_segments_win_over_parameters_and_identity_arrives(served: Served) -> None:
    reply = await served.ask("GET", "/things/mine", authorization="Bearer ann", atoll_scopes="read write")
    assert (reply.status, reply.json()) == (200, {"text": "ann"})


async def test_an_invalid_token_does_not_keep_anyone_from_what_is_public(served: Served) -> None:
    assert (await served.ask("GET", "/things", authorization="Bearer bad")).status == 200


async def test_fields_come_from_path_query_body_and_form(served: Served) -> None:
    found = await served.ask("GET", "/things?limit=3&tags=a&tags=b%20c")
    assert found.json()["text"] == "Page(limit=3, tags=('a', 'b c'))"
    changed = await served.ask("PUT", f"/things/{ID}", b'{"note": "x", "id": "other"}')
    assert changed.json()["text"] == f"Change(id=UUID('{ID}'), note='x', count=0)"
    assert (await served.ask("POST", f"/things/{ID}/cancel")).status == 200
    form = "application/x-www-form-urlencoded"
    login = await served.ask("POST", "/login", b"username=a%2Bb&password=+", content_type=form)
    assert login.json()["text"] == "Login(username='a+b', password=' ')"
    assert (await served.ask("POST", "/models/3", b'{"name": "n"}')).json() == {"id": 3, "name": "n"}
    assert (await served.ask("POST", "/data", b'{"name": "n"}')).json() == {"name": "n"}


async def test_an_escaped_backslash_before_u0000_is_no_nul(served: Served) -> None:
    assert (await served.ask("POST", "/things", b'{"sku": "\\\\u0000"}')).status == 201


async def test_a_request_without_message_ignores_a_body(served: Served) -> None:
    reply = await served.ask("GET", "/things/mine", b"anything", authorization="Bearer a", atoll_scopes="read")
    assert reply.status == 200


async def test_health_and_documents_are_served(served: Served) -> None:
    for page in ("live", "ready", "started"):
        reply = await served.ask("GET", f"/health/{page}")
        assert (reply.status, reply.json()) == (200, {"status": "up", "checks": {}})
    assert (await served.ask("GET", "/openapi.json")).json() == {"openapi": "3.1.0"}


async def test_not_ready_is_503(served: Served) -> None:
    health = Health()
    async with serving({}, health=health) as other:
        health.draining = True
        reply = await other.ask("GET", "/health/ready")
        assert (reply.status, reply.headers["connection"]) == (503, "close")


async def test_a_chunked_body_over_the_limit_is_refused_at_once(served: Served) -> None:
    chunk = b"40\r\n" + b" " * 64 + b"\r\n"
    head = b"POST /small HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    reply = await served.raw(head + chunk * 2)
    assert (reply.status, reply.headers["connection"]) == (413, "close")


async def test_a_declared_body_over_the_limit_is_refused_before_it_comes(served: Served) -> None:
    head = b"POST /small HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 999999\r\n\r\n"
    assert (await served.raw(head)).status == 413


async def test_a_body_that_does_not_end_is_408(served: Served) -> None:
    head = b"POST /things HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{"
    assert (await served.raw(head)).status == 408


@pytest.mark.parametrize("split", [False, True])
async def test_headers_over_the_limit_are_431(served: Served, split: bool) -> None:
    request = b"GET /things HTTP/1.1\r\nhost: t\r\nx: " + b"x" * 5000
    reply = await served.raw(request if split else request + b"\r\n\r\n")
    assert (reply.status, reply.headers["connection"]) == (431, "close")
    assert reply.headers["content-type"] == "application/problem+json"


async def test_what_is_no_http_is_a_problem(served: Served) -> None:
    reply = await served.raw(b"hello\r\n\r\n")
    assert (reply.status, reply.headers["content-type"]) == (400, "application/problem+json")


async def test_slow_headers_are_408() -> None:
    async with serving({}, limits=HttpLimits(header_timeout=0.01)) as served:
        assert (await served.raw(b"GET / HTTP/1.1\r\n")).status == 408


async def test_two_that_serve_the_same_path_are_refused() -> None:
    with pytest.raises(TypeError, match="GET /things is served already"):
        HttpApp("x", ROUTES, identify=identify, health=Health(), documents={"/things": b"{}"})


async def test_a_port_in_use_is_one_line(served: Served) -> None:
    other = HttpServer(served.app, "127.0.0.1", served.server.port)
    with pytest.raises(OSError, match=rf"cannot listen on 127.0.0.1:{served.server.port}: .* set ATOLL_PORT"):
        await other.start()


async def test_stop_finishes_what_is_in_flight() -> None:
    begun, go = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> View:
        begun.set()
        await go.wait()
        return View("done")

    async with serving({Things.broken: wait}) as served:
        asking = asyncio.create_task(served.ask("POST", "/broken"))
        await begun.wait()
        stopping = asyncio.create_task(served.server.stop())
        await served.app._closing.wait()
        assert not stopping.done()
        go.set()
        reply = await asking
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        await stopping


async def test_stop_that_is_cancelled_ends_what_is_in_flight() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> View:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return View("never")

    async with serving({Things.broken: wait}) as served:
        asking = asyncio.create_task(served.ask("POST", "/broken"))
        await begun.wait()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await served.server.stop()
        assert ended.is_set()
        assert (await asking).status == 503


async def test_a_handler_goes_on_when_its_client_leaves() -> None:
    begun, go, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> View:
        begun.set()
        await go.wait()
        done.set()
        return View("done")

    async with serving({Things.broken: wait}) as served:
        asking = asyncio.create_task(served.ask("POST", "/broken"))
        await begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        go.set()
        await asyncio.wait_for(done.wait(), 2)


async def test_an_idempotent_handler_ends_when_its_client_leaves() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait(_: Request) -> View:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return View("never")

    async with serving({Things.get: wait}) as served:
        asking = asyncio.create_task(served.ask("GET", f"/things/{ID}"))
        await begun.wait()
        asking.cancel()
        await asyncio.wait({asking})
        await asyncio.wait_for(ended.wait(), 2)
        assert served.failures == []
        assert (await served.ask("GET", "/health/live")).status == 200


async def test_a_handler_ends_at_its_deadline() -> None:
    ended = asyncio.Event()

    async def wait(_: Request) -> View:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return View("never")

    async with serving({Things.broken: wait}) as served:
        reply = await served.ask("POST", "/broken", None, **{"atoll-deadline-ms": "20"})
        assert reply.status == 504
        assert ended.is_set()


async def test_connections_that_come_at_once_are_all_accepted() -> None:
    async with serving({}) as served:
        replies = await asyncio.gather(*(served.ask("GET", "/health/live") for _ in range(500)))
        assert {reply.status for reply in replies} == {200}


async def test_a_client_can_pipeline_on_one_connection(served: Served) -> None:
    one = b"GET /health/live HTTP/1.1\r\nhost: t\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(one + one)
    assert [(await read_reply(reader)).status for _ in range(2)] == [200, 200]
    writer.close()


async def test_a_client_that_is_still_sending_hears_why_its_body_is_refused(served: Served) -> None:
    head = b"POST /small HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\ncontent-length: 2000000\r\n\r\n"
    for _ in range(20):  # without reading on, a few in a hundred see a reset instead
        assert (await served.raw(head + b" " * 2_000_000)).status == 413


@pytest.mark.parametrize("hosts", [b"", b"host: a\r\nhost: b\r\n", b"host: a\r\nhost: a\r\n"])
async def test_a_request_without_exactly_one_host_is_400(served: Served, hosts: bytes) -> None:
    reply = await served.raw(b"GET /things HTTP/1.1\r\n" + hosts + b"\r\n")
    assert (reply.status, reply.headers["connection"]) == (400, "close")


class Slowness:
    """A client that asks for more than fits between him and the server, and reads only when he is told to."""

    def __init__(self, served: Served) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.connect(("127.0.0.1", served.server.port))
        self._socket.send(b"POST /broken HTTP/1.1\r\nhost: t\r\n\r\n" * 2)

    async def read(self) -> int:
        """How many bytes come until the connection ends."""
        self._socket.setblocking(False)
        count = 0
        with suppress(ConnectionError):
            while found := await asyncio.get_running_loop().sock_recv(self._socket, 65536):
                count += len(found)
        return count

    def leave(self) -> None:
        self._socket.close()


SIZE = 8_000_000


async def enough(_: Request) -> View:
    return View("x" * SIZE)


async def test_who_does_not_read_his_reply_is_cut_off() -> None:
    async with serving({Things.broken: enough}, limits=HttpLimits(read_timeout=0.01)) as served:
        slow = Slowness(served)
        connections = cast(Any, served.server)._state.connections
        async with asyncio.timeout(10):
            while not connections:
                await asyncio.sleep(0.01)
            while connections:
                await asyncio.sleep(0.01)
        assert await slow.read() < SIZE
        slow.leave()


async def test_stopping_waits_for_those_who_read_and_not_beyond_the_grace_for_others() -> None:
    for reads in (True, False):
        async with serving({Things.broken: enough}) as served:
            slow = Slowness(served)
            while not cast(Any, served.server)._state.connections:
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(_stop_within(served, 10 if reads else 0.2))
            count = await slow.read() if reads else 0
            async with asyncio.timeout(20):
                assert await stopping is reads
            assert count >= SIZE * reads
            slow.leave()


async def _stop_within(served: Served, seconds: float) -> bool:
    """Whether it stopped in that time."""
    try:
        async with asyncio.timeout(seconds):
            await served.server.stop()
    except TimeoutError:
        return False
    return True
