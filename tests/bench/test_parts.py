"""Each benchmark in a short form: that it runs, and that what it measures answers rightly. No time is judged."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from bench.comparison.benches import BENCHES
from bench.comparison.candidates import CANDIDATES
from bench.comparison.measure import Work, measure
from bench.comparison.run import able

ROOT = Path(__file__).resolve().parents[2]
# What the machine must bring, and what scripts/peers then does.
PEERS = {
    "fastapi": ("apt-get", ["nginx"]),
    "moleculer": ("npm", ["moleculer"]),
    "go": ("go", ["go", "nginx"]),
    "nameko": ("apt-get", ["nameko", "nginx"]),
}
ONCE = ("--rounds", "1", "--json")
SHORT = ("--connections", "4", "--seconds", "1", *ONCE)

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]


def bench(*arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", PEERS)
def test_a_peer_confirms_and_charges_each_order_once(name: str) -> None:
    needed, parts = PEERS[name]
    if shutil.which(needed) is None:
        pytest.skip(f"{name} needs {needed}")
    done = subprocess.run(
        ["sh", "scripts/peers", "install", *parts], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    candidate = CANDIDATES[name]
    if missing := candidate.missing():
        pytest.skip(missing)
    assert measure(candidate, Work("checkout", 40, 4)).figures["confirmed/s"] > 0
    assert measure(candidate, Work("quote", 40, 4)).figures["calls/s"] > 0


def test_the_gateway_beside_what_this_machine_has() -> None:
    names = ",".join(entrant.name for entrant in able(BENCHES["gateway"]) if entrant.name != "atoll")
    found = bench("gateway", "--against", names, *SHORT)
    assert [one["candidate"] for one in found["rounds"]] == ["atoll", *names.split(",")]


def test_the_service_beside_other_frameworks() -> None:
    found = bench("service", *SHORT)
    names = [one["candidate"] for one in found["rounds"]]
    assert names == ["atoll", "bare", "fastapi", "litestar", "blacksheep"]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("messaging", ("--orders", "200")),
        ("layers", ("--orders", "200")),
        ("startup", ()),
        ("telemetry", SHORT),
        ("scale-outbox", ("--against", "1000 rows", "--seconds", "30")),
        ("scale-instances", ("--against", "2 each", "--orders", "200", "--connections", "4")),
    ],
)
def test_a_benchmark_runs(name: str, options: tuple[str, ...]) -> None:
    for one in bench(name, *options, *ONCE)["rounds"]:
        assert one["figures"]


def test_many_services_and_many_rows() -> None:
    assert bench("scale-services", "--against", "1 services", *ONCE)["rounds"][0]["figures"]["a service, MiB"] > 0
    rows = bench("scale-rows", "--against", "100000 rows", "--orders", "40", "--connections", "4", *ONCE)["rounds"]
    assert rows[0]["figures"]["confirmed/s"] > 0


def test_the_soak_tells_of_each_process() -> None:
    command = [sys.executable, "-m", "bench", "soak", "--minutes", "0.2", "--every", "0.5", "--rate", "10", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr  # 1: caches still fill in so short a time
    found = {(one["process"], one["measure"]) for one in json.loads(done.stdout)}
    assert {("orders-1", "memory"), ("payments-1", "files"), ("envoy", "sockets"), ("postgres", "memory")} <= found
