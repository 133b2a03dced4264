"""Orders: takes them, asks for quotes, and confirms what was paid."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from typing import Any
from uuid import uuid4

import jwt
from nameko.events import EventDispatcher, event_handler
from nameko.rpc import RpcProxy
from nameko.timer import timer
from nameko.web.handlers import http
from sqlalchemy import text
from werkzeug.wrappers import Request, Response

from bench.peers.nameko.shared import Database, event, relay

PRICES = {
    f"{letter}{digit}": 100 * at * digit - 1 for at, letter in enumerate("ABCDEFGHIJ", 1) for digit in range(1, 10)
}
SCHEMA = """CREATE TABLE IF NOT EXISTS orders (
    id uuid PRIMARY KEY, customer text NOT NULL, total bigint NOT NULL, currency text NOT NULL,
    status text NOT NULL DEFAULT 'pending', created_at timestamptz NOT NULL DEFAULT now(), confirmed_at timestamptz)"""
PLACE = text("""WITH told AS (INSERT INTO outbox (subject, payload) VALUES ('order_created', :event))
    INSERT INTO orders (id, customer, total, currency) VALUES (:id, :customer, :total, :currency)""")
CONFIRM = text("""WITH confirmed AS (UPDATE orders SET status = 'confirmed', confirmed_at = clock_timestamp()
        WHERE id = :id AND status = 'pending' RETURNING id)
    INSERT INTO outbox (subject, payload) SELECT 'order_confirmed', json_build_object('order_id', id) FROM confirmed""")
KEY = jwt.PyJWK(json.loads(os.environ["JWKS"])["keys"][0])


class Refused(Exception):
    """status: of the reply."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@lru_cache(maxsize=1000)
def verified(token: str) -> dict[str, Any]:
    return jwt.decode(token, KEY, algorithms=["ES256"], audience="shop", issuer="shop-auth")


def customer_of(request: Request) -> str:
    _, _, token = request.headers.get("authorization", "").partition(" ")
    try:
        return str(verified(token)["sub"])
    except jwt.InvalidTokenError:
        raise Refused(401, "the token is not valid") from None


def read(request: Request) -> tuple[list[dict[str, Any]], str, int]:
    """Items, currency and total of a checked order."""
    try:
        asked = json.loads(request.get_data())
        items, currency = asked["items"], asked.get("currency", "EUR")
        if not 1 <= len(items) <= 100 or any(not 1 <= int(item["quantity"]) <= 1000 for item in items):
            raise Refused(422, "1 to 100 items of 1 to 1000 pieces are allowed")
        return items, currency, sum(PRICES[item["sku"]] * item["quantity"] for item in items)
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(422, f"this is no order: {error!r}") from None


def answer(status: int, value: Any) -> Response:
    return Response(json.dumps(value), status, mimetype="application/json")


class Orders:
    name = "orders"
    database = Database(SCHEMA)
    dispatch = EventDispatcher()
    payments = RpcProxy("payments")

    @http("GET", "/health")
    def health(self, request: Request) -> Response:  # noqa: ARG002 - Nameko gives it
        return answer(200, {"status": "up"})

    @http("POST", "/orders")
    def place(self, request: Request) -> Response:
        try:
            customer = customer_of(request)
            items, currency, total = read(request)
        except Refused as error:
            return answer(error.status, {"detail": str(error)})
        order = str(uuid4())
        told = event({"order_id": order, "user_id": customer, "total": total, "currency": currency})
        row = {"id": order, "customer": customer, "total": total, "currency": currency, "event": told}
        with self.database.begin() as connection:
            connection.execute(PLACE, row)
        return answer(201, {"id": order, "status": "pending", "total": total, "currency": currency, "items": items})

    @http("POST", "/quote")
    def quote(self, request: Request) -> Response:
        try:
            customer_of(request)
            _, currency, total = read(request)
        except Refused as error:
            return answer(error.status, {"detail": str(error)})
        charged = self.payments.charge(str(uuid4()), total, currency)
        return answer(200, {"total": total, "currency": currency, "accepted": charged["accepted"]})

    @event_handler("payments", "payment_captured")
    def confirm(self, captured: dict[str, Any]) -> None:
        with self.database.begin() as connection:
            connection.execute(CONFIRM, {"id": captured["order_id"]})

    @timer(interval=0.05)
    def publish(self) -> None:
        relay(self.database, self.dispatch)
