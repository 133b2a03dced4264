"""Whatever is sent, a problem document says what is wrong with it, and the same through the gateway as directly."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest
from tests.system.calls import Answer, call
from tests.system.joserfc_tokens import with_scopes, wrong_tokens
from tests.system.local_system import LocalSystem
from tests.system.shopper import ONE, Shopper, new_shopper

SOMEBODY = "01890000-0000-7000-8000-000000000000"


@dataclass(frozen=True)
class Bad:
    """A request and what it must come to. names: the field that the problem names."""

    name: str
    status: int
    names: str = ""
    method: str = "POST"
    path: str = "/orders"
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


def item(**changes: object) -> dict[str, object]:
    return {"items": [{"sku": "A1", "quantity": 1, **changes}], "currency": "EUR"}


BAD = [
    Bad("unknown field", 422, "colour", body={**ONE, "colour": "red"}),
    Bad("unknown field inside", 422, "items[0].price", body=item(price=1)),
    Bad("wrong type", 422, "items", body={**ONE, "items": "A1"}),
    Bad("wrong type inside", 422, "items[0].quantity", body=item(quantity="2")),
    Bad("a fraction", 422, "items[0].quantity", body=item(quantity=1.5)),
    Bad("nothing wanted", 422, "items[0].quantity", body=item(quantity=0)),
    Bad("less than nothing", 422, "items[0].quantity", body=item(quantity=-1)),
    Bad("too many", 422, "items[0].quantity", body=item(quantity=1001)),
    Bad("a number beyond all bounds", 422, "items[0].quantity", body=item(quantity=10**30)),
    Bad("no items", 422, "items", body={"items": [], "currency": "EUR"}),
    Bad("101 items", 422, "items", body={"items": [{"sku": "A1", "quantity": 1}] * 101, "currency": "EUR"}),
    Bad("missing field", 422, "items", body={"currency": "EUR"}),
    Bad("missing field inside", 422, "items[0].sku", body={"items": [{"quantity": 1}], "currency": "EUR"}),
    Bad("unknown sku", 422, "items[0].sku", body=item(sku="NOPE")),
    Bad("a sku like SQL", 422, "items[0].sku", body=item(sku="A1'; DROP TABLE orders; --")),
    Bad("too many pieces of one sku", 422, "items[1].quantity", body={"items": [{"sku": "A1", "quantity": 600}] * 2}),
    Bad("unsupported currency", 422, "currency", body={**ONE, "currency": "JPY"}),
    Bad("no currency at all", 422, "currency", body={**ONE, "currency": "euro"}),
    Bad("null", 422, "items", body={**ONE, "items": None}),
    Bad("a list for an object", 422, "", body=[1, 2]),
    Bad("an id that is none", 422, "path:id", method="GET", path="/orders/not-an-id"),
    Bad("missing body", 422, body=b"", headers={"content-type": "application/json"}),
    Bad("broken JSON", 400, body=b'{"items": ['),
    Bad("broken UTF-8", 400, body=b'{"items": [{"sku": "\xff", "quantity": 1}]}'),
    Bad("wrong content type", 415, body=b"items=A1", headers={"content-type": "application/x-www-form-urlencoded"}),
    Bad("too large", 413, body=b'{"items": "' + b"x" * 1_100_000 + b'"}'),
    Bad("unknown order", 404, method="GET", path=f"/orders/{SOMEBODY}"),
    Bad("unknown route", 404, method="GET", path="/nowhere"),
    Bad("wrong method", 405, method="DELETE", path="/orders"),
]


def both(shop: LocalSystem, shopper: Shopper, bad: Bad) -> tuple[Answer, Answer]:
    """Its answer through the gateway, and the order service's own."""
    through = shopper.ask(bad.method, bad.path, bad.body, headers=bad.headers)
    return through, shopper.ask(bad.method, bad.path, bad.body, headers=bad.headers, at="orders")


