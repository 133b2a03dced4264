"""A service for the public W3C trace-context harness: it is told by whom to call on, and does, with its own trace headers."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import msgspec

from atoll.contracts import PUBLIC, Api, Message, Operation
from atoll.serve.assemble import assemble
from atoll.serve.environment import Environment
from atoll.service import Service, implements
from atoll.service.tracing import span, trace_headers
from atoll.transport.http.client.httptools import HttptoolsClient


class Stop(Message):
    url: str
    arguments: list[Any] = []


class Harness(Api):
    test = Operation("POST /test", list[Stop], None, access=PUBLIC)


http = HttptoolsClient()


@implements(Harness.test)
async def test(stops: list[Stop]) -> None:
    for stop in stops:
        with span("call on"):
            headers = {**trace_headers(None), "content-type": "application/json"}
            await http.send("POST", stop.url, headers, msgspec.json.encode(stop.arguments))


service = Service("harness", handlers=[test])


async def main() -> None:
    running = assemble(
        service, Environment(port=0), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    )  # nobody is there
    await running.start()
    print(running.url, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await running.stop()


if __name__ == "__main__":
    asyncio.run(main())
