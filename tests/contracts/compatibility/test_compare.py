from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from msgspec import Meta

from atoll.contracts import (
    PUBLIC,
    Access,
    Api,
    Conflict,
    Event,
    Input,
    Message,
    Operation,
    Raw,
    Surface,
    Upcaster,
    upcasts,
)
from atoll.contracts.asyncapi import asyncapi
from atoll.contracts.compatibility import Change, Documents, compare, misread
from atoll.contracts.compatibility.documents import only_subjects
from atoll.contracts.openapi import openapi


class Item(Input):
    sku: Annotated[str, Meta(max_length=8)]
    pieces: Annotated[int, Meta(ge=1, le=10)] = 1


class Place(Input):
    shop: str
    items: tuple[Item, ...]
    note: str = ""


class Order(Message):
    id: str
    total: int
    reason: str = ""


class Gone(Conflict, code="gone"):
    """It is not there any more."""


class Full(Conflict, code="full"):
    """There is no room."""


def offering(
    *, route: str = "POST /{shop}/orders", request: Any = Place, reply: Any = Order, **options: Any
) -> Documents:
    given = {"errors": (Gone,), "access": Access(scopes=("orders:write",)), "keyed": True, **options}

    class Orders(Api):
        place = Operation(route, request, reply, **given)

    return Documents("orders", openapi("orders", "1", Orders.operations_))


OLD = offering()


def caller(name: str, view: Documents) -> Documents:
    return Documents(name, calls={"orders": view.openapi})


def only(changes: tuple[Change, ...]) -> Change:
    assert len(changes) == 1, [str(change) for change in changes]
    return changes[0]


class NoNote(Input):
    shop: str
    items: tuple[Item, ...]


class NeedsNote(Input):
    shop: str
    items: tuple[Item, ...]
    note: str


class NeedsMore(Input):
    shop: str
    items: tuple[Item, ...]
    when: str
    note: str = ""


class TakesMore(Input):
    shop: str
    items: tuple[Item, ...]
    note: str = ""
    when: str = ""


class FewerItems(Input):
    shop: str
    items: Annotated[tuple[Item, ...], Meta(max_length=3)]
    note: str = ""


class OtherNote(Input):
    shop: str
    items: tuple[Item, ...]
    note: str = "none"


class OtherTotal(Message):
    id: str
    total: str
    reason: str = ""


class NoReason(Message):
    id: str
    total: int


class MoreOrder(Message):
    id: str
    total: int
    reason: str = ""
    due: str = ""


class LooseTotal(Message):
    id: str
    total: int = 0
    reason: str = ""


BREAKING: list[tuple[Callable[[], Documents], str]] = [
    (lambda: Documents("orders"), "operation orders.place is not offered any more"),
    (lambda: offering(route="PUT /{shop}/orders"), "was POST /{shop}/orders and is PUT /{shop}/orders now"),
    (lambda: offering(request=NoNote), "request.note is removed, and unknown fields are refused"),
    (lambda: offering(request=NeedsNote), "request.note is required now"),
    (lambda: offering(request=NeedsMore), "request.when is new and required"),
    (lambda: offering(request=FewerItems), "request.items has a maxItems now: 3"),
    (lambda: offering(request=OtherNote), "request.note has another default"),
    (lambda: offering(reply=OtherTotal), "reply.total was integer and is string now"),
    (lambda: offering(reply=NoReason), "reply.reason is removed"),
    (lambda: offering(reply=LooseTotal), "reply.total may be left out now"),
    (lambda: offering(reply=None), "reply was application/json and is empty now"),
    (lambda: offering(http=Surface(status=201)), "reply had the status 200 and has 201 now"),
    (lambda: offering(http=Surface(form=True)), "request was application/json and is application/x-www-form-urlencoded now"),
    (lambda: offering(access=Access(scopes=("orders:write", "more"))), "access needed bearer with orders:write and needs"),
    (lambda: offering(access=Access(scopes=("orders:write",), roles=("admin",))), "roles were none and are admin now"),
    (lambda: offering(access=Access(peers=("auth",))), "access needed bearer"),
    (lambda: offering(keyed=False), "header idempotency-key is not read any more"),
]  # fmt: skip


@pytest.mark.parametrize(("new", "said"), BREAKING, ids=[said for _, said in BREAKING])
def test_a_breaking_operation_names_its_caller(new: Callable[[], Documents], said: str) -> None:
    changes = [change for change in compare(OLD, new(), [caller("web", OLD)]) if change.breaking]
    assert any(said in str(change) for change in changes), [str(change) for change in changes]
    assert {change.consumers for change in changes} == {("web",)}


@pytest.mark.parametrize(
    ("new", "said"),
    [
        (offering(request=TakesMore), "request.when is new"),
        (offering(reply=MoreOrder), "reply.due is new"),
        (offering(errors=(Gone, Full)), "error full is new"),
        (offering(errors=()), "error gone is not answered any more"),
        (offering(access=PUBLIC), "access is public now"),
        (offering(access=Access()), "access needed bearer with orders:write and needs bearer now"),
        (offering(deadline=1.0), "deadline was 5.0 s and is 1.0 s now"),
    ],
)
def test_an_additive_operation_passes(new: Documents, said: str) -> None:
    changes = compare(OLD, new, [caller("web", OLD)])
    assert not [str(change) for change in changes if change.breaking]
    assert any(said in str(change) for change in changes), [str(change) for change in changes]


