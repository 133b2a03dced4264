"""What the gateway's tests stand on: a real Envoy, small backends, tokens and a client."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from pyreqwest.client import Client, ClientBuilder

from atoll.platform.gateway import Endpoint, GatewayControl, GatewayFiles, GatewayOptions, Snapshot, compile_snapshot
from atoll.system import System

ISSUER, AUDIENCE = "https://auth.test", "shop"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for opened in sockets:
        opened.bind(("127.0.0.1", 0))
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@dataclass(frozen=True)
class Seen:
    """A request as a backend got it; names of headers in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


Responder = Callable[[Seen, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Backend:
    """A service on a free port that notes what it got."""

    port: int
    name: str
    seen: list[Seen] = field(default_factory=list)

    def endpoint(self, weight: int = 100) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.port}", self.name, "r1", weight)

    @property
    def last(self) -> Mapping[str, str]:
        """The headers of the last request."""
        return self.seen[-1].headers


def reply(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """An HTTP/1.1 reply."""
    given = {"content-type": "application/json", "content-length": str(len(body))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode() + body


def answering(answer: bytes) -> Responder:
    async def respond(seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)

    return respond


@asynccontextmanager
async def backend(respond: Responder | None = None, name: str = "one") -> AsyncIterator[Backend]:
    """A running backend; without ``respond`` it answers 200 with ``{}``."""
    respond = respond or answering(reply())
    made = Backend(0, name)
    open_connections: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_connections.add(writer)
        try:
            while (seen := await _read(reader)) is not None:
                made.seen.append(seen)
                await respond(seen, reader, writer)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the other side went away: that is what some tests do
        finally:
            open_connections.discard(writer)
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = int(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        for writer in list(open_connections):
            writer.close()
        await server.wait_closed()


async def _read(reader: asyncio.StreamReader) -> Seen | None:
    first = await reader.readline()
    if not first:
        return None
    method, path, _ = first.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).decode().strip():
        name, _, value = line.partition(":")
        headers[name.lower()] = f"{headers[name.lower()]},{value.strip()}" if name.lower() in headers else value.strip()
    body = b""
    if headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    elif "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    return Seen(method, path, headers, body)


class Issuer:
    """Signs tokens and publishes its keys."""

    def __init__(self, issuer: str = ISSUER) -> None:
        self.issuer = issuer
        self.key = self.new_key()
        self.published = [self.key]

    def new_key(self) -> ECKey:
        return ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)

    def jwks(self) -> bytes:
        return json.dumps(KeySet(list(self.published)).as_dict(private=False)).encode()

    async def respond(self, seen: Seen, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(body=self.jwks() if seen.path == "/.well-known/jwks.json" else b"{}"))

    def token(self, *, key: ECKey | None = None, **claims: Any) -> str:
        key = key or self.key
        now = int(time.time())
        all_claims = {"iss": self.issuer, "aud": AUDIENCE, "sub": "user-1", "iat": now, "exp": now + 300, **claims}
        wanted = {name: value for name, value in all_claims.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": key.kid}, wanted, key)


@dataclass(frozen=True)
class Answer:
    """What the client got."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    version: str = ""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def is_problem(self, status: int, code: str) -> bool:
        """Whether this is the problem document of that status and code; prints itself if not."""
        found = self.headers.get("content-type") == "application/problem+json" and self.json
        good = bool(
            found
            and self.status == status == found["status"]
            and found["type"] == f"urn:problem:{code}"
            and set(found) == {"type", "title", "status", "detail", "instance"}
        )
        if not good:
            print(self)
        return good


class Gateway:
    """A running Envoy and a client of it."""

    def __init__(self, files: GatewayFiles, client: Client) -> None:
        self.files = files
        self.port = files.options.port
        self.control = GatewayControl(files)
        self.client = client

    async def open(self, system: System, options: GatewayOptions | None = None, **backends: Any) -> Snapshot:
        """Publish that system with a backend, or a list of endpoints, for each service."""
        endpoints = {name: [b.endpoint()] if isinstance(b, Backend) else b for name, b in backends.items()}
        snapshot = compile_snapshot(system, endpoints, options or self.files.options)
        await self.control.publish(snapshot)
        return snapshot

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        client: Client | None = None,
        scheme: str = "http",
    ) -> Answer:
        request = (client or self.client).request(method, f"{scheme}://localhost:{self.port}{path}")
        request = request.headers(list(headers))
        if token:
            request = request.header("authorization", f"Bearer {token}")
        if body:
            request = request.body_bytes(body)
        response = await request.build().send()
        found = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status, found, bytes(await response.bytes()), response.version)

    async def accepted(self, token: str, within: float = 8.0) -> float:
        """Seconds until the gateway lets that token in."""
        started = time.monotonic()
        while (await self.ask("GET", "/orders/mine", token=token)).status != 200:
            assert time.monotonic() - started < within, "the token was not accepted in time"
        return time.monotonic() - started

    async def raw(self, request: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which those bytes were sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        await writer.drain()
        return reader, writer


def client_builder() -> ClientBuilder:
    return (
        ClientBuilder()
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .no_proxy()
        .resolve("localhost", "127.0.0.1", 0)
    )
