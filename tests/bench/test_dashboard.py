"""The dashboard's benchmark in a short form: that it runs, and that nothing that was sent is lost. No time is judged."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.brokers import install_or_skip

ROOT = Path(__file__).resolve().parents[2]


def bench(*arguments: str) -> Any:
    command = [sys.executable, "-m", "bench", "dashboard", *arguments, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.slow
def test_every_span_that_was_taken_is_kept() -> None:
    found = bench("ingestion", "--rate", "1000", "--seconds", "1")["ingestion"]
    assert found["spans kept"] == 1_000
    assert (found["spans refused"], found["spans shed"]) == (0, 0)


@pytest.mark.slow
def test_a_page_is_painted_and_a_long_trace_draws_only_what_is_seen() -> None:
    install_or_skip("chromium")
    found = bench("page", "--spans", "6000", "--rounds", "1")["page"]
    assert found["overview: first paint"] > 0
    assert found["waterfall: rows in the page"] < 100  # of 5,000


def test_an_unknown_part_gets_one_line() -> None:
    command = [sys.executable, "-m", "bench", "dashboard", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "there is no 'nothing'; there are: page, ingestion, shop\n"
