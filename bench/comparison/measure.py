"""One round of one candidate: start it, warm it up, load it, wait for the last confirmation, and count in its databases."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import msgspec

from bench.comparison.candidate import Candidate, Question, Running
from bench.comparison.load import Plan, Report
from bench.comparison.processes import cpu_seconds, watched

ORDER = json.dumps({"items": [{"sku": "A1", "quantity": 1}], "currency": "EUR"})
WARM_UP = 500  # requests
LOOK_EVERY = 0.1  # seconds between two looks at how many are confirmed
PATIENCE = 120.0  # seconds without a further confirmation
SETTLE = 0.5  # seconds: what is sent late is part of the cost


class Wrong(Exception):
    """A candidate lost an order, charged one twice or refused a request."""


class Round(msgspec.Struct, frozen=True):
    """figures: name -> value; cpu: process -> CPU seconds a 1,000 requests; load: the machine's, before the round."""

    candidate: str
    figures: dict[str, float]
    cpu: dict[str, float]
    load: tuple[float, float, float]


class Work(msgspec.Struct, frozen=True):
    """What is asked for: kind is a benchmark's name. requests, or seconds where the load lasts for a time."""

    kind: str
    requests: int
    connections: int
    seconds: float = 0.0


Found = tuple[dict[str, float], dict[str, float]]  # figures, and CPU seconds a 1,000 requests by process


def measure(candidate: Candidate, work: Work) -> Round:
    """A whole round on an empty folder. Wrong, if the candidate was."""
    load = os.getloadavg()
    return Round(candidate.name, *whole_system(candidate, work), load)


def whole_system(candidate: Candidate, work: Work) -> Found:
    """Checkout or quote."""
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder, candidate.start(Path(folder)) as running:
        return checkout(running, work) if work.kind == "checkout" else quote(running, work)


def checkout(running: Running, work: Work) -> Found:
    """Orders, until all of them are confirmed."""
    warm = min(WARM_UP, work.requests)
    drive(running, "/orders", 201, warm, work.connections)
    asyncio.run(all_confirmed(running, warm))
    before = cpu_seconds(running.processes)
    with watched(running.processes) as peak:
        report = drive(running, "/orders", 201, work.requests, work.connections)
        last = asyncio.run(all_confirmed(running, warm + work.requests))
        asyncio.run(all_told(running))
        time.sleep(SETTLE)
    used = used_since(before, running.processes, work.requests)
    asyncio.run(nothing_twice(running, warm + work.requests))
    figures = {
        "accepted/s": work.requests / report.seconds,
        "confirmed/s": work.requests / (last - report.started),
        **replies(report, work.requests, used),
        "peak MiB": peak.bytes / 2**20,
    }
    return figures, used


def quote(running: Running, work: Work) -> Found:
    """Quotes: nothing is written."""
    drive(running, "/quote", 200, min(WARM_UP, work.requests), work.connections)
    before = cpu_seconds(running.processes)
    with watched(running.processes) as peak:
        report = drive(running, "/quote", 200, work.requests, work.connections)
    used = used_since(before, running.processes, work.requests)
    if '"accepted":true' not in report.sample.replace(" ", ""):
        raise Wrong(f"a quote was answered {report.sample!r}")
    figures = {"calls/s": work.requests / report.seconds, **replies(report, work.requests, used)}
    return {**figures, "peak MiB": peak.bytes / 2**20}, used


def replies(report: Report, requests: int, used: Mapping[str, float]) -> dict[str, float]:
    """Figures that both kinds have."""
    return {
        "p50 ms": report.p50,
        "p99 ms": report.p99,
        "slowest ms": report.slowest,
        "CPU s/1,000": sum(used.values()),
        "load CPU s/1,000": report.cpu / requests * 1000,
        "load busy %": report.cpu / report.seconds * 100,
    }


def drive(running: Running, path: str, expected: int, requests: int, connections: int) -> Report:
    """The load from its own process."""
    plan = Plan(running.port, path, running.token, ORDER, requests, min(connections, requests))
    argv = [sys.executable, "-m", "bench.comparison.load"]
    done = subprocess.run(argv, input=msgspec.json.encode(plan), capture_output=True, check=False)
    if done.returncode != 0:
        raise Wrong(f"the load ended early: {done.stderr.decode(errors='replace').strip()[-500:]}")
    report = msgspec.json.decode(done.stdout, type=Report)
    if report.statuses != {str(expected): requests}:
        raise Wrong(
            f"{requests} requests were answered {report.statuses}, the last one not so: {report.sample[:500]!r}"
        )
    return report


def wait_and_count(running: Running, orders: int) -> None:
    """Until so many orders are confirmed. Wrong unless each was, and was captured once."""
    asyncio.run(all_confirmed(running, orders))
    asyncio.run(all_told(running))
    asyncio.run(nothing_twice(running, orders))


def used_since(before: Mapping[str, float], processes: Mapping[str, int], requests: int) -> dict[str, float]:
    """CPU seconds a 1,000 requests, by process."""
    after = cpu_seconds(processes)
    return {name: (after[name] - before[name]) / requests * 1000 for name in processes}


async def all_confirmed(running: Running, orders: int) -> float:
    """When the last one was, in seconds since 1970. Wrong if they stop coming."""
    connection = await asyncpg.connect(running.confirmed.database)
    try:
        seen, until = -1, time.monotonic() + PATIENCE
        while True:
            ((confirmed, placed, last),) = await connection.fetch(running.confirmed.statement)
            if confirmed >= orders:
                break
            if confirmed > seen:
                seen, until = confirmed, time.monotonic() + PATIENCE
            if time.monotonic() > until:
                raise Wrong(f"lost: {confirmed} of {orders} orders are confirmed ({placed} are stored)")
            await asyncio.sleep(LOOK_EVERY)
        if (confirmed, placed) != (orders, orders):
            raise Wrong(f"{orders} orders were accepted, {placed} are stored and {confirmed} confirmed")
        return float(last)
    finally:
        await connection.close()


async def all_told(running: Running) -> None:
    """Until no event waits in the outbox: publishing is part of the work. Wrong if they stay."""
    until = time.monotonic() + PATIENCE
    while waiting := (await first_row(running.untold))[0]:
        if time.monotonic() > until:
            raise Wrong(f"untold: {waiting} events still wait in the outbox")
        await asyncio.sleep(LOOK_EVERY)


async def nothing_twice(running: Running, orders: int) -> None:
    """Wrong unless each order was captured exactly once."""
    captured, different = await first_row(running.captured)
    if (captured, different) != (orders, orders):
        raise Wrong(f"{orders} orders were placed, {captured} payments captured for {different} of them")


async def first_row(question: Question) -> tuple[int, int]:
    connection = await asyncpg.connect(question.database)
    try:
        ((one, two),) = await connection.fetch(question.statement)
        return one, two
    finally:
        await connection.close()
