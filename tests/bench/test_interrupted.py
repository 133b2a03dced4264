"""A benchmark that is ended before its time ends what it started, and says so in a line or two."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]


def serves(child: psutil.Process) -> bool:
    try:
        return "serve" in child.cmdline()
    except psutil.NoSuchProcess:
        return False


@pytest.mark.system
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_stays_when_it_is_ended_twice(number: signal.Signals) -> None:
    argv = [sys.executable, "-m", "bench", "service", "--against", "bare", "--seconds", "60", "--rounds", "1"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as bench:
        children: list[psutil.Process] = []
        until = time.monotonic() + 60
        while not any(serves(child) for child in children):
            assert bench.poll() is None
            assert time.monotonic() < until
            children = psutil.Process(bench.pid).children(recursive=True)
            time.sleep(0.01)
        bench.send_signal(number)
        time.sleep(0.05)  # while it ends them
        bench.send_signal(number)
        out, said = bench.communicate(timeout=60)
    assert bench.returncode == 130
    assert out == ""
    assert said.splitlines() == ["stopping what was started", "stopped"]
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["nonsense"], "there is no benchmark 'nonsense'; there are: checkout, "),
        (["checkout", "--orders", "0"], "--orders/--requests: give a whole number of at least 1, not '0'"),
        (["checkout", "--rounds", "1e3"], "--rounds: give a whole number of at least 1, not '1e3'"),
        (["gateway", "--connections", "99999"], "--connections: give at most 1000, not 99999"),
        (["dashboard", "--orders", "0"], "--orders: give a whole number of at least 1, not '0'"),
        (["soak", "--minutes", "0"], "--minutes: give a number above 0, not '0'"),
        (["soak", "--rate", "x"], "--rate: give a number above 0, not 'x'"),
        (["checkout", "--seconds", "3"], "checkout takes no --seconds: it does 10,000 requests, 64 connections"),
        (
            ["layers", "--connections", "3"],
            "layers takes no --connections: it does 20,000 calls of each in one process",
        ),
        (["--against", "floor"], "--against is for one benchmark"),
        (["checkout", "--against", ","], "--against needs the name of a column"),
        (["service", "--speed"], "python -m bench: unrecognized arguments: --speed; see --help"),
        (["report", "missing.json"], "missing.json: No such file or directory"),
    ],
)
def test_wrong_input_is_one_clear_line(arguments: list[str], line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode != 0
    (said,) = done.stderr.splitlines()
    assert line in said
