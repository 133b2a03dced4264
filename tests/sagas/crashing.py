"""A process that runs sagas, and kills itself at a labelled point: run by test_crashes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from tests.sagas.conftest import note
from tests.sagas.remote import Pay, Payments, Remote

from atoll.contracts import Conflict, Event, Message
from atoll.data import Database, Work
from atoll.sagas import Saga, SagaRunner, Sagas, saga
from atoll.sagas.attempts import Attempts
from atoll.sagas.journal import Journal

SAGAS = 6  # that each run begins: a run that only ended what the last one left may not reach the point again
POINTS = (
    "before a local step's effect commits",
    "between a local step and the next one",
    "between the journal of an attempt and the call",
    "between a call's effect and its journal",
    "between an event and the journal of its wait",
    "between the last step and the end",
    "between the failure and the compensation",
    "before a compensation's effect commits",
    "between two compensations",
    "between a compensating call's effect and its journal",
)


class Return(Message):
    order: str
    good: bool


class Arrived(Event, subject="parcel.arrived"):
    order: str


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


async def check(work: Work, order: str, good: bool) -> None:
    if not good:
        raise Conflict("it is broken")
    await note(work, order, "checked")


@saga(key="order", awaits=[Arrived])
async def returning(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.step("mark", mark, start.order, "marked").undo(mark, start.order, "unmarked")
    await saga.wait(Arrived)
    await saga.call("refund", payments.refund, Pay(start.order, 5)).undo(payments.charge, Pay(start.order, 5))
    await saga.step("restock", mark, start.order, "restocked").undo(mark, start.order, "unstocked")
    await saga.step("check", check, start.order, start.good)


Place = tuple[Any, str, bool, Callable[..., bool]]  # class, method, whether after it, which of its calls

PLACES: dict[str, Place] = dict(
    zip(
        POINTS,
        (
            (Journal, "done", False, lambda work, place, result: place.kind == "step"),
            (Attempts, "run", True, lambda place, action: place.name == "mark"),
            (Remote, "call", False, lambda operation, message: operation.name == "refund"),
            (Remote, "call", True, lambda operation, message: operation.name == "refund"),
            (Journal, "take", False, lambda *_: True),
            (Journal, "end", False, lambda *_: True),
            (Journal, "turn", False, lambda *_: True),
            (Journal, "done", False, lambda work, place, result: place.name == "undo restock"),
            (Attempts, "run", True, lambda place, action: place.name == "undo restock"),
            (Remote, "call", True, lambda operation, message: operation.name == "charge"),
        ),
        strict=True,
    )
)


def arm(label: str, after: int) -> None:
    """Dies at the ``after``-th time that the labelled point is reached."""
    if label not in PLACES:
        return
    kind, name, late, when = PLACES[label]
    original = getattr(kind, name)
    count = 0

    def reached() -> None:
        nonlocal count
        count += 1
        if count == after:
            os.kill(os.getpid(), signal.SIGKILL)

    async def wrapped(self: Any, *arguments: Any, **keywords: Any) -> Any:
        if when(*arguments) and not late:
            reached()
        result = await original(self, *arguments, **keywords)
        if when(*arguments) and late:
            reached()
        return result

    setattr(kind, name, wrapped)


async def main(url: str, label: str, after: str, sagas_so_far: str) -> None:
    database = Database(url, service="test")
    await database.start()
    runner = SagaRunner(database, [returning], service="test", provided={Payments: Payments(Remote(url))})
    arm(label, int(after))
    for number in range(int(sagas_so_far)):
        async with database.work() as work:
            await runner.sagas.start(work, returning, Return(f"order{number}", number % 2 == 0))
    await runner.start()
    for number in range(int(sagas_so_far)):
        async with database.work() as work:
            if await work.fetchval("INSERT INTO given VALUES ($1) ON CONFLICT DO NOTHING RETURNING 1", number):
                await runner.sagas.deliver(work, returning, Arrived(f"order{number}"))
    sagas = Sagas(database)
    while any(one.ended_at is None for one in await sagas.list()):
        await asyncio.sleep(0.02)
    await runner.stop()
    await database.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
