"""`atoll migrate` and `atoll serve` run one service anywhere, told by environment variables alone: no platform, no system.py."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.calls import Answer, call
from tests.system.local_system import ATOLL, STOP_LIMIT, clean_environment
from tests.system.waiting import until

from atoll.testing import PostgresServer
from atoll.testing.servers import free_port

SERVICES = ("auth", "orders", "payments", "inventory")
IDENTITY = {"atoll-peer": "gateway:secret", "atoll-subject": "ada", "atoll-scopes": "orders:read orders:write"}


@pytest.fixture
def environment(postgres: PostgresServer) -> dict[str, str]:
    """What a service needs, and no more."""
    return {
        **clean_environment(),
        "ATOLL_PORT": str(free_port()),
        "ATOLL_DATABASE_URL": postgres.create_database(),
        "ATOLL_BROKER_URL": "memory://",
        "ATOLL_PEERS": json.dumps({"gateway": "secret"}),
        "ATOLL_ENDPOINTS_PAYMENTS": f"http://127.0.0.1:{free_port()}",
        "ATOLL_ENDPOINTS_INVENTORY": f"http://127.0.0.1:{free_port()}",
        "ATOLL_DRAIN_WAIT": "0",
    }


def run(verb: str, service: str, environment: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(ATOLL), verb, f"shop_{service}:service"],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=STOP_LIMIT, check=False,
    )  # fmt: skip


@contextmanager
def serving(service: str, environment: dict[str, str], folder: Path) -> Iterator[str]:
    """The base URL of the running service; it must stop in order."""
    base = f"http://127.0.0.1:{environment['ATOLL_PORT']}"
    process = subprocess.Popen([str(ATOLL), "serve", f"shop_{service}:service"], cwd=folder, env=environment)
    try:
        until(lambda: is_ready(base), within=20, what=f"{service} is ready")
        yield base
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_LIMIT) == 0
    finally:
        process.kill()
        process.wait()


def is_ready(base: str) -> bool:
    answer = maybe(base, "/health/ready")
    return answer is not None and answer.status == 200


def maybe(base: str, path: str) -> Answer | None:
    try:
        return call(base, "GET", path)
    except (OSError, http.client.HTTPException):
        return None


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_migrated_served_and_stopped(service: str, environment: dict[str, str], tmp_path: Path) -> None:
    for _ in range(2):  # a migration that was done is done
        assert run("migrate", service, environment, tmp_path).returncode == 0
    with serving(service, environment, tmp_path) as base:
        assert call(base, "GET", "/openapi.json").must(200).json["openapi"].startswith("3.1")
        call(base, "GET", "/nowhere").must_be_problem(404)


def test_a_quote_says_in_time_that_payments_does_not_answer(environment: dict[str, str], tmp_path: Path) -> None:
    assert run("migrate", "orders", environment, tmp_path).returncode == 0
    with serving("orders", environment, tmp_path) as base:
        body = {"items": [{"sku": "A1", "quantity": 1}]}
        call(base, "POST", "/orders", body, headers=IDENTITY).must(201)
        call(base, "POST", "/quote", body, headers=IDENTITY, timeout=4).must_be_problem(503)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"CARD_LIMIT": "much"}, "CARD_LIMIT"),
        ({"PROVIDER_TIMEOUT": "0"}, "PROVIDER_TIMEOUT"),
        ({"ATOLL_PORT": "no"}, "ATOLL_PORT"),
        ({"ATOLL_DATABASE_URL": ""}, "ATOLL_DATABASE_URL"),
        ({"ATOLL_PEERS": "x"}, "ATOLL_PEERS"),
    ],
)
def test_a_wrong_environment_is_one_line(
    change: dict[str, str], word: str, environment: dict[str, str], tmp_path: Path
) -> None:
    done = run("serve", "payments", {**environment, **change}, tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert word in line
    assert environment["ATOLL_DATABASE_URL"] not in line
