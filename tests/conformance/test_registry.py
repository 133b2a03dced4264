"""What every registry does, run against each adapter; the built-in one against a real HTTP server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.discovery import BuiltinRegistry, Endpoint, MemoryRegistry, Registry, StaticRegistry
from atoll.transport.http.client.httptools import HttptoolsClient

ONE = Endpoint("http://127.0.0.1:4001", "orders-1", "dev", 100)
TWO = Endpoint("http://127.0.0.1:4002", "orders-2", "next", 10)


class RegistryServer:
    """The registry's HTTP API, as small as it can be."""

    def __init__(self) -> None:
        self.services: dict[str, dict[str, Any]] = {}
        self.versions: dict[str, int] = {}
        self.changed = asyncio.Condition()
        self.server: asyncio.Server | None = None
        self.port = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self.server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in self.writers:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                length = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
                body = await reader.readexactly(length)
                method, target, _ = head.split(" ", 2)
                assert "authorization: bearer secret" in head
                answer = json.dumps(await self._answer(method, target, body)).encode()
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(answer) + answer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()

    async def _answer(self, method: str, target: str, body: bytes) -> Any:
        path, _, query = target.partition("?")
        _, _, _, name, *rest = path.split("/")
        async with self.changed:
            if method == "get":
                after = int(query.partition("after=")[2].partition("&")[0] or -1)
                while query and self.versions.get(name, 0) <= after:
                    await self.changed.wait()
                found = [{"instance": key, **value} for key, value in self.services.get(name, {}).items()]
                return {"version": self.versions.get(name, 0), "endpoints": found}
            if method == "put":
                self.services.setdefault(name, {})[rest[1]] = json.loads(body)
            else:
                self.services.get(name, {}).pop(rest[1], None)
            self.versions[name] = self.versions.get(name, 0) + 1
            self.changed.notify_all()
        return {}


@pytest.fixture(name="server")
async def server_fixture() -> AsyncIterator[RegistryServer]:
    server = RegistryServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(name="builtin")
async def builtin_fixture(server: RegistryServer) -> AsyncIterator[BuiltinRegistry]:
    http = HttptoolsClient()
    registry = BuiltinRegistry(f"http://127.0.0.1:{server.port}/", token="secret", http=http)
    yield registry
    await registry.close()
    await http.close()


@pytest.fixture(name="registry", params=["memory", "builtin"])
def registry_fixture(request: pytest.FixtureRequest) -> Registry:
    if request.param == "builtin":
        found: Registry = request.getfixturevalue("builtin")
        return found
    return MemoryRegistry()


async def test_a_watcher_sees_what_is_there_and_then_each_change(registry: Registry) -> None:
    await registry.register("orders", ONE)
    watching = registry.watch("orders")
    async with asyncio.timeout(10):
        assert await anext(watching) == (ONE,)
        coming = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        await registry.register("orders", TWO)
        assert await coming == (ONE, TWO)
        changed = Endpoint(ONE.url, ONE.instance, ONE.release, 0)
        await registry.register("orders", changed)
        assert await anext(watching) == (changed, TWO)
        await registry.deregister("orders", ONE.instance)
        assert await anext(watching) == (TWO,)
    await watching.aclose()


async def test_an_unknown_service_has_no_endpoints_and_services_are_apart(registry: Registry) -> None:
    await registry.register("orders", ONE)
    await registry.deregister("orders", "never there")
    watching = registry.watch("payments")
    async with asyncio.timeout(10):
        assert await anext(watching) == ()
    await watching.aclose()
    await registry.close()


async def test_a_static_registry_says_what_it_was_told() -> None:
    registry: Registry = StaticRegistry({"orders": [ONE.url + "/"]})
    await registry.register("orders", TWO)
    await registry.deregister("orders", "x")
    watching = registry.watch("orders")
    assert await anext(watching) == (Endpoint(ONE.url, ONE.url),)
    await watching.aclose()
    await registry.close()


async def test_what_was_known_stays_while_the_registry_is_away(
    server: RegistryServer, builtin: BuiltinRegistry
) -> None:
    await builtin.register("orders", ONE)
    watching = builtin.watch("orders")
    async with asyncio.timeout(10):
        assert await anext(watching) == (ONE,)
        coming = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        await server.stop()
        await builtin.deregister("orders", "orders-9")  # away: no error
        await builtin.register("orders", TWO)  # away: goes on in the background
        assert not coming.done()
        await server.start()
        assert await coming == (ONE, TWO)
    await watching.aclose()
