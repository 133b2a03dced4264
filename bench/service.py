"""How much the framework costs a request: a bare ASGI application, Atoll and FastAPI answer the same typed POST.

Each runs on uvicorn (uvloop, httptools) in a process of its own; the load comes from another process over one keep-alive
connection a worker. Prints requests per second, the server's CPU time a request and its ratio to the bare application's.

    python bench/service.py [seconds] [connections]
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import psutil
import uvloop

BODY = b'{"sku":"A1","quantity":3,"currency":"EUR"}'
HEAD = (
    b"POST /orders HTTP/1.1\r\nhost: bench\r\nuser-agent: bench\r\naccept: */*\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
REQUEST = HEAD % len(BODY) + BODY
ROUNDS = 3


class Item(msgspec.Struct):
    sku: str
    quantity: int
    currency: str


class Quote(msgspec.Struct):
    sku: str
    total: int


def bare() -> Any:
    decode = msgspec.json.Decoder(Item).decode
    encode = msgspec.json.Encoder().encode

    async def app(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        item = decode((await receive())["body"])
        body = encode(Quote(item.sku, item.quantity * 100))
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


def atoll() -> Any:
    from atoll.contracts import PUBLIC, Api, Operation
    from atoll.service import Health, Sources, bind, implements
    from atoll.transport.http import HttpApp

    class Orders(Api):
        quote = Operation("POST /orders", Item, Quote, access=PUBLIC)

    @implements(Orders.quote)
    async def quote(item: Item) -> Quote:
        return Quote(item.sku, item.quantity * 100)

    async def nobody(_: Any) -> None:
        return None

    handler = bind(quote, Sources())
    globals().update(Item=Item, Quote=Quote)
    return HttpApp("orders", {Orders.quote: handler}, identify=nobody, health=Health())


def fastapi() -> Any:
    from fastapi import FastAPI
    from pydantic import BaseModel

    class ItemModel(BaseModel):
        sku: str
        quantity: int
        currency: str

    class QuoteModel(BaseModel):
        sku: str
        total: int

    app = FastAPI()

    async def quote(item: Any) -> QuoteModel:
        return QuoteModel(sku=item.sku, total=item.quantity * 100)

    quote.__annotations__["item"] = ItemModel
    quote.__annotations__["return"] = QuoteModel
    app.post("/orders")(quote)
    return app


APPS: dict[str, Callable[[], Any]] = {"bare": bare, "atoll": atoll, "fastapi": fastapi}


def serve(name: str) -> None:
    """Runs in the server's process: prints the port, then serves until its input closes."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    logging.disable(logging.CRITICAL)
    config = uvicorn.Config(
        APPS[name](), loop="uvloop", http="httptools", ws="none", lifespan="off", access_log=False, log_config=None,
        proxy_headers=False, server_header=False, date_header=False,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])


class Caller(asyncio.Protocol):
    """One connection: sends a request when the last one is answered."""

    def __init__(self, until: float) -> None:
        self.count = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reply = b""
        self._until = until
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.write(REQUEST)

    def data_received(self, data: bytes) -> None:
        self._reply += data
        if not self._reply.startswith(b"HTTP/1.1 200"[: len(self._reply)]):
            self.done.set_exception(RuntimeError(f"not the reply that was asked for: {self._reply!r}"))
            self._transport.close()
        elif self._reply.endswith(b"}"):  # headers and body may come apart
            self._reply = b""
            self.count += 1
            if time.monotonic() < self._until:
                self._transport.write(REQUEST)
            else:
                self.done.set_result(None)
                self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server closed the connection"))


async def load(port: int, seconds: float, connections: int) -> float:
    until = time.monotonic() + seconds
    loop = asyncio.get_running_loop()
    callers = [(await loop.create_connection(lambda: Caller(until), "127.0.0.1", port))[1] for _ in range(connections)]
    await asyncio.gather(*(caller.done for caller in callers))
    return sum(caller.count for caller in callers) / seconds


def measure(name: str, seconds: float, connections: int) -> tuple[float, float]:
    """Requests per second, and microseconds of the server's CPU a request: the latter hardly depends on what else runs."""
    server = subprocess.Popen([sys.executable, __file__, "serve", name], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        uvloop.run(load(port, 0.5, connections))
        process = psutil.Process(server.pid)
        before = process.cpu_times()
        rate = uvloop.run(load(port, seconds, connections))
        after = process.cpu_times()
        spent = after.user + after.system - before.user - before.system
        return rate, spent / (rate * seconds) * 1e6
    finally:
        server.kill()
        server.wait()


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    connections = int(sys.argv[2]) if len(sys.argv) > 2 else 32
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in APPS}
    for _ in range(ROUNDS):
        for name in APPS:
            found[name].append(measure(name, seconds, connections))
    bare_cost = min(cost for _, cost in found["bare"])
    for name, rounds in found.items():
        rate, cost = max(rate for rate, _ in rounds), min(cost for _, cost in rounds)
        print(f"{name:8} {rate:9,.0f} requests/s   {cost:7.1f} us CPU a request   {cost / bare_cost:5.2f} x bare")


if __name__ == "__main__":
    if sys.argv[1:2] == ["serve"]:
        serve(sys.argv[2])
    else:
        main()
