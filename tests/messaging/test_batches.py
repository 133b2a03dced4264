"""Handlers of lists: many messages, one unit of work, in order by key; a lot that fails is split until the culprit is found."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.messaging.conftest import Counted, consumer_of, eventually, handled, ledger

from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.data import Database, Work
from atoll.messaging import Envelope
from atoll.messaging.batch import Batch
from atoll.messaging.envelope import encode_envelope
from atoll.messaging.lanes import Lanes
from atoll.messaging.memory import MemoryBroker
from atoll.service import Handler, Request
from atoll.service.tracing import current_tracer
from atoll.telemetry import Metrics, OtlpTracer, SpanQueue


def message(key: str, n: int) -> bytes:
    data = msgspec.Raw(msgspec.json.encode({"key": key, "n": n}))
    return encode_envelope(Envelope(id=f"{key}-{n}", source="/s/x", type="test.counted", partitionkey=key, data=data))


async def publish(broker: MemoryBroker, keys: Sequence[str], count: int, *, delivery: str = "") -> None:
    for n in range(count):
        for key in keys:
            await broker.publish("test.counted", key, f"{key}-{n}{delivery}", message(key, n))


def noting(lots: list[int], before: Callable[[Sequence[Counted]], Awaitable[None]] | None = None) -> Handler:
    async def handle(request: Request) -> None:
        events: list[Counted] = request.message
        work: Work = request.scope[Work]
        await work.executemany("INSERT INTO ledger (key, n) VALUES ($1, $2)", [(one.key, one.n) for one in events])
        if before is not None:
            await before(events)
        lots.append(len(events))

    return handle


async def test_what_has_gathered_is_handled_in_one_unit_of_work_and_in_order(database: Database) -> None:
    broker, lots = MemoryBroker(partitions=1), list[int]()
    await publish(broker, ["a", "b", "c"], 40)
    consumer = consumer_of(database, broker, noting(lots), batched=[Counted])
    await consumer.start()
    assert await handled(database, 120) == {key: list(range(40)) for key in "abc"}
    await consumer.stop()
    assert sum(lots) == 120
    assert len(lots) <= 8  # 64 at the most in one
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atoll.inbox") == 120
    assert len(broker._positions["test", 0].done) == 120


async def test_a_lot_knows_what_was_handled_before(database: Database) -> None:
    broker, lots = MemoryBroker(partitions=1), list[int]()
    await publish(broker, ["a"], 20)
    consumer = consumer_of(database, broker, noting(lots), batched=[Counted])
    await consumer.start()
    await handled(database, 20)
    await publish(broker, ["a"], 20, delivery=" again")
    await publish(broker, ["b"], 1)
    assert await handled(database, 21) == {"a": list(range(20)), "b": [0]}
    await consumer.stop()


async def test_one_poisoned_message_of_a_lot_is_parked_with_its_followers_and_the_others_are_handled(
    database: Database,
) -> None:
    broker, lots, poisoned = MemoryBroker(partitions=1), list[int](), True

    async def poison(events: Sequence[Counted]) -> None:
        if poisoned and any((one.key, one.n) == ("b", 7) for one in events):
            raise ValueError("poison")

    await publish(broker, ["a", "b", "c"], 20)
    policy = ConsumerPolicy(event=EventPolicy(delays=(0.3, 0.3, 600.0)))
    consumer = consumer_of(database, broker, noting(lots, poison), batched=[Counted], policy=policy)
    await consumer.start()
    found = await handled(database, 47)
    assert found == {"a": list(range(20)), "b": list(range(7)), "c": list(range(20))}
    poisoned = False
    assert await handled(database, 60) == {key: list(range(20)) for key in "abc"}
    await consumer.stop()


async def test_a_lots_span_links_to_where_each_of_its_messages_comes_from(database: Database) -> None:
    broker, lots, queue = MemoryBroker(partitions=1), list[int](), SpanQueue()
    for n in range(40):
        origin = f"00-{n + 1:032x}-{n + 1:016x}-01" if n else "no-such-thing-here"
        body = msgspec.json.encode({**msgspec.json.decode(message("a", n)), "traceparent": origin})
        await broker.publish("test.counted", "a", f"a-{n}", body)
    current_tracer.set(OtlpTracer(Metrics(), queue))
    consumer = consumer_of(database, broker, noting(lots), batched=[Counted])
    await consumer.start()
    await handled(database, 40)
    await consumer.stop()
    processed = [span for span in queue.take(10_000) if span[3].name == "process test.counted"]
    together = [span for span in processed if (span[6] or {}).get("messaging.batch.message_count")]
    assert together
    assert all(span[2] == 0 and "messaging.message.id" not in (span[6] or {}) for span in together)
    linked = {link for span in together for link in span[8]}
    alone = {(span[0].id, span[2]) for span in processed if span not in together}
    assert linked | alone >= {(f"{n:032x}", n) for n in range(2, 41)}


async def test_a_lot_is_acknowledged_after_its_commit(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from atoll.messaging.memory import MemoryDelivery

    committed: list[int] = []
    acknowledge = MemoryDelivery.acknowledge

    async def watched(self: MemoryDelivery) -> None:
        committed.append(len((await ledger(database)).get("a", ())))
        await acknowledge(self)

    monkeypatch.setattr(MemoryDelivery, "acknowledge", watched)
    broker = MemoryBroker(partitions=1)
    await publish(broker, ["a"], 5)
    consumer = consumer_of(database, broker, noting([]), batched=[Counted])
    await consumer.start()

    async def all_acknowledged() -> bool:
        return len(committed) == 5

    await eventually(all_acknowledged, within=5)
    await consumer.stop()
    assert committed == [5] * 5


jobs = st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 2)), max_size=30)


@given(jobs=jobs, size=st.integers(1, 5))
def test_order_by_key_holds_between_lots_and_single_jobs(jobs: list[tuple[str, bool, int]], size: int) -> None:
    async def main() -> None:
        seen: dict[str, list[int]] = {}
        largest = 0

        async def one(key: str, number: int, pauses: int) -> None:
            for _ in range(pauses):
                await asyncio.sleep(0)
            seen.setdefault(key, []).append(number)

        async def many(lot: Sequence[tuple[str, int, int]]) -> None:
            nonlocal largest
            largest = max(largest, len(lot))
            for key, number, pauses in lot:
                await one(key, number, pauses)

        limit = asyncio.Semaphore(2)
        lanes, batch = Lanes(limit, lambda: None), Batch(limit, size, many)
        for number, (key, alone, pauses) in enumerate(jobs):
            if alone:
                lanes.submit(key, lambda key=key, number=number, pauses=pauses: one(key, number, pauses))  # type: ignore[misc]
            else:
                lanes.submit_to(key, batch, (key, number, pauses))
        await lanes.below(1)
        assert seen == {k: [n for n, (key, *_) in enumerate(jobs) if key == k] for k in {key for key, *_ in jobs}}
        assert largest <= size
        assert lanes.held == 0

    asyncio.run(main())


async def test_when_a_lot_breaks_nothing_that_waits_behind_it_runs() -> None:
    began: list[int] = []

    async def fail(lot: Sequence[int]) -> None:
        began.extend(lot)
        await asyncio.sleep(0)
        raise ZeroDivisionError

    batch = Batch(asyncio.Semaphore(1), 2, fail)
    results = await asyncio.gather(batch.join([1, 2, 3]), batch.join([4]), return_exceptions=True)
    assert [type(one) for one in results] == [ZeroDivisionError, ZeroDivisionError]
    assert began == [1, 2]
