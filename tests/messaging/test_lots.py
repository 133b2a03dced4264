"""In a lot, each event stays in the trace that it came from."""

from __future__ import annotations

import asyncio

import msgspec
from tests.messaging.conftest import Counted, consumer_of, eventually

from atoll.contracts import Event
from atoll.data import Database, Work
from atoll.messaging import Envelope
from atoll.messaging.envelope import encode_envelope
from atoll.messaging.memory import MemoryBroker
from atoll.service import Request, current_request, handling

PARENT = "00-{:032x}-00000000000000aa-01"


class Noted(Event, subject="test.noted", key="key"):
    key: str


async def test_what_is_published_for_an_event_carries_its_trace_and_lots_span_the_partitions(
    database: Database,
) -> None:
    broker = MemoryBroker(partitions=8)
    for n in range(1, 41):
        data = msgspec.Raw(msgspec.json.encode({"key": f"k{n}", "n": n}))
        body = Envelope(
            id=f"m{n}",
            source="/s/x",
            type="test.counted",
            partitionkey=f"k{n}",
            data=data,
            traceparent=PARENT.format(n),
        )
        await broker.publish("test.counted", f"k{n}", f"m{n}", encode_envelope(body))
    lots: list[int] = []

    async def handle(request: Request) -> None:
        work: Work = request.scope[Work]
        events: list[Counted] = request.message
        lots.append(len(events))
        for event in events:
            with handling(event):
                await work.publish(Noted(event.key))
        now = current_request.get()
        assert now is request
        await asyncio.sleep(0)

    consumer = consumer_of(database, broker, handle, batched=[Counted])
    await consumer.start()

    async def all_there() -> bool:
        return sum(lots) == 40

    await eventually(all_there, within=20)
    await consumer.stop()
    assert max(lots) > 5  # a partition alone has five of them
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT key, headers FROM atoll.outbox")
    told = {row["key"]: msgspec.json.decode(row["headers"])["traceparent"] for row in rows}
    assert told == {f"k{n}": PARENT.format(n) for n in range(1, 41)}
