"""Customers from a process of their own: orders at an even rate until standard input ends; then a line of JSON with each answer.

    python -m tests.rollouts.load URL TOKEN ORDERS_A_SECOND

An answer is `[seconds since 1970, status, id of the order]`; status 0: no answer.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time

from tests.system.calls import call

CUSTOMERS = 8  # at once
ORDER = {"items": [{"sku": "A1", "quantity": 1}], "currency": "EUR"}
Answered = tuple[float, int, str]


def order(url: str, token: str) -> Answered:
    """One order, asked for once."""
    at = time.time()
    try:
        answer = call(url, "POST", "/orders", ORDER, headers={"authorization": f"Bearer {token}"})
    except (OSError, http.client.HTTPException):
        return at, 0, ""
    return at, answer.status, answer.json["id"] if answer.status == 201 else ""


def customer(url: str, token: str, every: float, over: threading.Event, answers: list[Answered]) -> None:
    """Orders again and again; a slow answer delays the next order."""
    due = time.monotonic()
    while not over.wait(max(0.0, due - time.monotonic())):
        due = max(due + every, time.monotonic())
        answers.append(order(url, token))


def main(url: str, token: str, rate: float) -> None:
    """Until standard input ends."""
    over, answers = threading.Event(), list[Answered]()
    all_of_them = [
        threading.Thread(target=customer, args=(url, token, CUSTOMERS / rate, over, answers)) for _ in range(CUSTOMERS)
    ]
    for one in all_of_them:
        one.start()
    sys.stdin.read()
    over.set()
    for one in all_of_them:
        one.join()
    print(json.dumps(answers))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
