"""The dashboard: spans taken in a second and what that costs the shop; the page's first paint and a long trace's waterfall.

    python -m bench dashboard [page|ingestion|shop ...] [--spans 100000] [--seconds 10] [--rate 5000] [--rounds 2]
        [--orders 600] [--json]

page: a store of so many spans, one trace of which has 5,000, in a process of its own; a headless Chromium opens
the overview, the traces and that trace, each in a fresh profile, and scrolls through the trace. ingestion: so many spans a second
over HTTP for so long. shop: the checkout with and without that flood at its dashboard, A B A B on one running shop.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import uvloop
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from atoll.platform.dashboard import Batch, Span, Store
from atoll.testing.servers import free_port
from bench.comparison.arguments import Parser, count, positive
from bench.telemetry_checkout import ATOLL, SYSTEM, checkout, run, unlimited

ROOT = Path(__file__).resolve().parents[1]
LONG = 5_000  # spans of the long trace
USUAL = 25  # spans of any other
BATCH = 500  # spans in a request, as OpenTelemetry's exporters send them
PATIENCE = 60.0  # seconds for what was taken to be written
NAMES = ("gateway", "orders", "payments", "inventory")
ATTRIBUTES = {
    "http.request.method": "POST",
    "http.route": "/orders",
    "server.address": "127.0.0.1",
    "atoll.release": "dev",
}
_NO_SYSTEM = {
    "system": "bench",
    "gateway": "",
    "services": {},
    "parts": {},
    "usage": {},
    "model": {"services": [], "routes": []},
}
STUBS = {"/api/system": _NO_SYSTEM, "/api/figures": {}, "/api/faults": {"faults": []}}


def spans_of(trace: int, size: int, start: int) -> list[Span]:
    """One trace: a tree in which each span has at most four children. start: nanoseconds since 1970."""
    made = []
    for number in range(1, size + 1):
        parent = (number + 2) // 4 if number > 1 else 0
        name, status = ("POST /orders", 0) if number % 7 else ("SELECT prices", 2 * (number % 700 == 0))
        made.append(
            Span(
                trace.to_bytes(16, "big"), number.to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b"",
                NAMES[number % 4], f"{NAMES[number % 4]}-1", name, 2, start + number * 20_000,
                max(100_000, (size - number) * 15_000), status, "", json.dumps(ATTRIBUTES), "", "",
            )
        )  # fmt: skip
    return made


def filled(file: Path, spans: int) -> str:
    """A store with so many spans, the latest trace a long one; the id of that."""
    store = Store(file)
    now = time.time_ns()
    for trace in range(1, (spans - LONG) // USUAL + 1):
        store.write(Batch(spans=tuple(spans_of(trace, USUAL, now - trace * 100_000_000))))
    last = 2**100
    store.write(Batch(spans=tuple(spans_of(last, LONG, now - 10**9))))
    store.close()
    return f"{last:032x}"


# ---- the dashboard in a process of its own


def serve(file: Path, port: int) -> None:
    """Without a system around it: what the overview asks of one is answered with nothing."""
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    from atoll.platform.dashboard.app import dashboard
    from atoll.platform.dashboard.uvicorn import serve as run_server

    def stub(path: str) -> Route:
        async def answer(_: Request) -> JSONResponse:
            return JSONResponse(STUBS[path])

        return Route(path, answer)

    run_server("127.0.0.1", port, file, lambda store, intake: dashboard(store, intake, [stub(path) for path in STUBS]))


@contextmanager
def served(file: Path) -> Iterator[tuple[str, psutil.Process]]:
    port = free_port()
    command = [sys.executable, "-m", "bench.dashboard", "--serve", str(file), str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        base = f"http://127.0.0.1:{port}"
        until = time.monotonic() + PATIENCE
        while not answers(base):
            if process.poll() is not None or time.monotonic() > until:
                sys.exit("the dashboard did not start")
            time.sleep(0.05)
        yield base, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def answers(base: str) -> bool:
    try:
        ask(base, "/api/store")
    except OSError:
        return False
    return True


def ask(base: str, path: str) -> Any:
    with urllib.request.urlopen(base + path, timeout=30) as reply:
        return json.load(reply)


# ---- the page


def page(spans: int, rounds: int) -> dict[str, float]:
    """Milliseconds, medians of the rounds."""
    from bench.pages.browsing import browsing

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "telemetry.db"
        trace = filled(file, spans)
        with served(file) as (base, _), browsing() as browser:
            # The first one warms the server up.
            found = [
                browser.opened(f"{base}/#/overview", ".columns table tbody tr", "overview")
                | browser.opened(f"{base}/#/traces", "tbody tr[data-row]", "traces")
                | browser.waterfall(f"{base}/#/traces/{trace}")
                for _ in range(rounds + 1)
            ]
    return {name: statistics.median(one[name] for one in found[1:]) for name in found[0]}


# ---- taking spans in


def request_of(trace: int, size: int) -> bytes:
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.add(key="service.name").value.string_value = "flood"
    scope = group.scope_spans.add()
    for number, span in enumerate(spans_of(trace, size, time.time_ns())):
        made = scope.spans.add(
            trace_id=(trace * 1000 + number // USUAL).to_bytes(16, "big"), span_id=span.span, parent_span_id=span.parent,
            name=span.name, kind=2, start_time_unix_nano=span.start, end_time_unix_nano=span.start + span.duration,
        )  # fmt: skip
        for key, value in ATTRIBUTES.items():
            made.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def flood(base: str, rate: int, seconds: float) -> None:
    """Runs in the sender's process: so many spans a second; prints how many were sent and how many refused."""
    headers = {"content-type": "application/x-protobuf"}
    sent = refused = 0
    began = time.monotonic()
    for number in range(int(rate * seconds / BATCH)):
        body = request_of(2**64 + time.time_ns() // 1000, BATCH)
        time.sleep(max(0.0, began + number * BATCH / rate - time.monotonic()))  # the pace that is measured
        try:
            urllib.request.urlopen(urllib.request.Request(f"{base}/v1/traces", body, headers), timeout=30).close()
            sent += BATCH
        except urllib.error.HTTPError:
            refused += BATCH
    print(json.dumps({"sent": sent, "refused": refused, "seconds": time.monotonic() - began}))


@contextmanager
def flooded(base: str, rate: int, seconds: float) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "bench.dashboard", "--flood", base, str(rate), str(seconds)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def ingestion(rate: int, seconds: float) -> dict[str, float]:
    """What became of the spans, and the dashboard's share of one processor."""
    with tempfile.TemporaryDirectory() as folder, served(Path(folder) / "telemetry.db") as (base, process):
        before = sum(process.cpu_times()[:2])
        with flooded(base, rate, seconds) as sender:
            told = json.loads(sender.communicate()[0])
        sending = told["seconds"]
        until = time.monotonic() + PATIENCE
        while settled(counts := ask(base, "/api/store")) < told["sent"] and time.monotonic() < until:
            time.sleep(0.02)
        spent = sum(process.cpu_times()[:2]) - before
    return {
        "spans/s sent": (told["sent"] + told["refused"]) / sending,
        "spans kept": counts["kept"],
        "spans refused": told["refused"],
        "spans shed": counts["shed"],
        "CPU of the dashboard, %": 100 * spent / sending,
    }


def settled(counts: dict[str, int]) -> int:
    """Spans of which it is known what became of them."""
    return counts["kept"] + counts["shed"] + counts["failed"]


def shop(orders: int, rate: int, rounds: int) -> dict[str, float]:
    """Orders a second of the whole shop without and with a flood at its dashboard, in turn."""
    found: dict[str, list[float]] = {"quiet": [], "flooded": []}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "shop"
        shutil.copytree(SYSTEM.parent, copy, ignore=shutil.ignore_patterns(".atoll", "__pycache__"))
        unlimited(copy / "system.py")
        where = ["--system", str(copy / "system.py")]
        environment = {**os.environ, "ATOLL_RESILIENCE_SERVER__SHED": "off"}
        try:
            up = run([str(ATOLL), "up", *where, "-d", "--isolated", "--no-watch", "--json"], environment)
            state = json.loads(up)
            for _ in range(rounds):
                found["quiet"].append(confirmed(state["gateway"], orders))
                with flooded(state["dashboard"], rate, 3600):
                    found["flooded"].append(confirmed(state["gateway"], orders))
            counts = ask(state["dashboard"], "/api/store")
        finally:
            run([str(ATOLL), "down", *where], environment)
    quiet, busy = (statistics.median(found[name]) for name in ("quiet", "flooded"))
    return {"orders/s, quiet": quiet, "orders/s, flooded": busy, "flooded/quiet": busy / quiet, "shed": counts["shed"]}


def confirmed(gateway: str, orders: int) -> float:
    return uvloop.run(checkout(gateway, {}, orders, 16))["confirmed/s"]


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="page, ingestion, shop; all of them without a word")
    parser.add_argument("--spans", type=count, default=100_000)
    parser.add_argument("--seconds", type=positive, default=10.0)
    parser.add_argument("--rate", type=count, default=5_000)
    parser.add_argument("--rounds", type=count, default=2)
    parser.add_argument("--orders", type=count, default=600)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    ways = {
        "page": lambda: page(chosen.spans, chosen.rounds),
        "ingestion": lambda: ingestion(chosen.rate, chosen.seconds),
        "shop": lambda: shop(chosen.orders, chosen.rate, chosen.rounds),
    }
    if wrong := [name for name in chosen.what if name not in ways]:
        sys.exit(f"there is no {wrong[0]!r}; there are: {', '.join(ways)}")
    found = {name: ways[name]() for name in chosen.what or ways}
    if chosen.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(name)
        for figure, value in figures.items():
            print(f"  {figure:34} {value:10,.2f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["--serve", file, port]:
            serve(Path(file), int(port))
        case ["--flood", base, rate, seconds]:
            flood(base, int(rate), float(seconds))
        case _:
            main()
