"""Orders: takes them, asks for quotes, and confirms what was paid."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID, uuid4

import httpx
import jwt
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from faststream.nats import NatsBroker, NatsMessage, PullSub
from pydantic import BaseModel, Field
from sqlalchemy import DateTime, func, update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from bench.peers.fastapi.shared import STREAM, Base, OutboxMessage, create_tables, is_new, relay

PRICES = {
    f"{letter}{digit}": 100 * at * digit - 1 for at, letter in enumerate("ABCDEFGHIJ", 1) for digit in range(1, 10)
}

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"), pool_size=20, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
broker = NatsBroker(os.environ["NATS_URL"], logger=None)
http = httpx.AsyncClient(
    base_url=os.environ["PAYMENTS_URL"],
    timeout=2.0,
    limits=httpx.Limits(max_connections=16, max_keepalive_connections=16),
)
key = jwt.PyJWK(json.loads(os.environ["JWKS"])["keys"][0])
bearer = HTTPBearer()


class OrderRow(Base):
    __tablename__ = "orders"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    customer: Mapped[str]
    total: Mapped[int]
    currency: Mapped[str]
    status: Mapped[str] = mapped_column(default="pending")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    confirmed_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Item(BaseModel):
    sku: str = Field(min_length=1, max_length=40)
    quantity: int = Field(ge=1, le=1000)


class PlaceOrder(BaseModel):
    items: list[Item] = Field(min_length=1, max_length=100)
    currency: str = "EUR"


class OrderView(BaseModel):
    id: UUID
    status: str
    total: int
    currency: str
    items: list[Item]


class Quote(BaseModel):
    total: int
    currency: str
    accepted: bool


class Captured(BaseModel):
    order_id: UUID
    amount: int


@lru_cache(maxsize=1000)
def verified(token: str) -> dict[str, Any]:
    return jwt.decode(token, key, algorithms=["ES256"], audience="shop", issuer="shop-auth")


def customer(credentials: Annotated[HTTPAuthorizationCredentials, Depends(bearer)]) -> str:
    try:
        return str(verified(credentials.credentials)["sub"])
    except jwt.InvalidTokenError:
        raise HTTPException(401, "the token is not valid") from None


def total_of(order: PlaceOrder) -> int:
    try:
        return sum(PRICES[item.sku] * item.quantity for item in order.items)
    except KeyError as error:
        raise HTTPException(422, f"there is no article {error}") from None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await create_tables(engine)
    await broker.start()
    relaying = asyncio.create_task(relay(sessions, broker))
    yield
    relaying.cancel()
    await broker.stop()
    await http.aclose()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "up"}


@app.post("/orders", status_code=201)
async def place(order: PlaceOrder, customer: Annotated[str, Depends(customer)]) -> OrderView:
    total = total_of(order)
    async with sessions.begin() as session:
        row = OrderRow(id=uuid4(), customer=customer, total=total, currency=order.currency, status="pending")
        event = {"order_id": str(row.id), "user_id": customer, "total": total, "currency": order.currency}
        session.add_all([row, OutboxMessage(subject="order.created", payload=event)])
    return OrderView(id=row.id, status="pending", total=total, currency=order.currency, items=order.items)


@app.post("/quote", dependencies=[Depends(customer)])
async def quote(order: PlaceOrder) -> Quote:
    total = total_of(order)
    asked = {"order_id": str(uuid4()), "amount": total, "currency": order.currency, "dry_run": True}
    reply = await http.post("/charge", json=asked)
    reply.raise_for_status()
    return Quote(total=total, currency=order.currency, accepted=reply.json()["accepted"])


@broker.subscriber("payment.captured", durable="orders", stream=STREAM, pull_sub=PullSub(batch_size=32), max_workers=32)
async def confirm(event: Captured, message: NatsMessage) -> None:
    async with sessions.begin() as session:
        if await is_new(session, message.headers["message-id"]):
            await confirm_order(session, event.order_id)


async def confirm_order(session: AsyncSession, order_id: UUID) -> None:
    pending = update(OrderRow).where(OrderRow.id == order_id, OrderRow.status == "pending")
    confirmed = pending.values(status="confirmed", confirmed_at=func.clock_timestamp()).returning(OrderRow.id)
    if (await session.execute(confirmed)).scalar_one_or_none() is not None:
        session.add(OutboxMessage(subject="order.confirmed", payload={"order_id": str(order_id)}))
