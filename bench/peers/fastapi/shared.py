"""What both services have: the tables of the outbox and the inbox, the relay, and the stream."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from faststream.nats import JStream, NatsBroker
from sqlalchemy import JSON, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

STREAM = JStream("shop", subjects=["order.*", "payment.*"])
RELAY_EVERY = 0.05  # seconds between two looks into an empty outbox
RELAY_BATCH = 100

log = logging.getLogger(__name__)


class Base(DeclarativeBase):
    pass


class OutboxMessage(Base):
    __tablename__ = "outbox"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    subject: Mapped[str]
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)


class InboxMessage(Base):
    __tablename__ = "inbox"
    id: Mapped[str] = mapped_column(primary_key=True)


async def create_tables(engine: AsyncEngine) -> None:
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)


async def is_new(session: AsyncSession, message_id: str) -> bool:
    """Whether this message was not handled before; remembered with the handler's own changes."""
    statement = insert(InboxMessage).values(id=message_id).on_conflict_do_nothing().returning(InboxMessage.id)
    return (await session.execute(statement)).scalar_one_or_none() is not None


async def relay(sessions: async_sessionmaker[AsyncSession], broker: NatsBroker) -> None:
    """Publishes the outbox, for ever."""
    while True:
        try:
            if not await relay_batch(sessions, broker):
                await asyncio.sleep(RELAY_EVERY)
        except Exception:
            log.exception("the relay failed and tries again")
            await asyncio.sleep(1.0)


async def relay_batch(sessions: async_sessionmaker[AsyncSession], broker: NatsBroker) -> int:
    """How many were published; each is acknowledged before its row goes."""
    oldest = select(OutboxMessage).order_by(OutboxMessage.created_at).limit(RELAY_BATCH)
    async with sessions.begin() as session:
        messages = (await session.scalars(oldest.with_for_update(skip_locked=True))).all()
        if not messages:
            return 0
        await asyncio.gather(*(publish(broker, message) for message in messages))
        await session.execute(delete(OutboxMessage).where(OutboxMessage.id.in_([one.id for one in messages])))
    return len(messages)


async def publish(broker: NatsBroker, message: OutboxMessage) -> None:
    await broker.publish(
        message.payload, message.subject, stream=STREAM.name,
        headers={"Nats-Msg-Id": str(message.id), "message-id": str(message.id)},
    )  # fmt: skip
