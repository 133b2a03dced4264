"""Each service is its own process, database and role, and answers alone with the others away."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.postgres import refusal, rows
from tests.system.shopper import Shopper
from tests.system.warehouse import Warehouse

SERVICES = ("auth", "orders", "payments", "inventory")


def test_each_service_has_a_process_a_database_and_a_role_of_its_own(shop: LocalSystem) -> None:
    addresses = [urlsplit(shop.environment(service)["ATOLL_DATABASE_URL"]) for service in SERVICES]
    for distinct in (
        {shop.pid(service) for service in SERVICES},
        {address.path for address in addresses},
        {address.username for address in addresses},
        {address.password for address in addresses},
    ):
        assert len(distinct) == len(SERVICES)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("other", SERVICES)
def test_no_role_can_open_another_services_database(shop: LocalSystem, service: str, other: str) -> None:
    own = urlsplit(shop.environment(service)["ATOLL_DATABASE_URL"])
    database = urlsplit(shop.environment(other)["ATOLL_DATABASE_URL"]).path
    why = refusal(own._replace(path=database).geturl())
    assert ("permission denied" in why) == (service != other), why


@pytest.mark.parametrize("common", ["postgres", "template1"])
def test_no_role_can_open_the_databases_of_everybody(shop: LocalSystem, common: str) -> None:
    own = urlsplit(shop.environment("orders")["ATOLL_DATABASE_URL"])
    assert "permission denied" in refusal(own._replace(path=f"/{common}").geturl())


def test_a_service_knows_no_secret_of_another(shop: LocalSystem) -> None:
    for service in SERVICES:
        told = shop.environment(service)
        others = [other for other in SERVICES if other != service]
        assert not [name for name in told if name.startswith(tuple(f"{other.upper()}_" for other in others))]
    assert len(shop.environment("auth")["AUTH_KEY_SECRET"]) >= 16
    stored = rows(shop, "auth", "SELECT sealed FROM signing_keys")
    assert stored
    assert all(row["sealed"].startswith("aes-256-gcm:") for row in stored)


def test_no_role_can_take_all_connections(shop: LocalSystem) -> None:
    found = rows(
        shop, "orders", "SELECT rolconnlimit AS n, current_setting('max_connections')::int AS most FROM pg_roles"
        " WHERE rolname = current_user",
    )[0]  # fmt: skip
    assert 20 <= found["n"] < found["most"]


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_and_answers_with_the_others_down(shop: LocalSystem, service: str) -> None:
    others = [other for other in SERVICES if other != service]
    try:
        for other in others:
            shop.must("scale", f"{other}=0")
        shop.must("restart", service)
        shop.look()
        base = shop.url(service)
        ready = call(base, "GET", "/health/ready").must(200).json
        assert ready["status"] == "up"
        assert ready["checks"]["database"]["status"] == "up"
        ALONE[service](shop)
    finally:
        for other in others:
            shop.must("scale", f"{other}=1")
        shop.must("wait")
        shop.look()


def auth_alone(shop: LocalSystem) -> None:
    assert call(shop.url("auth"), "GET", "/.well-known/jwks.json").must(200).json["keys"]


def orders_alone(shop: LocalSystem) -> None:
    """The gateway's word is enough for it: it needs nobody's keys."""
    identity = {
        **shop.peer_header("gateway", "orders"), "atoll-subject": "ada", "atoll-scopes": "orders:read orders:write",
    }  # fmt: skip
    body = {"items": [{"sku": "A1", "quantity": 1}]}
    order = call(shop.url("orders"), "POST", "/orders", body, headers=identity).must(201).json
    assert call(shop.url("orders"), "GET", f"/orders/{order['id']}", headers=identity).must(200).json == order


def payments_alone(shop: LocalSystem) -> None:
    body = {"order_id": "01890000-0000-7000-8000-000000000001", "amount": 1, "dry_run": True}
    peer = shop.peer_header("orders", "payments")
    assert call(shop.url("payments"), "POST", "/charge", body, headers=peer).must(200).json["accepted"]


def inventory_alone(shop: LocalSystem) -> None:
    assert isinstance(Warehouse(shop).pieces("A1"), int)


ALONE = {"auth": auth_alone, "orders": orders_alone, "payments": payments_alone, "inventory": inventory_alone}


def test_two_instances_of_each_service_share_the_work(shop: LocalSystem, ada: Shopper) -> None:
    try:
        for service in ("orders", "payments"):
            shop.must("scale", f"{service}=2")
        shop.look()
        assert len(shop.status["services"]["orders"]["instances"]) == 2
        orders = [ada.place()["id"] for _ in range(20)]
        for order in orders:
            ada.wait_for(order, "confirmed")
    finally:
        for service in ("orders", "payments"):
            shop.must("scale", f"{service}=1")
        shop.look()
