"""Payments: captures each order once. A bare ASGI application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import nats
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from bench.peers.floor.batches import consume

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
SCHEMA = """
CREATE TABLE IF NOT EXISTS payments (id uuid PRIMARY KEY, order_id uuid NOT NULL UNIQUE, amount bigint NOT NULL,
    currency text NOT NULL, created_at timestamptz NOT NULL DEFAULT now());
"""
CAPTURE = """
INSERT INTO payments (id, order_id, amount, currency)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[]) ON CONFLICT (order_id) DO NOTHING
"""


class Created(msgspec.Struct):
    order_id: UUID
    total: int
    currency: str


decode = msgspec.json.Decoder(Created).decode


class Payments:
    async def start(self) -> None:
        self.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=2)
        await self.pool.execute(SCHEMA)
        self.js: JetStreamContext = (await nats.connect(os.environ["NATS_URL"])).jetstream(
            publish_async_max_pending=4096
        )
        await self.js.add_stream(StreamConfig(name="shop", subjects=["order.*", "payment.*"]))
        self.task = asyncio.create_task(consume(self.js, "order.created", "payments", self.capture))

    async def capture(self, bodies: list[bytes]) -> None:
        """Commits, then tells. Should the process end in between, the batch comes again, changes nothing and is told."""
        orders = [decode(body) for body in bodies]
        await self.pool.execute(
            CAPTURE,
            [uuid4() for _ in orders],
            [order.order_id for order in orders],
            [order.total for order in orders],
            [order.currency for order in orders],
        )
        acknowledged = [
            await self.js.publish_async(
                "payment.captured",
                msgspec.json.encode({"order_id": order.order_id, "amount": order.total, "currency": order.currency}),
                headers={"Nats-Msg-Id": f"captured-{order.order_id}"},
            )
            for order in orders
        ]
        await asyncio.gather(*acknowledged)


state = Payments()


async def app(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await state.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body, more = b"", scope["method"] == "POST"
    while more:
        message = await receive()
        body, more = body + message["body"], message.get("more_body", False)
    answer = b"{}"
    if scope["path"] == "/charge":
        asked = msgspec.json.decode(body)
        answer = msgspec.json.encode(
            {"order_id": asked["order_id"], "amount": asked["amount"], "accepted": asked["amount"] <= 10_000_000}
        )
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
