"""A whole service with a saga: started over HTTP, woken by its consumer, calling another service, restarted in between."""

from __future__ import annotations

from uuid import UUID

import pytest
from tests.sagas.conftest import eventually, make_ledger, note, noted, until

from atoll.contracts import PUBLIC, Api, Event, Message, NotFound, Operation
from atoll.data import Database, Work
from atoll.discovery import Balancer, StaticRegistry
from atoll.messaging.memory import MemoryBroker
from atoll.sagas import Saga, Sagas, saga
from atoll.serve import CannotServe
from atoll.serve.assemble import Running, assemble
from atoll.serve.environment import Environment
from atoll.service import Service, consumes, implements
from atoll.testing import PostgresServer
from atoll.transport.http import HttpChannel
from atoll.transport.http.client.httptools import HttptoolsClient


class Return(Message):
    order: str


class Accepted(Message):
    saga: UUID


class Refund(Message):
    order: str
    amount: int


class Refunded(Message):
    amount: int


class Arrived(Event, subject="parcel.arrived"):
    order: str


class Orders(Api):
    give_back = Operation("POST /orders/{order}/return", Return, Accepted, access=PUBLIC, idempotent=True)
    arrive = Operation("POST /orders/{order}/arrive", Return, None, access=PUBLIC, errors=(NotFound,))


class Payments(Api):
    refund = Operation("POST /refund", Refund, Refunded, access=PUBLIC, keyed=True)


async def mark(work: Work, order: str, what: str) -> None:
    await note(work, order, what)


@saga(key="order", awaits=[Arrived])
async def return_order(start: Return, saga: Saga, payments: Payments) -> None:
    await saga.step("receive", mark, start.order, "returning").undo(mark, start.order, "as before")
    await saga.wait(Arrived, timeout=60)
    refunded = await saga.call("refund", payments.refund, Refund(start.order, 5))
    await saga.step("close", mark, start.order, f"refunded {refunded.amount}")


@implements(Orders.give_back)
async def give_back(command: Return, work: Work, sagas: Sagas) -> Accepted:
    return Accepted((await sagas.start(work, return_order, command)).id)


@implements(Orders.arrive)
async def arrive(command: Return, work: Work) -> None:
    await work.publish(Arrived(command.order))


@consumes(Arrived)
async def also_note(event: Arrived, work: Work) -> None:
    await note(work, event.order, "arrived")


@implements(Payments.refund)
async def refund(command: Refund, work: Work) -> Refunded:
    await note(work, command.order, f"refund {command.amount}")
    return Refunded(command.amount)


orders = Service(
    "orders",
    handlers=[give_back, arrive, also_note],
    sagas=[return_order],
    calls=[Payments],
    publishes=[Arrived],
    migrations="somewhere:else",
)
payments = Service("payments", handlers=[refund], migrations="somewhere:else")


async def started(
    service: Service, environment: Environment, monkeypatch: pytest.MonkeyPatch, broker: MemoryBroker
) -> Running:
    monkeypatch.setattr("atoll.serve.parts.open_broker", lambda url, *, system: broker)
    running = assemble(service, environment, {})
    await running.start()
    return running


async def test_a_return_from_request_to_close(
    database_url: str, postgres: PostgresServer, template: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, other = MemoryBroker(), postgres.create_database(template)
    for url in (database_url, other):
        pool = Database(url, service="test")
        await pool.start()
        await make_ledger(pool)
        await pool.stop()
    callee = await started(payments, Environment(port=0, database_url=other, grace=2), monkeypatch, broker)
    told = Environment(
        port=0, database_url=database_url, broker_url="memory://", endpoints={"payments": (callee.url,)}, grace=2
    )
    caller = await started(orders, told, monkeypatch, broker)
    database, http = Database(database_url, service="test"), HttptoolsClient()
    await database.start()
    balancer = Balancer("orders", StaticRegistry({"orders": (caller.url,)}))
    await balancer.start()
    client = Orders(HttpChannel(Orders, balancer=balancer, http=http))
    accepted = await client.give_back(Return("a"))
    assert await client.give_back(Return("a")) == accepted
    await client.arrive(Return("a"))
    await until(database, accepted.saga, "completed")
    assert sorted(await noted(database, "a")) == ["arrived", "refunded 5", "returning"]
    remote = Database(other, service="test")
    await remote.start()
    assert await noted(remote, "a") == ["refund 5"]
    async with remote.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM atoll.idempotency") == 1
    second = (await client.give_back(Return("b"))).saga
    await eventually(lambda: _has(database, "b"))
    await balancer.stop()
    await caller.stop()
    caller = await started(orders, told, monkeypatch, broker)
    async with database.work() as work:
        await Sagas(database).deliver(work, return_order, Arrived("b"))
    await until(database, second, "completed")
    assert await noted(database, "b") == ["returning", "refunded 5"]
    for part in (caller, callee, database, remote):
        await part.stop()
    await http.close()


async def _has(database: Database, key: str) -> bool:
    return bool(await noted(database, key))


async def undeclared(start: Return, saga: Saga) -> None:
    return


@saga(key="order")
async def greedy(start: Return, saga: Saga, work: Work) -> None:
    return


@pytest.mark.parametrize(
    ("service", "line"),
    [
        (Service("orders", sagas=[greedy]), "so it needs a database for its outbox, inbox and journal"),
        (
            Service("orders", sagas=[undeclared], migrations="somewhere:else"),
            "test_serving.undeclared is no saga: decorate it with @saga(key=...)",
        ),
        (
            Service("orders", sagas=[greedy], migrations="somewhere:else"),
            "greedy: parameter 'work' of type Work cannot be provided to a saga",
        ),
        (
            Service("orders", sagas=[return_order, return_order], migrations="somewhere:else"),
            "two sagas are named 'return_order'",
        ),
    ],
)
async def test_a_saga_that_cannot_run_prevents_the_start(service: Service, line: str, database_url: str) -> None:
    with pytest.raises(CannotServe) as caught:
        running = assemble(service, Environment(port=0, database_url=database_url, broker_url="memory://"), {})
        try:
            await running.start()
        finally:
            await running.stop()
    assert line in str(caught.value)
