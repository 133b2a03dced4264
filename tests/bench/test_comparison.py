"""The comparison of whole systems in a short form: that it runs and that each candidate is correct. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.comparison.load import whole
from bench.comparison.measure import Round
from bench.comparison.report import table

ROOT = Path(__file__).resolve().parents[2]
ORDERS = 40


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["checkout", "quote"])
def test_atoll_and_the_floor_confirm_and_charge_each_order_once(kind: str) -> None:
    command = [sys.executable, "-m", "bench", kind, "--against", "floor", "--orders", str(ORDERS), "--connections", "4"]
    done = subprocess.run([*command, "--rounds", "1", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [one["candidate"] for one in json.loads(done.stdout)["rounds"]] == ["atoll", "floor"]


def test_an_unknown_candidate_gets_one_line() -> None:
    command = [sys.executable, "-m", "bench", "checkout", "--against", "nobody"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("there is no candidate 'nobody'; there are: atoll,")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("reply", "complete"),
    [
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n", False),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{", False),
        (b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", True),
    ],
)
def test_the_load_finds_the_end_of_a_reply(reply: bytes, complete: bool) -> None:
    assert whole(reply) is complete


def test_the_table_has_medians_and_spreads() -> None:
    rounds = [Round("atoll", {"accepted/s": rate}, {"orders": 1.0}, (0.5, 0.5, 0.5)) for rate in (90.0, 100.0, 200.0)]
    assert "| accepted/s | 100 (90-200) |" in table(rounds)
