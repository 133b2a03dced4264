"""Payments: captures each order once."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from nameko.events import EventDispatcher, event_handler
from nameko.rpc import rpc
from nameko.timer import timer
from nameko.web.handlers import http
from sqlalchemy import text
from werkzeug.wrappers import Request, Response

from bench.peers.nameko.shared import Database, event, relay

LIMIT = 10_000_000  # minor units
SCHEMA = """CREATE TABLE IF NOT EXISTS payments (
    id uuid PRIMARY KEY, order_id uuid NOT NULL UNIQUE, amount bigint NOT NULL, currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now())"""
# A message that comes again adds neither a payment nor an event.
CAPTURE = text("""WITH captured AS (INSERT INTO payments (id, order_id, amount, currency)
    VALUES (:id, :order, :amount, :currency) ON CONFLICT (order_id) DO NOTHING RETURNING order_id)
    INSERT INTO outbox (subject, payload) SELECT 'payment_captured', CAST(:event AS json) FROM captured""")


class Payments:
    name = "payments"
    database = Database(SCHEMA)
    dispatch = EventDispatcher()

    @http("GET", "/health")
    def health(self, request: Request) -> Response:  # noqa: ARG002 - Nameko gives it
        return Response('{"status":"up"}', 200, mimetype="application/json")

    @rpc
    def charge(self, order_id: str, amount: int, currency: str) -> dict[str, Any]:
        return {"order_id": order_id, "amount": amount, "currency": currency, "accepted": amount <= LIMIT}

    @event_handler("orders", "order_created")
    def capture(self, created: dict[str, Any]) -> None:
        order, amount, currency = created["order_id"], created["total"], created["currency"]
        told = event({"order_id": order, "amount": amount, "currency": currency})
        row = {"id": str(uuid4()), "order": order, "amount": amount, "currency": currency, "event": told}
        with self.database.begin() as connection:
            connection.execute(CAPTURE, row)

    @timer(interval=0.05)
    def publish(self) -> None:
        relay(self.database, self.dispatch)
