"""One typed POST on frameworks of one process each: see bench/service.py for the applications."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.comparison.ground import ROOT, ended
from bench.comparison.measure import Found, Work, Wrong
from bench.comparison.processes import cpu_seconds
from bench.comparison.rate import Target, rate

SERVERS = ("atoll", "bare", "fastapi", "litestar", "blacksheep")
BODY = '{"sku":"A1","quantity":3,"currency":"EUR"}'
INVALID = '{"sku":"A1","quantity":"many","currency":"EUR"}'
JSON = {"content-type": "application/json"}


def service(name: str, work: Work) -> Found:
    """Requests a second, and what one costs its process."""
    with started(name) as (port, pid):
        check(port)
        target = Target(port, "POST", "/orders", JSON, BODY)
        rate(target, work.connections, min(1.0, work.seconds))
        before = cpu_seconds({name: pid})
        found = rate(target, work.connections, work.seconds)
        spent = cpu_seconds({name: pid})[name] - before[name]
    return {**found.figures(), "CPU us/request": spent / found.requests * 1e6}, {}


@contextmanager
def started(name: str) -> Iterator[tuple[int, int]]:
    """(port, pid)."""
    argv = [sys.executable, "-m", "bench.service", "serve", name]
    process = subprocess.Popen(  # a terminal's Ctrl-C is for us alone, who then end it
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, start_new_session=True
    )
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline() or 0), process.pid
    finally:
        ended(process)


def check(port: int) -> None:
    """The right answer, and no answer to a number that is none."""
    status, body = post(port, BODY)
    if (status, json.loads(body)) != (200, {"sku": "A1", "total": 300}):
        raise Wrong(f"the order was answered {status} {body!r}")
    status, body = post(port, INVALID)
    if not 400 <= status < 500:
        raise Wrong(f"an order of {INVALID} was answered {status} {body!r}")


def post(port: int, body: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/orders", body, JSON)
        reply = connection.getresponse()
        answer = reply.status, reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise Wrong(f"it did not answer: {error!r}") from None
    connection.close()
    return answer
