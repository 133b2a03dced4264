"""Events say what they are when their class is made."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from atoll.contracts import Event, event_key
from atoll.contracts.codec import decoder_for, encode


class Paid(Event, subject="order.paid", version=2, key="order_id"):
    amount: int
    order_id: UUID
    note: str = ""


class Seen(Event, subject="page.seen"):
    page: str


def test_an_event_knows_its_subject_version_and_key() -> None:
    assert (Paid.subject_, Paid.version_, Paid.key_) == ("order.paid", 2, "order_id")


def test_the_first_field_is_the_key_unless_another_is_named() -> None:
    assert (Seen.key_, Seen.version_) == ("page", 1)
    assert event_key(Seen("home")) == "home"
    assert event_key(Paid(1, UUID(int=1))) == "00000000-0000-0000-0000-000000000001"


def test_what_describes_an_event_is_not_sent() -> None:
    assert encode(Seen("home")) == b'{"page":"home"}'


def test_a_reader_ignores_what_it_does_not_know() -> None:
    assert decoder_for(Seen)(b'{"page": "home", "browser": "x"}') == Seen("home")


def test_an_event_does_not_change() -> None:
    with pytest.raises(AttributeError):
        Seen("home").page = "other"  # type: ignore[misc]


def make(name: str, fields: dict[str, Any], **described: Any) -> Any:
    meta: Any = type(Event)
    return meta(name, (Event,), {"__annotations__": fields, "__module__": __name__}, **described)


@pytest.mark.parametrize(
    ("described", "why"),
    [
        ({"subject": "order"}, "subject 'order' is not like 'order.created'"),
        ({"subject": "Order.Created"}, "is not like"),
        ({"subject": "order.*"}, "is not like"),
        ({"subject": "order.created\n"}, "is not like"),
        ({"subject": "order..created"}, "is not like"),
        ({"subject": "a." + "b" * 200}, "is not like"),
        ({"subject": "order.paid", "version": 0}, "version is 0; versions count from 1"),
        ({"subject": "order.paid", "key": "customer"}, "key 'customer' is not one of its fields: order_id"),
        ({"version": 2}, "goes with a subject"),
        ({"key": "order_id"}, "goes with a subject"),
    ],
)
def test_a_wrong_description_is_refused(described: dict[str, Any], why: str) -> None:
    with pytest.raises(TypeError, match=rf"Wrong: .*{why.replace('*', '.')}"):
        make("Wrong", {"order_id": str}, **described)


def test_an_event_without_fields_has_nothing_to_order_by() -> None:
    with pytest.raises(TypeError, match="has no fields"):
        make("Wrong", {}, subject="order.paid")
