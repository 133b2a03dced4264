"""Fifty clients send one Idempotency-Key at once: it takes effect once, and all get the same reply, whoever dies meanwhile."""

from __future__ import annotations

import http.client
import os
import random
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.faults.lifecycle.crowd import processes, wait_for_another
from tests.system.calls import Answer, call
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.postgres import rows
from tests.system.shopper import ONE, Shopper, new_shopper

CLIENTS = 50
KILLS = 3  # in a round
PATIENCE = 60.0  # seconds until a client that repeats its request gives up
AGAIN = (
    409,
    429,
    502,
    503,
    504,
)  # a client that has a key may send the same again after these, and after no answer at all

Send = Callable[[int], Answer]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """The shop with two instances of those services that take a key."""
    shop = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("shop"))).up()
    try:
        for service in ("orders", "payments"):
            shop.must("scale", f"{service}=2")
        shop.look()
        yield shop
    finally:
        shop.down()


@pytest.fixture
def ada(two: LocalSystem) -> Shopper:
    return new_shopper(two)


def test_one_order_for_fifty_clients(two: LocalSystem, ada: Shopper) -> None:
    answers, repeated = at_once(ordering(two, ada, uuid.uuid4().hex))
    assert_one_order(two, ada, answers)
    print(f"{CLIENTS} clients, one key: 1 order, {repeated} repeats, {replays(answers)} replays")


def test_one_order_for_fifty_clients_when_an_instance_is_killed(
    two: LocalSystem, rounds: int, chance: random.Random
) -> None:
    hit = 0
    for _ in range(rounds * KILLS):
        ada = new_shopper(two)
        victim = chance.choice(processes(two, "orders"))
        killing = threading.Timer(chance.uniform(0.0, 0.15), os.kill, (victim.pid, signal.SIGKILL))
        killing.start()
        answers, repeated = at_once(ordering(two, ada, uuid.uuid4().hex))
        killing.join()
        hit += repeated > 0
        wait_for_another(two, "orders", victim)
        assert_one_order(two, ada, answers)
    print(
        f"{rounds * KILLS} times kill -9 of an instance of orders under {CLIENTS} clients: {hit} times requests were hit"
    )


def test_one_refund_for_fifty_clients_at_two_instances(two: LocalSystem, ada: Shopper) -> None:
    order = ada.wait_for(ada.place()["id"], "confirmed")
    payment = rows(two, "payments", "SELECT id FROM payments WHERE order_id = $1", uuid.UUID(order["id"]))[0]["id"]
    addresses = [one["url"] for one in two.status["services"]["payments"]["instances"]]
    headers = {**two.peer_header("orders", "payments"), "idempotency-key": uuid.uuid4().hex}

    def refund(client: int) -> Answer:
        base = addresses[client % len(addresses)]
        return call(base, "POST", f"/payments/{payment}/refund", {"amount": 1}, headers=headers)

    answers, repeated = at_once(refund)
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert answers[0].json["refunded"] == 1
    refunds = rows(two, "payments", "SELECT amount FROM refunds WHERE payment_id = $1", payment)
    assert [row["amount"] for row in refunds] == [1]
    print(f"{CLIENTS} clients, one key, two instances: 1 refund, {repeated} repeats, {replays(answers)} replays")


def ordering(shop: LocalSystem, ada: Shopper, key: str) -> Send:
    def place(_: int) -> Answer:
        return call(shop.gateway, "POST", "/orders", ONE, headers={**ada.identity, "idempotency-key": key})

    return place


def assert_one_order(shop: LocalSystem, ada: Shopper, answers: list[Answer]) -> None:
    assert {answer.status for answer in answers} == {201}
    assert len({answer.body for answer in answers}) == 1, {answer.body for answer in answers}
    assert len({answer.headers["location"] for answer in answers}) == 1
    ada.wait_for(answers[0].json["id"], "confirmed", within=PATIENCE)
    orders = rows(shop, "orders", "SELECT id FROM orders WHERE customer = $1", ada.user_id)
    assert [str(row["id"]) for row in orders] == [answers[0].json["id"]]
    taken = rows(shop, "payments", "SELECT key FROM acquirer_ledger WHERE key = $1", answers[0].json["id"])
    assert len(taken) == 1


def at_once(send: Send) -> tuple[list[Answer], int]:
    """All clients' last answers, and how many requests had to be sent again."""
    barrier = threading.Barrier(CLIENTS)
    repeats: list[str] = []

    def ask(client: int) -> Answer:
        barrier.wait()
        end = time.monotonic() + PATIENCE
        while True:
            try:
                answer = send(client)
            except (OSError, http.client.HTTPException) as error:
                repeats.append(repr(error))
            else:
                if answer.status not in AGAIN:
                    return answer
                repeats.append(str(answer.status))
            assert time.monotonic() < end, repeats[-5:]
            time.sleep(0.05)

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    return answers, len(repeats)


def replays(answers: list[Answer]) -> int:
    return sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers)
