"""Other ASGI applications behind the same port, their lifespan, and event streams as a browser sees them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from tests.transport.http.serving import serving
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from atoll.contracts import PUBLIC, Api, Message, Operation, Stream
from atoll.service import Lifecycle, Request
from atoll.transport.http import HttpLimits


class Tick(Message):
    n: int


class Clock(Api):
    ticks = Operation("GET /ticks", None, Stream[Tick], access=PUBLIC)
    inside = Operation("GET /app/own", None, Tick, access=PUBLIC)


async def own(_: Request) -> Tick:
    return Tick(1)


async def test_a_fastapi_application_is_served_under_its_prefix_with_its_lifespan() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        seen.append("started")
        yield {}
        seen.append("stopped")

    app = FastAPI(lifespan=lifespan)

    @app.get("/hello/{name}")
    async def hello(name: str) -> dict[str, str]:
        return {"hello": name}

    async with serving({Clock.inside: own}, mounts={"/app": app}) as served:
        assert seen == ["started"]
        assert (await served.ask("GET", "/app/hello/you")).json() == {"hello": "you"}
        assert (await served.ask("GET", "/app/own")).json() == {"n": 1}
        assert (await served.ask("GET", "/apple")).status == 404
        assert (await served.ask("GET", "/app/none")).json() == {"detail": "Not Found"}
    assert seen == ["started", "stopped"]


async def test_an_application_at_the_root_gets_what_nothing_else_serves() -> None:
    app = FastAPI()

    @app.get("/other")
    async def other() -> str:
        return "other"

    async with serving({Clock.inside: own}, mounts={"/": app}) as served:
        assert (await served.ask("GET", "/other")).json() == "other"
        assert (await served.ask("GET", "/health/live")).status == 200


async def test_an_application_without_a_lifespan_is_served_too() -> None:
    async def plain(scope: Any, _: Any, send: Any) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": scope["root_path"].encode()[-2:]})

    async with serving({}, mounts={"/my": plain}) as served:
        assert (await served.ask("GET", "/my/x")).body == b"my"


async def test_an_application_that_cannot_start_keeps_the_server_from_starting() -> None:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    with pytest.raises(RuntimeError, match="refused to start"):
        async with serving({}, mounts={"/app": FastAPI(lifespan=lifespan)}):
            pass


async def test_a_quiet_stream_opens_and_is_kept_alive_by_comments() -> None:
    async def ticks(_: Request) -> AsyncIterator[Tick]:
        await asyncio.sleep(0.15)
        yield Tick(1)

    routes: dict[Operation[Any, Any], Any] = {Clock.ticks: ticks}
    async with serving(routes, limits=HttpLimits(stream_opening=0.02, heartbeat=0.05)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"GET /ticks HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
        text = (await asyncio.wait_for(reader.read(), 5)).decode()
        writer.close()
    assert "content-type: text/event-stream" in text
    assert text.index(":\n\n") < text.index('data: {"n":1}\n\n')
    assert text.endswith("0\r\n\r\n")


async def test_a_defect_in_the_middle_of_a_stream_is_reported_and_ends_it_with_a_problem() -> None:
    async def ticks(_: Request) -> AsyncIterator[Tick]:
        yield Tick(1)
        raise ZeroDivisionError("a secret")

    routes: dict[Operation[Any, Any], Any] = {Clock.ticks: ticks}
    async with serving(routes) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"GET /ticks HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
        text = (await asyncio.wait_for(reader.read(), 5)).decode()
        writer.close()
    assert "event: error\ndata: " in text
    assert '"status":500' in text
    assert "secret" not in text
    assert [type(failure) for failure in served.failures] == [ZeroDivisionError]


async def test_a_websocket_of_a_mounted_application_is_passed_on_and_closed_when_the_server_stops() -> None:
    app = FastAPI()
    left = asyncio.Event()

    @app.websocket("/echo")
    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.send_text((await socket.receive_text()).upper())
        except WebSocketDisconnect:
            left.set()

    async with serving({}, mounts={"/app": app}) as served:
        async with connect(f"{served.url.replace('http', 'ws')}/app/echo") as socket:
            await socket.send("hello")
            assert await socket.recv() == "HELLO"
            await served.server.stop()
            await asyncio.wait_for(left.wait(), 2)
        with pytest.raises(ConnectionRefusedError):
            await connect(f"{served.url.replace('http', 'ws')}/app/echo")


async def test_a_websocket_where_there_is_none_is_refused() -> None:
    async with serving({Clock.inside: own}) as served:
        with pytest.raises(InvalidStatus):
            await connect(f"{served.url.replace('http', 'ws')}/app/own")


def mounted(said: list[str], name: str, *, refuses: bool = False, stays: bool = False) -> Any:
    """An application that tells of its start and its end. stays: it does not end its shutdown, nor any request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            said.append(f"{name} asked")
            await asyncio.Event().wait()
        assert (await receive())["type"] == "lifespan.startup"
        said.append(f"{name} starts")
        await send({"type": f"lifespan.startup.{'failed' if refuses else 'complete'}", "message": "no"})
        assert (await receive())["type"] == "lifespan.shutdown"
        said.append(f"{name} stops")
        if stays:
            await asyncio.Event().wait()
        await send({"type": "lifespan.shutdown.complete"})

    return app


async def test_those_that_started_are_stopped_when_another_one_refuses() -> None:
    said: list[str] = []
    mounts = {"/longer": mounted(said, "first"), "/c": mounted(said, "second", refuses=True)}
    with pytest.raises(RuntimeError, match="refused to start"):
        async with serving({}, mounts=mounts):
            pass
    assert said == ["first starts", "second starts", "first stops"]


async def test_an_application_that_does_not_end_holds_nobody_up_once_the_grace_is_over() -> None:
    said: list[str] = []
    async with serving({}, mounts={"/app": mounted(said, "app", stays=True)}) as served:
        asking = asyncio.create_task(served.ask("GET", "/app/x"))
        while "app asked" not in said:
            await asyncio.sleep(0.01)
        reports: list[str] = []
        lifecycle = Lifecycle(lambda name, _: reports.append(name))
        lifecycle.on_stop("http", served.server.stop)
        async with asyncio.timeout(20):
            await lifecycle.stop(0.1)
        assert reports == ["http"]
        assert said[-1] == "app stops"
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
