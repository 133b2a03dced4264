"""A customer of the shop, at the gateway or directly at a service."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.system.calls import Answer, call
from tests.system.local_system import LocalSystem
from tests.system.waiting import until

PASSWORD = "correct horse battery"
ONE = {"items": [{"sku": "A1", "quantity": 2}], "currency": "EUR"}


@dataclass
class Shopper:
    """email, user_id, token: of an account of its own."""

    shop: LocalSystem
    email: str
    user_id: str
    token: str

    @property
    def identity(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.token}"}

    def ask(
        self, method: str, path: str, body: object = None, *, headers: Mapping[str, str] | None = None, at: str = ""
    ) -> Answer:
        """A call with this customer's token. at: a service's name; the gateway otherwise."""
        base = self.shop.url(at) if at else self.shop.gateway
        return call(base, method, path, body, headers={**self.identity, **(headers or {})})

    def place(self, body: object = None, *, key: str = "") -> Any:
        """A placed order."""
        headers = {"idempotency-key": key} if key else {}
        return self.ask("POST", "/orders", body or ONE, headers=headers).must(201).json

    def order(self, order_id: str) -> Any:
        return self.ask("GET", f"/orders/{order_id}").must(200).json

    def wait_for(self, order_id: str, status: str, *, within: float = 15.0) -> Any:
        """The order, once it has that status."""

        def look() -> Any:
            order = self.order(order_id)
            return order if order["status"] == status else None

        return until(look, within=within, what=f"order {order_id} is {status}")

    def pages(self, limit: int) -> Iterator[list[Any]]:
        """All pages of this customer's orders."""
        cursor = ""
        while True:
            page = self.ask("GET", f"/orders?{urlencode({'limit': limit, 'cursor': cursor})}").must(200).json
            yield page["items"]
            cursor = page.get("next") or ""
            if not cursor:
                return


def new_shopper(shop: LocalSystem) -> Shopper:
    """Registers an account and logs in."""
    email = f"{uuid.uuid4().hex}@example.com"
    registered = call(shop.gateway, "POST", "/auth/register", {"email": email, "password": PASSWORD}).must(201).json
    return Shopper(shop, email, registered["user_id"], log_in(shop, email))


def log_in(shop: LocalSystem, email: str) -> str:
    """A fresh access token."""
    form = urlencode({"grant_type": "password", "username": email, "password": PASSWORD}).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return str(call(shop.gateway, "POST", "/auth/token", form, headers=headers).must(200).json["access_token"])
