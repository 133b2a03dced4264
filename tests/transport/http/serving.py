"""A small service on a free port, and a client that speaks raw HTTP to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from atoll.contracts import Operation, Unauthenticated
from atoll.service import Caller, Handler, Health
from atoll.transport.http import HttpApp, HttpLimits
from atoll.transport.http.server.asgi import ASGIApp
from atoll.transport.http.server.uvicorn import HttpServer

Routes = Mapping[Operation[Any, Any], Handler]


async def identify(headers: Mapping[str, str]) -> Caller | None:
    """A toy of the security room: the token is the subject, and ``bad`` is none."""
    token = headers.get("authorization", "").removeprefix("Bearer ")
    if token == "bad":
        raise Unauthenticated("the token is not valid")
    subject = token or headers.get("atoll-subject", "")
    scopes = frozenset(headers.get("atoll-scopes", "").split())
    return Caller(subject=subject, scopes=scopes, peer=headers.get("atoll-peer", "")) if subject else None


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    server: HttpServer
    app: HttpApp
    failures: list[BaseException] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    async def raw(self, request: bytes) -> Reply:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        try:
            writer.write(request)
            await writer.drain()
            return await read_reply(reader, head=request.startswith(b"HEAD"))
        finally:
            writer.close()

    async def ask(self, method: str, target: str, body: bytes | None = None, **headers: str) -> Reply:
        lines = [f"{method} {target} HTTP/1.1", "host: test"]
        if body is not None:
            headers.setdefault("content_type", "application/json")
            lines.append(f"content-length: {len(body)}")
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
        return await self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))


async def read_reply(reader: asyncio.StreamReader, *, head: bool = False) -> Reply:
    start, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = b"" if head else await reader.readexactly(int(headers.get("content-length", 0)))
    return Reply(int(start.split()[1]), headers, body)


@asynccontextmanager
async def serving(
    routes: Routes,
    *,
    limits: HttpLimits | None = None,
    mounts: Mapping[str, ASGIApp] | None = None,
    documents: Mapping[str, bytes] | None = None,
    health: Health | None = None,
) -> AsyncIterator[Served]:
    failures: list[BaseException] = []
    health = health or Health()
    health.started = True
    app = HttpApp(
        "test",
        routes,
        identify=identify,
        health=health,
        mounts=mounts,
        documents=documents,
        limits=limits,
        report=lambda _, failure: failures.append(failure),
    )
    server = HttpServer(app, "127.0.0.1", 0, limits)
    await server.start()
    try:
        yield Served(server, app, failures)
    finally:
        async with asyncio.timeout(5):
            await server.stop()