@pytest.fixture(scope="module")
def eve(shop: LocalSystem) -> Shopper:
    return new_shopper(shop)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_is_refused_by_name_and_everywhere_the_same(shop: LocalSystem, eve: Shopper, bad: Bad) -> None:
    for answer in both(shop, eve, bad):
        answer.must_be_problem(bad.status)
        if bad.names:
            assert bad.names in answer.fields, answer.body
            assert bad.names in answer.json["detail"]
    through, direct = both(shop, eve, bad)
    assert through.json["type"] == direct.json["type"]
    if bad.status == 422:
        assert through.json == direct.json


def test_a_refused_order_leaves_nothing_behind(eve: Shopper) -> None:
    for bad in BAD:
        if bad.path == "/orders" and bad.method == "POST":
            eve.ask(bad.method, bad.path, bad.body, headers=bad.headers)
    assert [page for page in eve.pages(10) if page] == []


@pytest.mark.parametrize(
    "kind", ["expired", "audience", "issuer", "none", "unknown kid", "another's key", "tampered", "no token"]
)
def test_a_bad_token_is_refused_everywhere(shop: LocalSystem, eve: Shopper, kind: str) -> None:
    identity = {"authorization": f"Bearer {wrong_tokens(shop, eve.token)[kind]}"}
    for base in (shop.gateway, shop.url("orders")):
        call(base, "GET", "/orders", headers=identity).must_be_problem(401)


def test_no_token_is_401_with_a_challenge(shop: LocalSystem) -> None:
    for base in (shop.gateway, shop.url("orders")):
        answer = call(base, "GET", "/orders").must_be_problem(401)
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_missing_scope_is_403_everywhere(shop: LocalSystem, eve: Shopper) -> None:
    identity = {"authorization": f"Bearer {with_scopes(shop, eve.token, 'orders:read')}"}
    for base in (shop.gateway, shop.url("orders")):
        call(base, "GET", "/orders", headers=identity).must(200)
        call(base, "POST", "/orders", ONE, headers=identity).must_be_problem(403)


def test_someone_elses_order_is_not_found_everywhere(shop: LocalSystem, eve: Shopper) -> None:
    order = new_shopper(shop).place()
    for at in ("", "orders"):
        eve.ask("GET", f"/orders/{order['id']}", at=at).must_be_problem(404)


def test_an_identity_that_a_client_claims_for_itself_counts_for_nothing(shop: LocalSystem, eve: Shopper) -> None:
    victim = new_shopper(shop)
    order = victim.place()
    forged = {"atoll-subject": victim.user_id, "atoll-scopes": "orders:read orders:write", "atoll-roles": "admin"}
    for at in ("", "orders"):
        eve.ask("GET", f"/orders/{order['id']}", headers=forged, at=at).must_be_problem(404)
    for base in (shop.gateway, shop.url("orders")):
        call(base, "GET", "/orders", headers={**forged, "atoll-peer": "gateway:guess"}).must_be_problem(401)


def test_payments_is_not_at_the_gateway_and_not_for_customers(shop: LocalSystem, eve: Shopper) -> None:
    charge = {"order_id": SOMEBODY, "amount": 1, "currency": "EUR"}
    eve.ask("POST", "/charge", charge).must_be_problem(404)
    eve.ask("POST", "/charge", charge, at="payments").must_be_problem(403)


def test_deeply_nested_json_is_refused(eve: Shopper) -> None:
    body = b"[" * 100_000 + b"]" * 100_000
    for at in ("", "orders"):
        assert eve.ask("POST", "/orders", body, headers={"content-type": "application/json"}, at=at).status in (
            400,
            422,
        )


def test_problem_documents_carry_no_more_than_the_standard_says(eve: Shopper) -> None:
    answer = eve.ask("POST", "/orders", {**ONE, "colour": "red"}).must_be_problem(422)
    assert set(json.loads(answer.body)) <= {"type", "title", "status", "detail", "instance", "errors"}
