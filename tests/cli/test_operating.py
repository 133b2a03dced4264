"""``atoll dead-letters``, ``atoll events`` and ``atoll projections`` on servers that the environment names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import pytest
from tests.operate.conftest import die

from atoll.contracts import Event
from atoll.data import Connection, Database, EventStore, Projection, Stored, projects
from atoll.messaging import open_broker
from atoll.testing import NatsServer

Atoll = Callable[..., subprocess.CompletedProcess[str]]


class Placed(Event, subject="order.placed", version=1, key="order"):
    order: str


@projects(Placed)
async def list_order(stored: Stored[Placed], model: Connection) -> None:
    await model.execute("INSERT INTO order_list VALUES ($1)", stored.event.order)


@pytest.fixture
def atoll(database_url: str, tmp_path: Path) -> Atoll:
    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        told = {"PATH": "", "ATOLL_DATABASE_URL": database_url, "ATOLL_SERVICE": "payments", **environment}
        return subprocess.run(
            (sys.executable, "-m", "atoll", *arguments), cwd=tmp_path, capture_output=True, text=True, check=False,
            timeout=30, env=told, stdin=subprocess.DEVNULL,
        )  # fmt: skip

    return run


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, service="payments")
    await database.start()
    yield database
    await database.stop()


async def test_dead_letters_are_listed_shown_redriven_and_dropped(atoll: Atoll, database: Database) -> None:
    assert atoll("dead-letters", "list").stdout == "no dead letters\n"
    await die(database, "17")
    await die(database, "18", "ConnectionError: the bank is away\nfor long")
    titles, first, second = atoll("dead-letters", "list").stdout.splitlines()
    assert titles.split() == ["LETTER", "SUBJECT", "KEY", "ATTEMPTS", "DIED", "ERROR"]
    assert first.startswith("payments/1  order.placed  17          6  ")
    assert second.endswith("ConnectionError: the bank is away")
    (found,) = json.loads(atoll("dead-letters", "list", "--error", "bank", "--since", "1h", "--json").stdout)
    assert (found["name"], found["key"], found["attempts"]) == ("payments/2", "18", 6)

    shown = atoll("dead-letters", "show", "payments/1").stdout
    assert shown.startswith("payments/1: ZeroDivisionError: division by zero\n")
    assert '"order": "17"' in shown
    assert "  Traceback:" in shown
    detail = json.loads(atoll("dead-letters", "show", "payments/1", "--json").stdout)
    assert (detail["message"]["data"], detail["waiting"]) == ({"order": "17"}, [])
    assert detail["headers"]["message-source"] == "/shop/orders"

    assert atoll("dead-letters", "redrive", "payments/1").stdout == "payments/1 is tried again: order.placed 17\n"
    again = atoll("dead-letters", "redrive", "payments/1")
    assert (again.returncode, again.stdout) == (1, "")
    assert "waits for its attempts; nothing was changed" in again.stderr

    refused = atoll("dead-letters", "drop", "--error", "bank")
    assert refused.returncode == 1
    assert refused.stderr == "this would drop all dead letters (error bank) for good; say so with --yes\n"
    assert atoll("dead-letters", "drop", "--error", "bank", "--yes").stdout == "1 dropped: 1 of payments\n"
    assert atoll("dead-letters", "redrive", "--all").stdout == "0 redriven\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("dead-letters", "show", "seven"), 2, "'seven' is not like payments/3; look with 'atoll dead-letters list'"),
        (("dead-letters", "show", "payments/7"), 1, "there is no dead letter payments/7"),
        (("dead-letters", "redrive"), 2, "name letters, or give filters, or --all: exactly one of the three"),
        (("dead-letters", "redrive", "payments/1", "--all"), 2, "exactly one of the three"),
        (("dead-letters", "list", "--since", "yesterday"), 2, "'yesterday' is no time; write 10m"),
        (("dead-letters", "list", "--since", "999999999d"), 2, "is no time"),
        (("projections", "rebuild", "payments", "lists"), 1, "there is no projection 'lists'"),
        (("events", "tail", "Order"), 2, "'Order' is no subject; one is like order.created"),
        (("events", "tail"), 1, "the broker is away"),
        (("events", "republish", "payments", "--since", "1m", "--until", "2m"), 2, "is not before --until"),
        (("events", "publish", "order.placed", "--data", "{"), 2, "--data is no JSON"),
        (("events", "publish", "order.placed", "--data", "@nowhere"), 1, "--data @nowhere: "),
    ],
)
def test_what_is_wrong_is_one_line(atoll: Atoll, arguments: tuple[str, ...], code: int, said: str) -> None:
    done = atoll(*arguments, ATOLL_BROKER_URL="nats://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_what_only_one_process_has_cannot_be_looked_at(atoll: Atoll) -> None:
    for url, said in (("memory://", "stays inside of one process"), ("smoke://x", "no broker speaks smoke")):
        done = atoll("events", "tail", ATOLL_BROKER_URL=url)
        assert (done.returncode, done.stdout, said in done.stderr) == (1, "", True), done.stderr


async def test_events_that_passed_are_shown(atoll: Atoll, nats: NatsServer) -> None:
    system = f"s{uuid4().hex[:8]}"
    broker = open_broker(nats.url, system=system)
    await broker.start()
    body = (
        '{"specversion":"1.0","id":"a","source":"/shop/orders","type":"order.placed","subject":"17",'
        '"time":"2026-11-23T00:00:00Z","eventversion":2,"data":{"order":"17"}}'
    )
    await broker.publish("order.placed", "17", "a", body.encode())
    await broker.publish("order.lost", "18", "b", b"rubbish")
    await broker.stop()
    at = {"ATOLL_BROKER_URL": nats.url, "ATOLL_SYSTEM": system}
    lines = atoll("events", "tail", **at).stdout.splitlines()
    assert any(line.endswith('  /shop/orders  order.placed v2  17  {"order":"17"}') for line in lines), lines
    assert any("order.lost" in line and "rubbish  UNREADABLE: " in line for line in lines), lines
    (line,) = atoll("events", "tail", "order.placed", "--json", "--key", "17", **at).stdout.splitlines()
    found = json.loads(line)
    assert (found["key"], found["version"], found["data"]) == ("17", 2, {"order": "17"})
    assert atoll("events", "tail", "--since", "2030-01-01", **at).stdout == ""


async def test_a_projection_is_listed_and_rebuilt(atoll: Atoll, database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE order_list (id text)")
    assert atoll("projections", "list").stdout == "no projections\n"
    projection = Projection(database, "order-list", [list_order], tables=["order_list"])
    await projection.start()
    async with database.work() as work:
        position = await EventStore([Placed]).append(work, "order-17", [Placed("17")], expected=0)
    await projection.wait_for(position)
    async with database.connection() as connection:
        await connection.execute("DELETE FROM order_list")
    titles, line = atoll("projections", "list").stdout.splitlines()
    assert titles.split() == ["SERVICE", "PROJECTION", "STATE", "BEHIND", "LAG", "CHECKPOINT", "TROUBLE"]
    assert line.split()[:4] == ["payments", "order-list", "live", "0"]
    done = await asyncio.to_thread(atoll, "projections", "rebuild", "payments", "order-list", "--wait")
    assert (done.returncode, done.stdout.startswith("payments order-list is rebuilt, in ")) == (0, True), done.stderr
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT count(*) FROM order_list") == 1
    await projection.stop()
    late = atoll("projections", "rebuild", "payments", "order-list", "--wait", "--timeout", "0.5")
    assert (late.returncode, late.stdout) == (1, "")
    assert late.stderr.endswith("payments order-list is not rebuilt within 0.5 s; it goes on\n")
    (found,) = json.loads(atoll("projections", "list", "--json").stdout)
    assert (found["projection"], found["state"], found["behind"]) == ("order-list", "rebuilding", 0)


async def test_a_rebuild_that_fails_says_why(atoll: Atoll, database: Database) -> None:
    projection = Projection(database, "order-list", [list_order])
    await projection.start()
    async with asyncio.timeout(20):
        while "order-list" not in atoll("projections", "list").stdout:
            await asyncio.sleep(0.1)
    done = await asyncio.to_thread(atoll, "projections", "rebuild", "payments", "order-list", "--wait")
    assert done.returncode == 1
    assert "order-list names no tables" in done.stderr
    await projection.stop()
