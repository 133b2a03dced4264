"""What telemetry costs: the same service with it off, without a collector, and sending everything, in turn in one run.

    .venv/bin/python -m bench.telemetry [--seconds 3] [--connections 32] [--rounds 3] [--json]

The service answers a typed POST over HTTP in a process of its own, assembled as `atoll serve` does it. With a DATABASE_URL, each
request also runs two statements. A collector in another process takes what is sent. Prints requests/s and the server's
CPU time a request, and what that is beside telemetry off; and what one span costs to record and to write.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psutil
import uvloop

from atoll.service.tracing import CLIENT, SERVER, SpanPlan, current_span
from atoll.telemetry import Metrics, OtlpTracer, SpanQueue
from atoll.telemetry.otlp_spans import encode_spans
from bench.comparison.arguments import Parser, connections, count, positive
from bench.comparison.rate import Target, rate
from bench.comparison.servers import BODY, JSON
from bench.service import Item, Quote

PARENT = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
SPANS = 50_000


def serve() -> None:
    """Runs in the service's process: prints the port, then serves until its input closes."""
    from atoll.contracts import PUBLIC, Api, Operation
    from atoll.serve.assemble import assemble
    from atoll.serve.environment import Environment
    from atoll.serve.run import spare_collector
    from atoll.service import Service, implements

    class Orders(Api):
        quote = Operation("POST /orders", Item, Quote, access=PUBLIC)

    @implements(Orders.quote)
    async def quote(item: Item) -> Quote:
        return Quote(item.sku, item.quantity * 100)

    async def run() -> None:
        running = assemble(Service("orders", handlers=[quote]), Environment(port=0), os.environ)
        await running.start()
        spare_collector()
        print(running.url.rpartition(":")[2], flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await running.stop()

    globals().update(Item=Item, Quote=Quote)
    uvloop.run(run())


class Taker(BaseHTTPRequestHandler):
    """Takes everything, and looks at nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        if "content-length" in self.headers:
            self.rfile.read(int(self.headers["content-length"]))
        else:  # Envoy sends it in pieces
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Silent."""


def collect() -> None:
    """Runs in the collector's process."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    print(server.server_address[1], flush=True)
    server.serve_forever()


@contextmanager
def started(role: str, variables: dict[str, str]) -> Iterator[tuple[int, int]]:
    """(port, pid) of this file in that role."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.telemetry", role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "ATOLL_RESILIENCE_SERVER__SHED": "off", **variables},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), process.pid
    finally:
        process.kill()
        process.wait()


def measure(variables: dict[str, str], seconds: float, connections: int) -> tuple[float, float]:
    """Requests a second, and microseconds of the service's CPU a request."""
    with started("serve", variables) as (port, pid):
        target = Target(port, "POST", "/orders", JSON, BODY)
        rate(target, connections, min(1.0, seconds))
        process = psutil.Process(pid)
        before = sum(process.cpu_times()[:2])
        found = rate(target, connections, seconds)
        return found.requests / found.seconds, (sum(process.cpu_times()[:2]) - before) / found.requests * 1e6


def spans() -> dict[str, float]:
    """Microseconds of CPU a span: one with a header and a status, one leaf, and the writing of one."""
    queue = SpanQueue(3 * SPANS)
    tracer = OtlpTracer(Metrics(), queue)
    root = SpanPlan("POST /orders", SERVER, {"http.route": "/orders"}, metric="http.server.request.duration")
    leaf = SpanPlan("INSERT orders", CLIENT, {"db.system.name": "postgresql"}, metric="db.client.operation.duration")
    began = time.process_time()
    for _ in range(SPANS):
        span = tracer.begin(root, PARENT)
        token = current_span.set(span)
        span.outcome = "201"
        span.set("http.response.status_code", 201)
        current_span.reset(token)
        span.end()
    recorded = time.process_time()
    above = tracer.begin(root)
    for _ in range(SPANS):
        above.leaf(leaf, time.time_ns())
    above.end()
    leaves = time.process_time()
    while taken := queue.take(512):
        encode_spans(b"", taken)
    written = time.process_time()
    return {
        "root": (recorded - began) / SPANS * 1e6,
        "leaf": (leaves - recorded) / SPANS * 1e6,
        "written": (written - leaves) / (2 * SPANS) * 1e6,
    }


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--seconds", type=positive, default=3.0)
    parser.add_argument("--connections", type=connections, default=32)
    parser.add_argument("--rounds", type=count, default=3)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with started("collect", {}) as (port, _):
        ways = {
            "off": {"OTEL_SDK_DISABLED": "true"},
            "no collector": {},
            "everything sent": {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}"},
            "one in ten": {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0.1",
            },
        }
        found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        for _ in range(chosen.rounds):
            for way, variables in ways.items():
                found[way].append(measure(variables, chosen.seconds, chosen.connections))
    medians = {
        way: [statistics.median(column) for column in zip(*rounds, strict=True)] for way, rounds in found.items()
    }
    cost = spans()
    if chosen.json:
        print(json.dumps({"ways": medians, "rounds": found, "span_us": cost}))
        return
    for way, (achieved, spent) in medians.items():
        beside = f"{spent / medians['off'][1]:.2f} x off"
        print(f"{way:16} {achieved:9,.0f} requests/s  {spent:6.1f} us CPU a request  {beside}")
    print("a span: " + ", ".join(f"{name} {value:.2f} us" for name, value in cost.items()))


if __name__ == "__main__":
    {"serve": serve, "collect": collect}.get(sys.argv[1] if len(sys.argv) > 1 else "", main)()