def test_a_parameter_of_the_path_may_have_another_name() -> None:
    class Look(Input):
        id: str

    class LookAt(Input):
        order_id: str

    old = offering(route="GET /orders/{id}", request=Look)
    assert compare(old, offering(route="GET /orders/{order_id}", request=LookAt)) == ()


def test_who_does_not_know_the_field_is_not_named() -> None:
    new = offering(reply=NoReason)
    change = only(
        compare(OLD, new, [caller("web", OLD), caller("app", new), only_subjects("legacy", calls=("orders",))])
    )
    assert change.consumers == ("web", "legacy")
    assert "reply.reason is removed; would break web and legacy; keep the field" in str(change)


def test_an_operation_that_nobody_calls_breaks_nobody() -> None:
    change = only(compare(OLD, Documents("orders")))
    assert (change.breaking, change.consumers) == (True, ())
    assert "nobody in the system is known to use it" in str(change)


class Created(Event, subject="order.created", key="order_id"):
    order_id: str
    total: int
    card: str = "usual"


class Retyped(Event, subject="order.created", key="order_id"):
    order_id: str
    total: str
    card: str = "usual"


class Grown(Event, subject="order.created", key="order_id"):
    order_id: str
    total: int
    card: str = "usual"
    note: str = ""


class NeedsAll(Event, subject="order.created", key="order_id"):
    order_id: str
    total: int
    note: str
    card: str = "usual"


class NoCard(Event, subject="order.created", key="order_id"):
    order_id: str
    total: int


class OtherKey(Event, subject="order.created", key="card"):
    order_id: str
    total: int
    card: str = "usual"


class Second(Event, subject="order.created", version=2, key="order_id"):
    order_id: str
    total: str
    card: str = "usual"


@upcasts(Second, from_version=1)
def as_text(raw: Raw) -> Raw:
    return raw | {"total": str(raw["total"])}


def publishing(*events: type[Event]) -> Documents:
    return Documents("orders", asyncapi=asyncapi("orders", "1", events, []))


def consuming(name: str, event: type[Event], *upcasters: Upcaster) -> Documents:
    return Documents(name, asyncapi=asyncapi(name, "1", [], [event], upcasters=upcasters))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ((), "event order.created is not published any more"),
        ((Retyped,), "event order.created: total was integer and is string now in version 1"),
        ((NoCard,), "event order.created: card is removed in version 1"),
        ((NeedsAll,), "event order.created: note is new and required in version 1"),
        ((OtherKey,), "event order.created: key was order_id and is card now"),
        ((Second,), "event order.created: total was integer and is string now, from versions 1 and 2"),
    ],
)
def test_a_breaking_event_names_its_consumer(new: tuple[type[Event], ...], said: str) -> None:
    others = [
        consuming("payments", Created),
        consuming("mail", OtherSubject),
        only_subjects("legacy", ("order.created",)),
    ]
    changes = [change for change in compare(publishing(Created), publishing(*new), others) if change.breaking]
    assert said in str(changes[0])
    assert changes[0].consumers == (("legacy",) if new == (NeedsAll,) else ("payments", "legacy"))


class OtherSubject(Event, subject="order.cancelled"):
    order_id: str


def test_events_grow_by_fields_with_defaults() -> None:
    change = only(compare(publishing(Created), publishing(Grown), [consuming("payments", Created)]))
    assert (change.breaking, str(change)) == (False, "event order.created: note is new, and may be left out")


def test_a_new_version_breaks_nobody_whose_reader_was_released_first() -> None:
    changes = compare(publishing(Created), publishing(Second), [consuming("payments", Second, as_text)])
    assert not [change for change in changes if change.consumers]


def test_a_consumer_that_already_runs_with_the_new_shape_breaks_by_the_old_release() -> None:
    changes = compare(publishing(Created), publishing(Retyped), [consuming("payments", Retyped)])
    assert changes[0].consumers == ("payments",)


def test_a_field_that_its_consumers_gave_up_may_go() -> None:
    change = only(compare(publishing(Created), publishing(NoCard), [consuming("payments", NoCard)]))
    assert (change.breaking, change.consumers) == (True, ())


def test_a_reader_without_the_upcaster_breaks_itself() -> None:
    narrower = only(compare(consuming("payments", Created), consuming("payments", Second)))
    assert narrower.consumers == ("payments",)
    assert compare(consuming("payments", Created), consuming("payments", Second, as_text)) == ()
    misfit = only(misread(consuming("payments", Second), [publishing(Created)]))
    assert (
        "consumed event order.created: total does not fit version 1, which orders publishes: it was string and is integer"
        in str(misfit)
    )
    assert misread(consuming("payments", Second, as_text), [publishing(Created)]) == ()


def test_a_caller_that_is_ahead_of_what_it_calls_breaks_itself() -> None:
    change = only(misread(caller("web", offering(request=TakesMore)), [OLD]))
    assert change.consumers == ("web",)
    assert "request.when is removed, and unknown fields are refused in the release of orders that runs" in str(change)
    assert "release orders first" in str(change)
    assert misread(caller("web", OLD), [offering(request=TakesMore)]) == ()
