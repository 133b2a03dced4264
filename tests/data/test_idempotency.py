from __future__ import annotations

import asyncio
import time

import pytest

from atoll.contracts import Api, Conflict, Input, Invalid, Message, Operation, Stream
from atoll.data import Database, Work, idempotent_replies, transactional
from atoll.service import Caller, Handler, Request


class Buy(Input):
    sku: str


class Bought(Message):
    number: int


class Shop(Api):
    buy = Operation("POST /buy", Buy, Bought, keyed=True)
    drop = Operation("POST /drop", Buy, None, keyed=True)
    watch = Operation("GET /watch", None, Stream[Bought], keyed=True)


class Till:
    """Counts how often it was really called."""

    def __init__(self) -> None:
        self.calls = 0
        self.begun = asyncio.Event()
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def __call__(self, request: Request) -> Bought:
        self.calls += 1
        self.begun.set()
        await request.scope[Work].execute("INSERT INTO things VALUES ($1)", self.calls)
        request.reply_headers["location"] = f"/bought/{self.calls}"
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Bought(self.calls)


def request_of(key: str | None = "k", sku: str = "A1", subject: str = "anna", *, seconds: float = 5.0) -> Request:
    headers = {} if key is None else {"idempotency-key": key}
    deadline = time.monotonic() + seconds
    return Request("shop.buy", Buy(sku), operation=Shop.buy, headers=headers, caller=Caller(subject), deadline=deadline)


@pytest.fixture
def till() -> Till:
    return Till()


@pytest.fixture
def handle(database: Database, till: Till) -> Handler:
    return transactional(database)(idempotent_replies(database, Shop.buy)(till))


async def test_a_repeat_gets_the_stored_reply_and_its_headers(handle: Handler, till: Till) -> None:
    first, second = request_of(), request_of()
    assert await handle(first) == Bought(1)
    assert await handle(second) == Bought(1)
    assert till.calls == 1
    assert first.reply_headers == {"location": "/bought/1"}
    assert second.reply_headers == {"location": "/bought/1", "idempotency-replayed": "true"}


async def test_without_a_key_each_request_is_its_own(handle: Handler, till: Till) -> None:
    assert await handle(request_of(None)) == Bought(1)
    assert await handle(request_of(None)) == Bought(2)


async def test_a_key_belongs_to_the_caller(handle: Handler, till: Till) -> None:
    assert await handle(request_of(subject="anna")) == Bought(1)
    assert await handle(request_of(subject="bert")) == Bought(2)


async def test_the_same_key_with_another_message_is_invalid(handle: Handler) -> None:
    await handle(request_of(sku="A1"))
    with pytest.raises(Invalid, match="was used with another message") as caught:
        await handle(request_of(sku="B2"))
    assert caught.value.fields[0].field == "header:idempotency-key"


@pytest.mark.parametrize("key", ["", "x" * 256, "with space", "täg", "a\x7f"])
async def test_a_bad_key_is_invalid(handle: Handler, till: Till, key: str) -> None:
    with pytest.raises(Invalid, match="1 to 255 visible ASCII"):
        await handle(request_of(key))
    assert till.calls == 0


async def test_a_failure_is_not_stored(handle: Handler, till: Till) -> None:
    till.error = Conflict("sold out")
    with pytest.raises(Conflict, match="sold out"):
        await handle(request_of())
    till.error = None
    assert await handle(request_of()) == Bought(2)


async def test_a_concurrent_twin_waits_for_the_first(handle: Handler, till: Till) -> None:
    till.gate = asyncio.Event()
    first = asyncio.ensure_future(handle(request_of()))
    await till.begun.wait()
    second = asyncio.ensure_future(handle(request_of()))
    await asyncio.sleep(0.05)
    assert not second.done()
    till.gate.set()
    assert (await first, await second) == (Bought(1), Bought(1))
    assert till.calls == 1


async def test_a_twin_whose_time_runs_out_is_a_conflict(handle: Handler, till: Till) -> None:
    till.gate = asyncio.Event()
    first = asyncio.ensure_future(handle(request_of()))
    await till.begun.wait()
    with pytest.raises(Conflict, match="is still being handled") as caught:
        await handle(request_of(seconds=0.2))
    assert caught.value.headers["retry-after"] == "1"
    till.gate.set()
    assert await first == Bought(1)


async def test_a_twin_goes_ahead_when_the_first_fails(handle: Handler, till: Till) -> None:
    till.gate, till.error = asyncio.Event(), Conflict("sold out")
    first = asyncio.ensure_future(handle(request_of()))
    await till.begun.wait()
    second = asyncio.ensure_future(handle(request_of()))
    await asyncio.sleep(0.05)
    till.gate.set()
    with pytest.raises(Conflict):
        await first
    with pytest.raises(Conflict, match="sold out"):
        await second
    assert till.calls == 2


async def test_ten_twins_at_once_have_one_effect(handle: Handler, till: Till) -> None:
    replies = await asyncio.gather(*(handle(request_of()) for _ in range(10)))
    assert replies == [Bought(1)] * 10
    assert till.calls == 1


async def test_after_a_day_the_key_is_new(handle: Handler, till: Till, database: Database) -> None:
    await handle(request_of())
    async with database.connection() as connection:
        await connection.execute("UPDATE atoll.idempotency SET stored_at = now() - interval '25 hours'")
    assert await handle(request_of(sku="B2")) == Bought(2)
    assert await handle(request_of(sku="B2")) == Bought(2)


async def test_retention_forgets_old_replies(handle: Handler, database: Database) -> None:
    await handle(request_of("old"))
    async with database.connection() as connection:
        await connection.execute("UPDATE atoll.idempotency SET stored_at = now() - interval '25 hours'")
    await handle(request_of("new"))
    assert await database._retention.remove() == 1


async def test_a_reply_of_nothing_is_replayed_too(database: Database) -> None:
    async def handler(request: Request) -> None:
        await request.scope[Work].execute("INSERT INTO things VALUES (1)")

    handle = idempotent_replies(database, Shop.drop)(handler)  # opens a unit of work by itself
    await handle(request_of())
    repeat = request_of()
    await handle(repeat)
    assert repeat.reply_headers["idempotency-replayed"] == "true"


def test_a_stream_cannot_be_stored(database: Database) -> None:
    with pytest.raises(TypeError, match="streams its reply"):
        idempotent_replies(database, Shop.watch)
