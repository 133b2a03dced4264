"""What a service's own documents say beyond its contracts."""

from __future__ import annotations

import json
from typing import Annotated

from atoll.contracts import PUBLIC, Api, Message, Operation
from atoll.serve.documents import documents_of
from atoll.service import Header, Service, implements


class Money(Message):
    cents: int


class Till(Api):
    refund = Operation("POST /refunds", Money, Money, keyed=True, access=PUBLIC)
    charge = Operation("POST /charges", Money, Money, keyed=True, access=PUBLIC)


@implements(Till.refund)
async def refund(
    money: Money,
    key: Annotated[str, Header("Idempotency-Key")],
    till: Annotated[str, Header("till")],
    clerk: Annotated[str | None, Header("clerk")],
    desk: Annotated[str, Header("desk")] = "1",
) -> Money:
    return money


@implements(Till.charge)
async def charge(money: Money) -> Money:
    return money


def test_headers_without_which_a_handler_is_not_called_are_required() -> None:
    service = Service("till", handlers=[refund, charge])
    paths = json.loads(documents_of(service, "shop")["/openapi.json"])["paths"]
    found = {path: paths[path]["post"]["parameters"] for path in paths}
    assert {(one["name"], one["required"]) for one in found["/refunds"]} == {("Idempotency-Key", True), ("till", True)}
    assert {(one["name"], one["required"]) for one in found["/charges"]} == {("Idempotency-Key", False)}
