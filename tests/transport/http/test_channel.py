"""What a typed client sees over real HTTP: replies, errors, identity, deadlines, retries, streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from tests.transport.http.serving import Served, serving

from atoll.contracts import (
    PUBLIC,
    Api,
    BadGateway,
    Conflict,
    DeadlineExceeded,
    Error,
    FieldError,
    Input,
    Invalid,
    Message,
    NotFound,
    Operation,
    Stream,
    Surface,
    Unavailable,
    uuid7,
)
from atoll.contracts.policies import ClientPolicy
from atoll.discovery import Balancer, Endpoint, MemoryRegistry
from atoll.resilience import NotSent, Outcome, Unreadable, server_stack
from atoll.service import Caller, Handler, Request, Sources, Stack, bind, current_request, implements
from atoll.service.baggage import baggage, carrying
from atoll.service.tracing import CLIENT, SpanPlan, current_tracer, traced
from atoll.telemetry import Metrics, OtlpTracer, SpanQueue
from atoll.transport import LocalChannel
from atoll.transport.http import HttpChannel
from atoll.transport.http.client.channel import Calling, client_stacks
from atoll.transport.http.client.httptools import HttptoolsClient


class Empty(Conflict, code="shelf-empty"):
    """The shelf is empty."""


class Get(Input):
    id: UUID
    text: str = ""
    tags: tuple[str, ...] = ()
    flag: bool = False


class Named(Input):
    name: str
    count: int = 0


class Login(Input):
    username: str


class View(Message):
    text: str


class Number(Message):
    n: int


class Shelf(Api):
    """A service with one of each."""

    get = Operation("GET /shelf/{id}", Get, View, access=PUBLIC)
    put = Operation("PUT /shelf/{name}", Named, View, access=PUBLIC)
    add = Operation("POST /shelf", Named, View, access=PUBLIC, errors=(Empty,))
    keyed = Operation("POST /keyed", Named, View, access=PUBLIC, keyed=True)
    form = Operation("POST /form", Login, View, access=PUBLIC, http=Surface(form=True))
    mine = Operation("GET /mine", None, View)
    nothing = Operation("POST /nothing", Named, None, access=PUBLIC, http=Surface(status=204))
    slow = Operation("GET /slow", None, View, access=PUBLIC, deadline=0.1)
    count = Operation("GET /count/{n}", Number, Stream[Number], access=PUBLIC)


async def show(request: Request) -> View:
    return View(repr(request.message))


async def mine(request: Request) -> View:
    caller = request.caller or Caller()
    return View(f"{caller.subject} {sorted(caller.scopes)} {request.headers.get('x-request-id')}")


async def nothing(_: Request) -> None:
    return None


async def slow(_: Request) -> View:
    await asyncio.sleep(60)
    return View("never")


async def count(request: Request) -> AsyncIterator[Number]:
    if request.message.n < 0:
        raise NotFound("there are no negative numbers")
    for n in range(request.message.n):
        yield Number(n)
    if request.message.n > 5:
        raise Empty("no more numbers")


ROUTES: dict[Operation[Any, Any], Handler] = {
    Shelf.get: show,
    Shelf.put: show,
    Shelf.add: show,
    Shelf.keyed: show,
    Shelf.form: show,
    Shelf.mine: mine,
    Shelf.nothing: nothing,
    Shelf.slow: slow,
    Shelf.count: count,  # type: ignore[dict-item]  # an async generator, as the composition root hands it over
}


@asynccontextmanager
async def client(*served: Served, stack: Stack | None = None, peer: str | None = "orders") -> AsyncIterator[Shelf]:
    registry, http = MemoryRegistry(), HttptoolsClient(reply_limit=100_000)
    for at, one in enumerate(served):
        await registry.register("shelf", Endpoint(one.url, f"shelf-{at}"))
    balancer = Balancer("shelf", registry)
    await balancer.start()
    try:
        yield Shelf(HttpChannel(Shelf, balancer=balancer, http=http, peer_header=peer, stack=stack))
    finally:
        await balancer.stop()
        await http.close()


@pytest.fixture(name="shelf", params=["http", "local"])
async def shelf_fixture(request: pytest.FixtureRequest) -> AsyncIterator[Shelf]:
    if request.param == "local":
        yield Shelf(LocalChannel(ROUTES))
    else:
        async with serving(ROUTES) as served, client(served) as shelf:
            yield shelf


async def test_messages_travel_by_path_query_body_and_form(shelf: Shelf) -> None:
    get = Get(uuid7(), "a b/ü&=%", ("x", "y"), True)
    assert (await shelf.get(get)).text == repr(get)
    named = Named("a/b ü%2F?#", 3)
    assert (await shelf.put(named)).text == repr(named)
    assert (await shelf.add(named)).text == repr(named)
    assert (await shelf.form(Login("a+b &="))).text == repr(Login("a+b &="))
    await shelf.nothing(Named("x"))


@pytest.mark.parametrize("name", ["", ".", ".."])
async def test_a_path_value_that_would_change_the_path_is_refused(shelf: Shelf, name: str) -> None:
    with pytest.raises(Invalid, match="path:name"):
        await shelf.put(Named(name))


async def test_streams_arrive_item_by_item_and_end_with_their_error(shelf: Shelf) -> None:
    assert [item.n async for item in shelf.count.stream(Number(3))] == [0, 1, 2]
    with pytest.raises(NotFound, match="no negative"):
        _ = [item async for item in shelf.count.stream(Number(-1))]
    stream = shelf.count.stream(Number(6))
    assert [(await anext(stream)).n for _ in range(6)] == [0, 1, 2, 3, 4, 5]
    with pytest.raises(Conflict, match="no more numbers"):
        await anext(stream)


async def test_declared_errors_come_back_as_themselves() -> None:
    async def fail(_: Request) -> View:
        raise Empty("nothing left", fields=[FieldError("name", "is not there")], headers={"retry-after": "7"})

    for make in ("http", "local"):
        async with serving({Shelf.add: fail}) as served, client(served) as over_http:
            shelf = over_http if make == "http" else Shelf(LocalChannel({Shelf.add: fail}))
            with pytest.raises(Empty, match="nothing left") as raised:
                await shelf.add(Named("x"))
            assert raised.value.fields == (FieldError("name", "is not there"),)
            assert raised.value.headers["retry-after"] == "7"


async def test_identity_and_request_id_flow_from_the_current_request() -> None:
    outer = Request("outer", None, caller=Caller("ann", frozenset({"b", "a"})), headers={"x-request-id": "r-7"})
    current_request.set(outer)
    async with serving(ROUTES) as served, client(served) as shelf:
        assert (await shelf.mine()).text == "ann ['a', 'b'] r-7"


async def test_baggage_flows_from_the_current_request_with_what_is_added() -> None:
    async def told(_: Request) -> View:
        return View(repr(baggage()))

    current_request.set(Request("outer", None, headers={"baggage": "tenant=acme;ttl=1"}))
    async with serving({Shelf.get: told}) as served, client(served, peer=None) as shelf:
        assert (await shelf.get(Get(uuid7()))).text == "{'tenant': 'acme'}"
        with carrying(campaign="autumn, late"):
            assert (await shelf.get(Get(uuid7()))).text == "{'tenant': 'acme', 'campaign': 'autumn, late'}"


async def test_a_call_that_nobody_waits_for_ends_at_its_callee_too() -> None:
    handling, ended = asyncio.Event(), asyncio.Event()

    async def handle(_: Request) -> View:
        handling.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return View("never")

    async with serving({**ROUTES, Shelf.get: handle}) as served, client(served) as shelf:
        calling = asyncio.ensure_future(shelf.get(Get(uuid7())))
        await handling.wait()
        calling.cancel()
        await asyncio.wait_for(ended.wait(), Shelf.get.deadline / 2)


async def test_without_a_peer_secret_no_identity_goes_out() -> None:
    current_request.set(Request("outer", None, caller=Caller("ann")))
    async with serving({Shelf.get: mine}) as served, client(served, peer=None) as shelf:
        assert (await shelf.get(Get(uuid7()))).text == " [] None"


async def test_the_deadline_shrinks_from_hop_to_hop_and_bounds_the_call() -> None:
    left: list[float] = []

    async def remaining(request: Request) -> View:
        left.append(request.remaining())
        return View("")

    current_request.set(Request("outer", None, deadline=asyncio.get_running_loop().time() + 0.5))
    async with serving({**ROUTES, Shelf.get: remaining}) as served, client(served) as shelf:
        await shelf.get(Get(uuid7()))
        assert 0.3 < left[0] < 0.5
        with pytest.raises(DeadlineExceeded):
            await shelf.slow()


async def test_what_breaks_the_contract_is_a_bad_gateway() -> None:
    async def odd(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            body = {"/shelf": b'{"text": 3}', "/keyed": b"{", "/nothing": b""}.get(scope["path"], b"x" * 200_000)
            status = 302 if scope["path"] == "/nothing" else 200
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": body})

    async with serving({}, mounts={"/": odd}) as served, client(served) as shelf:
        for call in (shelf.add, shelf.keyed, shelf.nothing):
            with pytest.raises(Unreadable):
                await call(Named("x"))
    async with serving({}, mounts={"/": odd}) as served, client(served) as shelf:
        with pytest.raises(BadGateway, match="more than 100000 bytes"):
            await shelf.put(Named("x"))


async def test_an_instance_that_accepts_nothing_is_left_for_another() -> None:
    async with serving(ROUTES) as served, serving(ROUTES) as gone, client(served, gone) as shelf:
        await gone.server.stop()
        for _ in range(20):
            assert (await shelf.add(Named("x"))).text


async def test_no_instance_at_all_is_unavailable() -> None:
    current_request.set(Request("outer", None, deadline=asyncio.get_running_loop().time() + 0.2))
    async with client() as shelf:
        with pytest.raises(NotSent, match="has no instance"):
            await shelf.add(Named("x"))


async def test_only_what_may_take_effect_twice_is_repeated_and_a_key_stays_the_same() -> None:
    keys: list[str | None] = []

    async def flaky(request: Request) -> View:
        keys.append(request.headers.get("idempotency-key"))
        if len(keys) < 3:
            raise Unavailable("not now")
        return View("done")

    async with serving(dict.fromkeys((Shelf.put, Shelf.add, Shelf.keyed), flaky)) as served, client(served) as shelf:
        with pytest.raises(Unavailable):
            await shelf.add(Named("x"))
        assert len(keys) == 1
        keys.clear()
        assert (await shelf.put(Named("x"))).text == "done"
        keys.clear()
        assert (await shelf.keyed(Named("x"))).text == "done"
        assert len(keys) == 3
        assert len(set(keys)) == 1
        assert keys[0]


async def test_a_repeated_outer_request_repeats_its_calls_under_their_old_keys() -> None:
    keys: list[str] = []

    async def note(request: Request) -> View:
        keys.append(request.headers["idempotency-key"])
        return View("")

    current_request.set(Request("outer", None, headers={"idempotency-key": "k"}))
    async with serving({Shelf.keyed: note}) as served, client(served) as shelf:
        for name in ("a", "a", "b"):
            await shelf.keyed(Named(name))
    assert keys[0] == keys[1] != keys[2]
    assert "k" not in keys


async def test_a_stream_flows_through_layers() -> None:
    @implements(Shelf.count)
    async def two(number: Number) -> AsyncIterator[Number]:
        yield number
        yield number

    routes: dict[Operation[Any, Any], Handler] = {Shelf.count: server_stack().around(bind(two, Sources()))}
    async with serving(routes) as served, client(served) as shelf:
        assert [item.n async for item in shelf.count.stream(Number(3))] == [3, 3]


async def test_a_stream_ends_when_its_reader_leaves() -> None:
    ended = asyncio.Event()

    async def endless(_: Request) -> AsyncIterator[Number]:
        try:
            n = 0
            while True:
                yield Number(n)
                n += 1
                await asyncio.sleep(0.001)
        finally:
            ended.set()

    routes: dict[Operation[Any, Any], Any] = {Shelf.count: endless}
    async with serving(routes) as served, client(served) as shelf:
        stream = shelf.count.stream(Number(1))
        assert (await anext(stream)).n == 0
        await stream.aclose()  # type: ignore[attr-defined]  # Channel.stream is an async generator
        await asyncio.wait_for(ended.wait(), 2)


async def test_a_stream_of_a_server_that_stops_ends_with_unavailable() -> None:
    async def quiet(_: Request) -> AsyncIterator[Number]:
        yield Number(0)
        await asyncio.Event().wait()

    routes: dict[Operation[Any, Any], Any] = {Shelf.count: quiet}
    async with serving(routes) as served, client(served) as shelf:
        stream = shelf.count.stream(Number(1))
        assert (await anext(stream)).n == 0
        stopping = asyncio.create_task(served.server.stop())
        with pytest.raises(Unavailable, match="is stopping"):
            await anext(stream)
        await stopping


async def test_an_error_that_came_over_a_call_says_from_where(shelf: Shelf) -> None:
    with pytest.raises(Error) as raised:
        async for _ in shelf.count.stream(Number(-1)):
            pass
    assert raised.value.source == "shelf"
    with pytest.raises(Error) as raised:
        async for _ in shelf.count.stream(Number(7)):
            pass
    assert raised.value.source == "shelf"


async def test_the_opening_of_a_stream_goes_elsewhere_when_an_instance_is_away() -> None:
    async with serving(ROUTES) as alive, serving(ROUTES) as dying:
        async with client(dying, alive) as shelf:
            await dying.server.stop()
            for _ in range(10):
                assert [item.n async for item in shelf.count.stream(Number(2))] == [0, 1]


async def test_the_breakers_of_endpoints_that_are_gone_are_forgotten() -> None:
    registry = MemoryRegistry()
    balancer = Balancer("shelf", registry)
    breakers = client_stacks(balancer, Calling(), ClientPolicy())._reach.breakers
    await balancer.start()
    try:
        await registry.register("shelf", Endpoint("http://127.0.0.1:9", "shelf-1"))
        assert await balancer.ready()
        breaker = breakers.of("http://127.0.0.1:9")
        for _ in range(5):
            breaker.leave(Outcome.NOT_SENT, probe=breaker.enter())
        assert breakers.troubled == 1
        await registry.deregister("shelf", "shelf-1")
        while balancer.endpoints:
            await asyncio.sleep(0)
        assert breakers.troubled == 0
        assert breakers.available("http://127.0.0.1:9")
    finally:
        await balancer.stop()


@pytest.mark.parametrize(
    "given", ["garbage", "-5", "", "1e3", "٣", "9" * 40, "1.5", " 7", "nan", "31536000000", "0x10", "0"]
)
async def test_a_deadline_header_that_is_garbage_negative_or_a_year_long_is_bounded(given: str) -> None:
    seen: list[float] = []

    async def look(request: Request) -> View:
        seen.append(request.remaining())
        return View("there")

    async with serving({Shelf.put: look}) as served:
        http = HttptoolsClient()
        headers = {"content-type": "application/json", "atoll-deadline-ms": given.encode().decode("latin-1")}
        reply = await http.send("PUT", f"{served.url}/shelf/x", headers, b'{"name":"x"}')
        await http.close()
    if given == "0":
        assert reply.status == 504
    else:
        assert reply.status == 200, reply.body
        assert 0 < seen[0] <= Shelf.put.deadline


async def test_a_streams_span_lasts_as_long_as_the_stream() -> None:
    queue = SpanQueue()
    current_tracer.set(OtlpTracer(Metrics(), queue))
    async with serving(ROUTES) as served, client(served) as shelf:
        with traced(SpanPlan("read")) as root:
            assert len([item async for item in shelf.count.stream(Number(3))]) == 3
            for refused in (-1, 6):
                with pytest.raises(Error):
                    _ = [item async for item in shelf.count.stream(Number(refused))]
            left = shelf.count.stream(Number(3))
            assert (await anext(left)).n == 0
            await left.aclose()  # type: ignore[attr-defined]  # Channel.stream is an async generator
    assert root is not None
    calls = [span for span in queue.take(100) if span[3].kind == CLIENT]
    assert [span[7] and span[7][0] for span in calls] == [None, "404", "Conflict", None]
    assert [(span[6] or {}).get("http.response.status_code") for span in calls] == [200, 404, 200, 200]
    assert {span[2] for span in calls} == {root.id}
