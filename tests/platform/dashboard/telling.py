"""OTLP requests as a service would send them, and a dashboard to send them to."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from atoll.platform.dashboard import Intake, Span, Store
from atoll.platform.dashboard.app import dashboard
from atoll.platform.dashboard.uvicorn import configuration

SECOND = 10**9
START = 1_790_000_000 * SECOND


def span(
    number: int, parent: int = 0, *, trace: int = 1, service: str = "orders", name: str = "POST /orders", **more: Any
) -> Span:
    given: dict[str, Any] = {
        "trace": trace.to_bytes(16, "big"),
        "span": number.to_bytes(8, "big"),
        "parent": parent.to_bytes(8, "big") if parent else b"",
        "service": service,
        "instance": f"{service}-1",
        "name": name,
        "kind": 2,
        "start": START + number,
        "duration": 1_000_000,
        "status": 0,
        "message": "",
        "attributes": "{}",
        "events": "",
        "links": "",
        **more,
    }
    return Span(**given)


def otlp(spans: Sequence[Span]) -> bytes:
    request = ExportTraceServiceRequest()
    for one in spans:
        group = request.resource_spans.add()
        for key, value in (("service.name", one.service), ("service.instance.id", one.instance)):
            group.resource.attributes.add(key=key).value.string_value = value
        made = group.scope_spans.add().spans.add(
            trace_id=one.trace, span_id=one.span, parent_span_id=one.parent, name=one.name, kind=one.kind,
            start_time_unix_nano=one.start, end_time_unix_nano=one.start + one.duration,
        )  # fmt: skip
        made.status.code = one.status  # type: ignore[assignment]
        for key, value in json.loads(one.attributes).items():
            made.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


class Running:
    """A dashboard that listens."""

    def __init__(self, port: int, store: Store, intake: Intake) -> None:
        self.port, self.store, self.intake = port, store, intake

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = ""
    ) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request(method or ("POST" if body is not None else "GET"), path, body, headers or {})
            reply = connection.getresponse()
            text = reply.read()
            return reply.status, json.loads(text) if text.startswith(b"{") else text
        finally:
            connection.close()

    def send(self, spans: Sequence[Span]) -> int:
        status, _ = self.ask("/v1/traces", otlp(spans), {"content-type": "application/x-protobuf"})
        self.intake.settle()
        return status


@contextmanager
def running(folder: Path, *, most: int = 50_000, token: str = "") -> Iterator[Running]:
    store = Store(folder / "telemetry.db")
    intake = Intake(store, most=most)
    intake.start()
    server = uvicorn.Server(configuration(dashboard(store, intake, token=token), "127.0.0.1", 0))
    started = threading.Event()

    async def serve() -> None:
        config = server.config
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        started.set()
        await server.main_loop()
        await server.shutdown()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert started.wait(30)
    try:
        port = server.servers[0].sockets[0].getsockname()[1]
        yield Running(port, store, intake)
    finally:
        server.should_exit = True
        thread.join()
        intake.stop()
        store.close()
