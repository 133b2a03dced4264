"""Orders: takes them, publishes them, and confirms what was paid. A bare ASGI application."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import nats
from nats.js.api import StreamConfig
from pyreqwest.client import ClientBuilder

from bench.peers.floor.batches import consume

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
PRICE = 99  # minor units of one piece of anything
SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (id uuid PRIMARY KEY, customer text NOT NULL, total bigint NOT NULL, currency text NOT NULL,
    status text NOT NULL DEFAULT 'pending', created_at timestamptz NOT NULL DEFAULT now(), confirmed_at timestamptz);
CREATE TABLE IF NOT EXISTS outbox (id uuid, subject text, body text NOT NULL, PRIMARY KEY (id, subject));
"""
SAVE = """
WITH new AS (SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::text[], $5::text[])
                         AS t (id, customer, total, currency, body)),
     told AS (INSERT INTO outbox SELECT id, 'order.created', body FROM new)
INSERT INTO orders (id, customer, total, currency) SELECT id, customer, total, currency FROM new
"""
CONFIRM = """
WITH confirmed AS (UPDATE orders SET status = 'confirmed', confirmed_at = clock_timestamp()
                   WHERE id = ANY($1) AND status = 'pending' RETURNING id)
INSERT INTO outbox SELECT id, 'order.confirmed', json_build_object('order_id', id)::text FROM confirmed RETURNING id, body
"""
PUBLISHED = "DELETE FROM outbox WHERE (id, subject) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))"


class Item(msgspec.Struct):
    sku: str
    quantity: int


class PlaceOrder(msgspec.Struct):
    items: list[Item]
    currency: str = "EUR"


class Captured(msgspec.Struct):
    order_id: UUID


Row = tuple[UUID, str, int, str, str]
Told = tuple[UUID, str, str]  # order, subject, body
decode_order = msgspec.json.Decoder(PlaceOrder).decode
decode_captured = msgspec.json.Decoder(Captured).decode


class Orders:
    """The application's state: connections, and the orders that wait for the next commit."""

    async def start(self) -> None:
        self.waiting: list[tuple[Row, asyncio.Future[None]]] = []
        self.unpublished: list[Told] = []
        self.came, self.committed = asyncio.Event(), asyncio.Event()
        self.pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=4, max_size=4)
        await self.pool.execute(SCHEMA)
        self.js = (await nats.connect(os.environ["NATS_URL"])).jetstream(publish_async_max_pending=4096)
        await self.js.add_stream(StreamConfig(name="shop", subjects=["order.*", "payment.*"]))
        self.http = ClientBuilder().build()
        self.charge = os.environ["PAYMENTS_URL"] + "/charge"
        self.tasks = [asyncio.create_task(work) for work in (self.commit(), self.publish(), self.confirm())]

    async def commit(self) -> None:
        while True:
            await self.came.wait()
            self.came.clear()
            batch, self.waiting = self.waiting, []
            rows = [row for row, _ in batch]
            await self.pool.execute(SAVE, *(list(column) for column in zip(*rows, strict=True)))
            self.tell("order.created", [(row[0], row[4]) for row in rows])
            for _, done in batch:
                done.set_result(None)

    def tell(self, subject: str, events: list[tuple[UUID, str]]) -> None:
        """What was committed is published next."""
        self.unpublished += [(id_, subject, body) for id_, body in events]
        self.committed.set()

    async def publish(self) -> None:
        # What an earlier process did not come to.
        for left in await self.pool.fetch("SELECT id, subject, body FROM outbox"):
            self.tell(left["subject"], [(left["id"], left["body"])])
        while True:
            await self.committed.wait()
            self.committed.clear()
            rows, self.unpublished = self.unpublished, []
            acknowledged = [
                await self.js.publish_async(subject, body.encode(), headers={"Nats-Msg-Id": f"{subject}-{id_}"})
                for id_, subject, body in rows
            ]
            await asyncio.gather(*acknowledged)
            await self.pool.execute(PUBLISHED, [row[0] for row in rows], [row[1] for row in rows])

    async def confirm(self) -> None:
        async def confirm_all(bodies: list[bytes]) -> None:
            confirmed = await self.pool.fetch(CONFIRM, [decode_captured(body).order_id for body in bodies])
            self.tell("order.confirmed", [(row["id"], row["body"]) for row in confirmed])

        await consume(self.js, "payment.captured", "orders", confirm_all)

    async def place(self, body: bytes, customer: str) -> bytes:
        order = decode_order(body)
        total, order_id = sum(PRICE * item.quantity for item in order.items), uuid4()
        answer = msgspec.json.encode(
            {"id": order_id, "status": "pending", "total": total, "currency": order.currency, "items": order.items}
        )
        event = msgspec.json.encode(
            {"order_id": order_id, "user_id": customer, "total": total, "currency": order.currency}
        )
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.waiting.append(((order_id, customer, total, order.currency, event.decode()), done))
        self.came.set()
        await done
        return answer

    async def quote(self, body: bytes) -> bytes:
        order = decode_order(body)
        total = sum(PRICE * item.quantity for item in order.items)
        asked = msgspec.json.encode({"order_id": uuid4(), "amount": total, "currency": order.currency, "dry_run": True})
        reply = await self.http.post(self.charge).body_bytes(asked).build().send()
        accepted = msgspec.json.decode((await reply.bytes()).to_bytes())["accepted"]
        return msgspec.json.encode({"total": total, "currency": order.currency, "accepted": accepted})


state = Orders()


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
    if scope["path"] == "/orders":
        customer = next((value.decode() for name, value in scope["headers"] if name == b"x-subject"), "")
        status, answer = 201, await state.place(body, customer)
    elif scope["path"] == "/quote":
        status, answer = 200, await state.quote(body)
    else:
        status, answer = 200, b"{}"
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
