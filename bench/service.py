"""One typed POST, the same by a bare ASGI application, Atoll, FastAPI, Litestar and BlackSheep, each on uvicorn.

    python -m bench service              measures them (see bench/comparison/servers.py)
    python -m bench.service serve NAME   serves one, and prints its port

Each is as its documentation says it; the bare one decodes with msgspec and answers a wrong order with an empty 422.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import uvloop


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
        try:
            item = decode((await receive())["body"])
            status, body = 200, encode(Quote(item.sku, item.quantity * 100))
        except msgspec.MsgspecError:
            status, body = 422, b""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


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


def litestar() -> Any:
    from litestar import Litestar, post

    async def quote(data: Item) -> Quote:
        return Quote(data.sku, data.quantity * 100)

    globals().update(Item=Item, Quote=Quote)
    return Litestar([post("/orders", status_code=200)(quote)], openapi_config=None)


def blacksheep() -> Any:
    from blacksheep import Application, Content, FromBytes, Response

    app = Application()
    decode = msgspec.json.Decoder(Item).decode
    encode = msgspec.json.Encoder().encode

    async def quote(body: FromBytes) -> Response:
        try:
            item = decode(body.value)
        except msgspec.MsgspecError as error:
            return Response(422, content=Content(b"application/json", encode({"detail": str(error)})))
        return Response(200, content=Content(b"application/json", encode(Quote(item.sku, item.quantity * 100))))

    quote.__annotations__.update({"body": FromBytes, "return": Response})
    app.router.post("/orders")(quote)
    return app


APPS: dict[str, Callable[[], Any]] = {"bare": bare, "fastapi": fastapi, "litestar": litestar, "blacksheep": blacksheep}


def serve(name: str) -> None:
    """One of APPS on uvicorn: prints the port, then serves until SIGTERM."""
    import socket

    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    logging.disable(logging.CRITICAL)
    config = uvicorn.Config(
        APPS[name](), loop="uvloop", http="httptools", ws="none", lifespan="auto", access_log=False, log_config=None,
        proxy_headers=False, server_header=False, date_header=False,
    )  # fmt: skip
    uvicorn.Server(config).run(sockets=[listener])


async def serve_atoll() -> None:
    """Assembled and run as `atoll serve` does it, with all layers and telemetry at their defaults; only shedding is off."""
    from atoll.contracts import PUBLIC, Api, Operation
    from atoll.serve.assemble import assemble
    from atoll.serve.environment import Environment
    from atoll.serve.run import spare_collector
    from atoll.service import Service, implements

    class Orders(Api):
        quote = Operation("POST /orders", Item, Quote, access=PUBLIC)

    @implements(Orders.quote)
    async def quote(item: Item) -> Quote:
        return Quote(item.sku, item.quantity * 100)

    variables = {**os.environ, "ATOLL_RESILIENCE_SERVER__SHED": "off"}
    running = assemble(Service("orders", handlers=[quote]), Environment(port=0), variables)
    await running.start()
    spare_collector()
    print(running.url.rpartition(":")[2], flush=True)
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await over.wait()
    await running.stop()


if __name__ == "__main__":
    if sys.argv[2] == "atoll":
        uvloop.run(serve_atoll())
    else:
        serve(sys.argv[2])
