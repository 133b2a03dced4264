"""The test system: two services that buy, pay and give back, over everything that Atoll has for it.

`orders` is event-sourced, with a read model; `payments` consumes, and its operations are the remote steps of the saga that each
order ends with. Even amounts are closed, odd ones are refused at the end and compensated. An amount that ends in 1 fails a few
times, one that ends in 2 until it is healed. Effects are plain inserts that nothing keeps from happening twice but the framework.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.faults.bank import Bank

from atoll.contracts import PUBLIC, Api, Conflict, Event, Message, Operation
from atoll.contracts.policies import BreakerPolicy, ClientPolicy, ConsumerPolicy, EventPolicy
from atoll.data import Aggregate, Connection, Database, Projection, Stored, Work, applies, load, projects, save
from atoll.messaging import DeadLetters, consumer
from atoll.sagas import Saga, Sagas, attempts, saga
from atoll.service import Resilience, Service, consumes, current_request, implements

consumer.RETRY_EVERY = 0.1  # the clock of this system runs faster
attempts.MOST_DELAY = 1.0
FAST = ConsumerPolicy(event=EventPolicy(delays=(0.1, 0.1, 0.1)))


class Place(Message):
    order_id: str
    amount: int


class OrderPlaced(Event, subject="order.placed", key="order_id"):
    order_id: str
    amount: int


class OrderPaid(Event, subject="order.paid", key="order_id"):
    order_id: str


class OrderMarked(Event, subject="order.marked", key="order_id"):
    order_id: str
    status: str


class Captured(Event, subject="payment.captured", key="order_id"):
    order_id: str
    amount: int


class ParcelArrived(Event, subject="parcel.arrived", key="order_id"):
    order_id: str


class Orders(Api):
    place = Operation("POST /orders", Place, None, access=PUBLIC, keyed=True)
    rebuild = Operation("POST /rebuild", None, None, access=PUBLIC, deadline=20)


class Payments(Api):
    refund = Operation("POST /refunds", Place, None, access=PUBLIC, keyed=True, deadline=1)
    take_back = Operation("POST /refunds/undo", Place, None, access=PUBLIC, keyed=True, deadline=1)
    reserve = Operation("POST /shelves", Place, None, access=PUBLIC, keyed=True, deadline=1)
    release = Operation("POST /shelves/undo", Place, None, access=PUBLIC, keyed=True, deadline=1)
    redrive = Operation("POST /redrive", None, None, access=PUBLIC)


class Order(Aggregate[str], stream="order", snapshot_every=2):
    amount: int = 0
    status: str = "new"

    @classmethod
    def place(cls, order_id: str, amount: int) -> Order:
        order = cls(order_id)
        order.record(OrderPlaced(order_id, amount))
        return order

    def pay(self) -> None:
        if self.status != "placed":
            raise Conflict(f"it is {self.status}: paid twice")
        self.record(OrderPaid(self.id))

    def mark(self, status: str) -> None:
        self.record(OrderMarked(self.id, status))

    @applies(OrderPlaced)
    def _placed(self, event: OrderPlaced) -> None:
        self.amount, self.status = event.amount, "placed"

    @applies(OrderPaid)
    def _paid(self, event: OrderPaid) -> None:
        self.status = "paid"

    @applies(OrderMarked)
    def _marked(self, event: OrderMarked) -> None:
        self.status = event.status


ORDERS_TABLES = """
CREATE TABLE effects (seq bigserial, what text);
CREATE TABLE order_list (id text PRIMARY KEY, amount int, status text, changes int DEFAULT 1);
"""
PAYMENTS_TABLES = "CREATE TABLE effects (seq bigserial, what text)"


async def effect(work: Work, what: str) -> None:
    await work.execute("INSERT INTO effects (what) VALUES ($1)", what)


@projects(OrderPlaced)
async def list_placed(stored: Stored[OrderPlaced], model: Connection) -> None:
    event = stored.event
    await model.execute(
        "INSERT INTO order_list (id, amount, status) VALUES ($1, $2, 'placed')", event.order_id, event.amount
    )


@projects(OrderPaid)
async def list_paid(stored: Stored[OrderPaid], model: Connection) -> None:
    await _change(model, stored.event.order_id, "paid")


@projects(OrderMarked)
async def list_marked(stored: Stored[OrderMarked], model: Connection) -> None:
    await _change(model, stored.event.order_id, stored.event.status)


async def _change(model: Connection, order_id: str, status: str) -> None:
    await model.execute("UPDATE order_list SET status = $2, changes = changes + 1 WHERE id = $1", order_id, status)


class OrderList(Projection, name="order-list", handlers=[list_placed, list_paid, list_marked], tables=["order_list"]):
    """What there is, and how often it changed."""


@implements(Orders.place)
async def place(command: Place, work: Work) -> None:
    await save(work, Order.place(command.order_id, command.amount))


@implements(Orders.rebuild)
async def rebuild(order_list: OrderList) -> None:
    await order_list.rebuild()


async def mark(work: Work, order_id: str, status: str) -> None:
    order = await load(work, Order, order_id)
    order.mark(status)
    await save(work, order)
    await effect(work, f"{status} {order_id}")
    if status == "returning":
        await work.publish(ParcelArrived(order_id))


async def close(work: Work, order_id: str, amount: int) -> None:
    if amount % 2:
        raise Conflict("odd amounts are refused")
    await mark(work, order_id, "closed")


@saga(key="order_id", awaits=[ParcelArrived])
async def give_back(start: Captured, saga: Saga, payments: Payments) -> None:
    message = Place(start.order_id, start.amount)
    await saga.step("mark", mark, start.order_id, "returning").undo(mark, start.order_id, "kept")
    await saga.wait(ParcelArrived)
    await saga.call("refund", payments.refund, message).undo(payments.take_back, message)
    await saga.call("reserve", payments.reserve, message).undo(payments.release, message)
    await saga.step("close", close, start.order_id, start.amount)


@consumes(Captured)
async def pay(event: Captured, work: Work, sagas: Sagas) -> None:
    order = await load(work, Order, event.order_id)
    order.pay()
    await save(work, order)
    await sagas.start(work, give_back, event)


def bank() -> Bank:
    return Bank(Path(os.environ["BANK"]))


@consumes(OrderPlaced)
async def charge(event: OrderPlaced, work: Work) -> None:
    await effect(work, f"charge {event.order_id} {event.amount}")
    await work.publish(Captured(event.order_id, event.amount))
    times = bank().ask(f"charge {event.order_id}", f"charge {event.order_id} {event.amount}")
    last = event.amount % 10
    if (last == 1 and times <= 4) or (last == 2 and not bank().is_healed(event.order_id)):
        raise ValueError("poison")


async def _remote(work: Work, what: str) -> None:
    request = current_request.get()
    assert request is not None
    await effect(work, what)
    bank().ask(request.headers["idempotency-key"], what)


@implements(Payments.refund)
async def refund(command: Place, work: Work) -> None:
    await _remote(work, f"refund {command.order_id} {command.amount}")


@implements(Payments.take_back)
async def take_back(command: Place, work: Work) -> None:
    await _remote(work, f"take back {command.order_id} {command.amount}")


@implements(Payments.reserve)
async def reserve(command: Place, work: Work) -> None:
    await _remote(work, f"reserve {command.order_id} {command.amount}")


@implements(Payments.release)
async def release(command: Place, work: Work) -> None:
    await _remote(work, f"release {command.order_id} {command.amount}")


@implements(Payments.redrive)
async def redrive(database: Database) -> None:
    letters = DeadLetters(database)
    await letters.redrive(*(letter.id for letter in await letters.list()))


orders = Service(
    "orders",
    handlers=[place, rebuild, pay],
    calls=[Payments],
    sagas=[give_back],
    projections=[OrderList],
    publishes=[OrderPlaced, ParcelArrived],
    migrations="somewhere:else",
    resilience=Resilience(client=ClientPolicy(breaker=BreakerPolicy(shortest=0.2, longest=1.0)), consumer=FAST),
)
payments = Service(
    "payments",
    handlers=[charge, refund, take_back, reserve, release, redrive],
    publishes=[Captured],
    migrations="somewhere:else",
    resilience=Resilience(consumer=FAST),
)
