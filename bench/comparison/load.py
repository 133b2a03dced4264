"""The load: one request again and again, from many connections that stay open. A process of its own.

    python -m bench.comparison.load < plan.json

The plan is a `Plan`, the answer on standard output a `Report`. It does nothing but write prepared bytes and find the end of
each reply, so that it needs little of the machine; it says how much.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

PATIENCE = 120.0  # seconds without any reply
END = b"\r\n\r\n"


class Plan(msgspec.Struct, frozen=True):
    """requests: how many in all, or seconds: for how long. body: JSON text, the same in each. token: "" for none.

    rate: requests a second of all connections together, or 0: as many as are answered.
    """

    port: int
    path: str
    token: str
    body: str
    requests: int
    connections: int
    seconds: float = 0.0
    method: str = "POST"
    headers: dict[str, str] = {}
    rate: float = 0.0


class Report(msgspec.Struct, frozen=True):
    """started: seconds since 1970. seconds: first request to last reply. p50, p99, slowest: milliseconds. cpu: seconds."""

    started: float
    seconds: float
    statuses: dict[str, int]
    p50: float
    p99: float
    slowest: float
    cpu: float
    sample: str


class Run:
    """What all connections share."""

    def __init__(self, plan: Plan) -> None:
        self.left: Iterator[int] = for_a_time(plan.seconds) if plan.seconds else iter(range(plan.requests))
        self.request = prepared(plan)
        self.took: list[float] = []
        self.statuses: Counter[str] = Counter()
        self.sample = b""
        self.every = plan.connections / plan.rate if plan.rate else 0.0  # seconds from one request to the next


def for_a_time(seconds: float) -> Iterator[int]:
    """Numbers until the time is over."""
    until = time.monotonic() + seconds
    number = 0
    while time.monotonic() < until:
        yield number
        number += 1


def prepared(plan: Plan) -> bytes:
    """The bytes of one request."""
    body = plan.body.encode()
    headers = {"host": f"127.0.0.1:{plan.port}", **plan.headers}
    if plan.token:
        headers["authorization"] = f"Bearer {plan.token}"
    if body:
        headers |= {"content-type": "application/json", "content-length": str(len(body))}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{plan.method} {plan.path} HTTP/1.1\r\n{lines}\r\n".encode() + body


class Connection(asyncio.Protocol):
    """One request at a time until none is left."""

    def __init__(self, run: Run, done: asyncio.Future[None]) -> None:
        self._run = run
        self._done = done
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but is used as one
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not whole(self._buffer):
            return
        run = self._run
        run.took.append(time.perf_counter() - self._sent)
        run.statuses[self._buffer[9:12].decode()] += 1
        if not run.sample or self._buffer[9:10] != b"2":
            run.sample = self._buffer
        self._buffer = b""
        pause = self._sent + run.every - time.perf_counter()
        if run.every and pause > 0:
            asyncio.get_running_loop().call_later(pause, self._next)
        else:
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            run = self._run
            said = f"; replies until then: {dict(run.statuses)}, {run.sample[-300:]!r}" if run.sample else ""
            self._done.set_exception(ConnectionError(f"a connection was closed: {error or 'by the server'}{said}"))

    def _next(self) -> None:
        if next(self._run.left, None) is None:
            self._done.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(self._run.request)


def whole(reply: bytes) -> bool:
    """Whether this is all of a reply, by its content-length or its last chunk."""
    end = reply.find(END)
    if end < 0:
        return False
    head = reply[:end].lower()
    at = head.find(b"content-length:")
    if at < 0:
        return reply.endswith(b"0" + END) if b"transfer-encoding: chunked" in head else True
    line = head.find(b"\r\n", at)
    length = int(head[at + 15 : line if line >= 0 else len(head)])
    return len(reply) >= end + len(END) + length


async def carry_out(plan: Plan) -> Report:
    """All of the plan. TimeoutError, ConnectionError."""
    run, loop = Run(plan), asyncio.get_running_loop()
    dones = [loop.create_future() for _ in range(plan.connections)]
    started, began, spent = time.time(), time.perf_counter(), time.process_time()
    async with asyncio.timeout(PATIENCE + plan.seconds):
        await asyncio.gather(
            *(loop.create_connection(lambda done=done: Connection(run, done), "127.0.0.1", plan.port) for done in dones)  # type: ignore[misc]
        )
        await asyncio.gather(*dones)
    took = sorted(seconds * 1000 for seconds in run.took)
    return Report(
        started,
        time.perf_counter() - began,
        dict(run.statuses),
        p50=statistics.median(took),
        p99=took[min(len(took) - 1, round(len(took) * 0.99))],
        slowest=took[-1],
        cpu=time.process_time() - spent,
        sample=run.sample.decode(errors="replace"),
    )


if __name__ == "__main__":
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    try:
        sys.stdout.buffer.write(msgspec.json.encode(uvloop.run(carry_out(plan))))
    except OSError as error:  # TimeoutError is one as well
        sys.exit(str(error) or f"no answer within {PATIENCE + plan.seconds:g} s")
