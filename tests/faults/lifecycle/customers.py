"""Customers in a process of their own: they shop until told to stop, never repeat a request, and write down all that failed.

    python -m tests.faults.lifecycle.customers GATEWAY SEED PACE < tokens-and-emails.json

It reads a JSON list of ``{"email", "token"}`` on its first line of input, shops until its input ends, and prints one JSON object.
The standard library alone, so that no code under test judges itself.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
from collections import Counter
from typing import Any
from urllib.parse import urlencode, urlsplit

PASSWORD = "correct horse battery"
TIMEOUT = 20.0  # seconds; longer than any deadline of the shop
CARDS = ("tok_ok",) * 4 + ("tok_declined",)
HOW_OFTEN = {"place": 10, "get": 10, "list": 5, "quote": 10, "token": 1}


class Customer:
    """One connection, one request after the other. pace: seconds between two."""

    def __init__(self, gateway: str, account: dict[str, str], chance: random.Random, pace: float) -> None:
        self._address = urlsplit(gateway)
        self._account = account
        self._chance = chance
        self._pace = pace
        self._connection = self._connect()
        self.done: Counter[str] = Counter()
        self.failed: list[str] = []
        self.accepted: dict[str, str] = {}  # order id -> card

    def shop(self, closing: threading.Event) -> None:
        """Until the shop closes."""
        kinds, often = list(HOW_OFTEN), list(HOW_OFTEN.values())
        while not closing.wait(self._chance.uniform(0.5, 1.5) * self._pace):
            kind = self._chance.choices(kinds, often)[0]
            getattr(self, f"_{kind}")()
            self.done[kind] += 1

    def _place(self) -> None:
        card = self._chance.choice(CARDS)
        reply = self._ask("POST", "/orders", {**self._basket(), "card": card}, 201)
        if reply is not None:
            self.accepted[reply["id"]] = card

    def _get(self) -> None:
        if self.accepted:
            self._ask("GET", f"/orders/{self._chance.choice(list(self.accepted))}", None, 200)

    def _list(self) -> None:
        self._ask("GET", "/orders?limit=5", None, 200)

    def _quote(self) -> None:
        self._ask("POST", "/quote", self._basket(), 200)

    def _token(self) -> None:
        form = {"grant_type": "password", "username": self._account["email"], "password": PASSWORD}
        reply = self._ask("POST", "/auth/token", urlencode(form).encode(), 200)
        if reply is not None:
            self._account["token"] = reply["access_token"]

    def _basket(self) -> dict[str, Any]:
        sku = self._chance.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") + self._chance.choice("123456789")
        return {"items": [{"sku": sku, "quantity": self._chance.randint(1, 3)}], "currency": "EUR"}

    def _ask(self, method: str, path: str, body: object, expected: int) -> Any:
        form = isinstance(body, bytes)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content-type": "application/x-www-form-urlencoded" if form else "application/json"}
        if not form:
            headers["authorization"] = f"Bearer {self._account['token']}"
        try:
            self._connection.request(method, path, content, headers)
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.failed.append(f"{method} {path}: {error!r}")
            self._connection.close()
            self._connection = self._connect()
            return None
        if response.status != expected:
            self.failed.append(f"{method} {path}: {response.status} {answer[:200].decode(errors='replace')}")
            return None
        return json.loads(answer)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(str(self._address.hostname), self._address.port, timeout=TIMEOUT)


def main() -> None:
    gateway, seed, pace = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    accounts = json.loads(sys.stdin.readline())
    customers = [Customer(gateway, one, random.Random(f"{seed}/{at}"), pace) for at, one in enumerate(accounts)]
    closing = threading.Event()
    threads = [threading.Thread(target=one.shop, args=(closing,)) for one in customers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    closing.set()
    for thread in threads:
        thread.join()
    print(
        json.dumps(
            {
                "done": sum((one.done for one in customers), Counter()),
                "failed": [line for one in customers for line in one.failed],
                "accepted": {order: card for one in customers for order, card in one.accepted.items()},
            }
        )
    )


if __name__ == "__main__":
    main()
