"""What type checkers infer from a saga's steps: `# type:` is what reveal_type shows, `# error` is where one must stand."""

from __future__ import annotations

from atoll.contracts import Api, Event, Message, Operation
from atoll.data import Work
from atoll.sagas import Saga, Sagas, hours, saga


class ReturnOrder(Message):
    order: str


class Arrived(Event, subject="parcel.arrived"):
    order: str
    shelf: int


class Refund(Message):
    order: str
    amount: int


class Refunded(Message):
    amount: int


class Payments(Api):
    refund = Operation("POST /refunds", Refund, Refunded, keyed=True)
    ping = Operation("GET /ping", None, Refunded)


async def restock(work: Work, order: str, *, shelf: int) -> list[int]:
    return [shelf]


async def nothing(work: Work) -> None:
    return


@saga(key="order", awaits=[Arrived])
async def return_order(start: ReturnOrder, saga: Saga, payments: Payments) -> None:
    refund = Refund(start.order, 5)
    arrived = await saga.wait(Arrived, timeout=hours(1))
    reveal_type(arrived)  # type: Arrived
    shelves = await saga.step("restock", restock, start.order, shelf=3).undo(nothing).within(5)
    reveal_type(shelves)  # type: list[int]
    paid = await saga.call("refund", payments.refund, refund).undo(payments.refund, refund)
    reveal_type(paid)  # type: Refunded
    reveal_type(await saga.call("ping", payments.ping))  # type: Refunded
    both = await saga.gather(saga.wait(Arrived), saga.step("nothing", nothing))
    reveal_type(both)  # type: tuple[Arrived, None]
    await saga.step("wrong", restock, start.order, shelf="three")  # error
    await saga.step("missing", restock, start.order)  # error
    await saga.call("wrong", payments.refund, start)  # error
    saga.call("undo", payments.refund, refund).undo(payments.refund, start)  # error
    saga.step("undo", nothing).undo(restock, 3, shelf=4)  # error


async def start(work: Work, sagas: Sagas) -> None:
    await sagas.start(work, return_order, ReturnOrder("17"))
    await sagas.start(work, return_order, Refund("17", 5))  # error
