"""Customers who do not give up: each order is asked for, with one idempotency key, until the shop accepts it."""

from __future__ import annotations

import http.client
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.system.calls import Answer, call
from tests.system.local_system import LocalSystem
from tests.system.shopper import Shopper

CARDS = ("tok_ok",) * 7 + ("tok_declined", "tok_fails_once", "tok_timeout")
PATIENCE = 180.0  # seconds for one order, however often it fails
PAUSE = 0.1  # seconds before it is asked for again
CALL_TIMEOUT = 8.0  # seconds; then the same order is asked for again


@dataclass(frozen=True)
class Wish:
    """What one customer wants, and with which card. key: of this wish, whatever happens."""

    shopper: Shopper
    key: str
    sku: str
    quantity: int
    card: str

    @property
    def body(self) -> dict[str, object]:
        return {"items": [{"sku": self.sku, "quantity": self.quantity}], "currency": "EUR", "card": self.card}


@dataclass
class Flow:
    """Wishes on their way. accepted: the order's id by the wish's key; failures: how often one had to be asked again."""

    shop: LocalSystem
    accepted: dict[str, str] = field(default_factory=dict)
    failures: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    def run(self, wishes: list[Wish], threads: int) -> None:
        """Until each wish is accepted; AssertionError if one is not in time, or refused."""
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(self._fulfil, wish) for wish in wishes]:
                done.result()

    def wait_for(self, orders: int, within: float) -> None:
        """Until so many orders are accepted."""
        with self.changed:
            reached = self.changed.wait_for(lambda: len(self.accepted) >= orders, timeout=within)
        assert reached, f"{len(self.accepted)} of {orders} orders accepted after {within:g} s; {self.failures} failures"

    def _fulfil(self, wish: Wish) -> None:
        end = time.monotonic() + PATIENCE
        while not self._accepted(wish):
            assert time.monotonic() < end, f"{wish} was not accepted in {PATIENCE:g} s\n{self.shop.logs()}"
            time.sleep(PAUSE)

    def _accepted(self, wish: Wish) -> bool:
        answer = self._ask(wish)
        if answer is None or answer.status >= 500 or answer.status in (409, 429):
            with self.changed:
                self.failures += 1
            return False
        order = answer.must(201).json
        with self.changed:
            self.accepted[wish.key] = order["id"]
            self.changed.notify_all()
        return True

    def _ask(self, wish: Wish) -> Answer | None:
        headers = {**wish.shopper.identity, "idempotency-key": wish.key}
        try:
            return call(self.shop.gateway, "POST", "/orders", wish.body, headers=headers, timeout=CALL_TIMEOUT)
        except (OSError, http.client.HTTPException):
            return None


def wishes(shoppers: list[Shopper], count: int, chance: random.Random) -> list[Wish]:
    """So many wishes, spread over the customers."""
    return [
        Wish(
            shoppers[number % len(shoppers)],
            f"wish-{number}",
            chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + chance.choice("123456789"),
            chance.randint(1, 5),
            chance.choice(CARDS),
        )
        for number in range(count)
    ]
