"""Payments: captures each order once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID, uuid4

from fastapi import FastAPI
from faststream.nats import NatsBroker, NatsMessage, PullSub
from pydantic import BaseModel, Field
from sqlalchemy import DateTime, func
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import Mapped, mapped_column

from bench.peers.fastapi.shared import STREAM, Base, OutboxMessage, create_tables, is_new, relay

LIMIT = 10_000_000  # minor units

engine = create_async_engine(
    os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+asyncpg:"), pool_size=20, max_overflow=0
)
sessions = async_sessionmaker(engine, expire_on_commit=False)
broker = NatsBroker(os.environ["NATS_URL"], logger=None)


class PaymentRow(Base):
    __tablename__ = "payments"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    order_id: Mapped[UUID] = mapped_column(unique=True)
    amount: Mapped[int]
    currency: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


class ChargeRequest(BaseModel):
    order_id: UUID
    amount: int = Field(ge=0)
    currency: str = "EUR"
    dry_run: bool = False


class Charge(BaseModel):
    order_id: UUID
    amount: int
    currency: str
    accepted: bool


class Created(BaseModel):
    order_id: UUID
    total: int
    currency: str


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    await create_tables(engine)
    await broker.start()
    relaying = asyncio.create_task(relay(sessions, broker))
    yield
    relaying.cancel()
    await broker.stop()
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "up"}


@app.post("/charge")
async def charge(request: ChargeRequest) -> Charge:
    accepted = request.amount <= LIMIT
    return Charge(order_id=request.order_id, amount=request.amount, currency=request.currency, accepted=accepted)


@broker.subscriber("order.created", durable="payments", stream=STREAM, pull_sub=PullSub(batch_size=32), max_workers=32)
async def capture(event: Created, message: NatsMessage) -> None:
    async with sessions.begin() as session:
        if await is_new(session, message.headers["message-id"]):
            session.add(PaymentRow(order_id=event.order_id, amount=event.total, currency=event.currency))
            told = {"order_id": str(event.order_id), "amount": event.total, "currency": event.currency}
            session.add(OutboxMessage(subject="payment.captured", payload=told))
