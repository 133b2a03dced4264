"""What type checkers infer from an operation: `# type:` is what reveal_type shows, `# error` is where one must stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

import pydantic

from atoll.contracts import Api, Event, Input, Message, Money, Operation, Stream, new_id
from atoll.contracts.codec import decoder_for
from atoll.service import Caller, consumes, implements

ChargeId = NewType("ChargeId", UUID)
OrderId = NewType("OrderId", UUID)


class ChargeRequest(Input):
    order: OrderId
    amount: Money


class Charge(Message):
    id: ChargeId
    accepted: bool = True


class Paid(Event, subject="order.paid", key="order"):
    order: OrderId
    amount: Money


class Model(pydantic.BaseModel):
    name: str


@dataclass
class Plain:
    name: str


class Payments(Api):
    charge = Operation("POST /charge", ChargeRequest, Charge, idempotent=True)
    charges = Operation("GET /charges", None, list[Charge])
    forget = Operation("POST /forget", ChargeRequest, None)
    ping = Operation("GET /ping", None, None)
    watch = Operation("GET /watch", None, Stream[Charge])
    follow = Operation("POST /follow", ChargeRequest, Stream[Charge])
    model = Operation("POST /model", Model, Plain)


async def calls(payments: Payments, request: ChargeRequest, model: Model) -> None:
    reveal_type(Payments.charge)  # type: Operation[ChargeRequest, Charge]
    reveal_type(payments.charge)  # type: BoundCall[ChargeRequest, Charge]
    reveal_type(await payments.charge(request))  # type: Charge
    reveal_type(await payments.charges())  # type: list[Charge]
    reveal_type(await payments.forget(request))  # type: None
    reveal_type(await payments.model(model))  # type: Plain
    async for charge in payments.watch.stream():
        reveal_type(charge)  # type: Charge
    async for charge in payments.follow.stream(request):
        reveal_type(charge.id)  # type: ChargeId
    await payments.ping()
    await payments.charge(model)  # error
    await payments.charge()  # error
    await payments.charges(request)  # error
    await payments.nothing(request)  # error
    payments.charge.stream(request)  # error


def messages(order: OrderId, body: bytes) -> None:
    made: OrderId = new_id(OrderId)
    reveal_type(decoder_for(Charge)(body))  # type: Charge
    reveal_type(decoder_for(list[Charge])(body))  # type: list[Charge]
    charge = Charge(new_id(ChargeId))
    Charge(made)  # error
    Charge(id=new_id(ChargeId), accepted="yes")  # error
    Paid(order)  # error
    Money(1, "EUR") + 1  # error
    Money(1, "EUR") * 1.5  # error
    charge.accepted = False  # error


@implements(Payments.charge)
async def right(request: ChargeRequest, caller: Caller) -> Charge:
    return Charge(new_id(ChargeId))


@implements(Payments.forget)
async def nothing(request: ChargeRequest) -> None:
    """Nothing to return."""


@implements(Payments.watch)
async def stream() -> AsyncIterator[Charge]:
    yield Charge(new_id(ChargeId))


@implements(Payments.charge)  # error
async def wrong_reply(request: ChargeRequest) -> Plain:
    return Plain("")


@implements(Payments.charges)  # error
async def wrong_items() -> list[Plain]:
    return []


@implements(Payments.watch)  # error
async def wrong_stream() -> AsyncIterator[Plain]:
    yield Plain("")


@implements(Payments.charge)  # error
def blocking(request: ChargeRequest) -> Charge:
    return Charge(new_id(ChargeId))


@consumes(Paid)
async def hear(event: Paid) -> None:
    """Hears."""


@consumes(Paid)  # error
async def answers(event: Paid) -> Charge:
    return Charge(new_id(ChargeId))


@consumes(Charge)  # error
async def no_event(event: Charge) -> None:
    """Nobody publishes a Charge."""


async def unit_test(request: ChargeRequest) -> None:
    reveal_type(await right(request, Caller("alice")))  # type: Charge
    await right(request)  # error
