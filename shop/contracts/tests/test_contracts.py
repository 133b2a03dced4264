from __future__ import annotations

from uuid import UUID

import msgspec
import pytest

from atoll.contracts import Invalid, event_key
from atoll.contracts.codec import converter_for, decoder_for, encode
from shop_contracts import (
    Auth,
    InvalidClient,
    InvalidGrant,
    Inventory,
    ListOrders,
    OrderCreated,
    OrderId,
    Orders,
    Payments,
    PlaceOrder,
    Register,
    Token,
    TokenForm,
    UserId,
)
from shop_contracts.scopes import SCOPES

ORDER = OrderId(UUID("018f0000-0000-7000-8000-000000000001"))


def test_an_event_is_keyed_by_its_order_and_says_no_more_than_it_must() -> None:
    event = OrderCreated(ORDER, UserId("u1"), 1999, "EUR")
    assert event_key(event) == str(ORDER)
    assert msgspec.json.decode(encode(event)) == {
        "order_id": str(ORDER), "user_id": "u1", "total": 1999, "currency": "EUR",
    }  # fmt: skip
    assert decoder_for(OrderCreated)(encode(event)) == event


def test_an_order_is_in_euro_unless_it_says_otherwise() -> None:
    command = decoder_for(PlaceOrder)(b'{"items": [{"sku": "A1", "quantity": 2}]}')
    assert command.currency == "EUR"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ('{"items": []}', "items"),
        ('{"items": [{"sku": "A1", "quantity": 0}]}', "items[0].quantity"),
        ('{"items": [{"sku": "A1", "quantity": 1001}]}', "items[0].quantity"),
        ('{"items": [{"sku": "A1", "quantity": 1, "price": 1}]}', "items[0].price"),
        ('{"items": [{"sku": "a1\\u0000", "quantity": 1}]}', "items[0].sku"),
        ('{"items": [{"sku": "A1\\n", "quantity": 1}]}', "items[0].sku"),
        ('{"items": [{"sku": "A1", "quantity": 1}], "card": "tok_ok\\n"}', "card"),
        ('{"items": [{"sku": "A1", "quantity": 1}], "currency": "EUR\\n"}', "currency"),
        ('{"items": [{"sku": "A1", "quantity": 1}], "currency": "euro"}', "currency"),
        ('{"items": [{"sku": "A1", "quantity": 1}], "total": 1}', "total"),
        ('{"items": [{"sku": "A1", "quantity": 1}], "card": "4111111111111111"}', "card"),
        ("{}", "items"),
    ],
)
def test_a_wrong_order_names_the_field(body: str, field: str) -> None:
    with pytest.raises(Invalid) as refused:
        decoder_for(PlaceOrder)(body.encode())
    assert refused.value.fields[0].field == field


@pytest.mark.parametrize(("sku", "card"), [("A1", "tok_ok"), ("A" * 32, "tok_" + "a" * 40), ("0-", "tok__")])
def test_the_longest_and_the_shortest_names_pass(sku: str, card: str) -> None:
    body = msgspec.json.encode({"items": [{"sku": sku, "quantity": 1}], "card": card})
    assert decoder_for(PlaceOrder)(body).card == card


@pytest.mark.parametrize("password", ["x" * 7, "x" * 129])
def test_a_password_has_a_length(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        decoder_for(Register)(msgspec.json.encode({"email": "a@b.c", "password": password}))
    assert refused.value.fields[0].field == "password"


def test_secrets_do_not_show() -> None:
    for secretive in (Register("a@b.c", "s3cret-word"), TokenForm(password="s3cret-word"), Token("s3cret-word", 1, "")):
        assert "s3cret" not in repr(secretive)


def test_a_page_is_read_from_a_query() -> None:
    assert converter_for(ListOrders)({"limit": "5"}) == ListOrders(5, "")
    with pytest.raises(Invalid):
        converter_for(ListOrders)({"limit": "101"})


def test_a_form_ignores_what_it_does_not_know() -> None:
    assert converter_for(TokenForm)({"grant_type": "password", "resource": "x"}) == TokenForm("password")


def test_oauth_errors_speak_both_languages() -> None:
    problem = msgspec.json.decode(encode(InvalidGrant("it is over").problem()))
    assert problem["error"] == "invalid_grant"
    assert problem["error_description"] == problem["detail"] == "it is over"
    assert problem["type"] == "urn:problem:invalid-grant"
    assert InvalidClient().status == 401


def test_what_is_not_idempotent_takes_a_key_or_is_not_retried() -> None:
    assert Orders.place.keyed
    assert Payments.refund.keyed
    assert Inventory.receive.keyed
    assert Inventory.restock.keyed
    assert Payments.charge.idempotent
    assert Orders.cancel.idempotent
    assert not Auth.token.idempotent
    assert not Auth.register.idempotent


def test_operations_ask_for_scopes_that_there_are() -> None:
    for api in (Auth, Orders, Payments, Inventory):
        for operation in api.operations_:
            assert set(operation.access.scopes) <= SCOPES
