"""A tiny OTLP/HTTP collector for tests: it keeps what it is sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class Collector:
    """url: OTEL_EXPORTER_OTLP_ENDPOINT. spans, logs: with the name of the service that sent them. raw: all bodies."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.raw: list[bytes] = []
        self.spans: list[tuple[str, Span]] = []
        self.logs: list[tuple[str, LogRecord]] = []
        self.metrics: list[tuple[str, Metric]] = []

    def take(self, path: str, body: bytes) -> None:
        self.raw.append(body)
        if path.endswith("/v1/traces"):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                name = _service(resource.resource.attributes)
                self.spans += [(name, span) for scope in resource.scope_spans for span in scope.spans]
        elif path.endswith("/v1/logs"):
            for told in ExportLogsServiceRequest.FromString(body).resource_logs:
                name = _service(told.resource.attributes)
                self.logs += [(name, record) for scope in told.scope_logs for record in scope.log_records]
        else:
            for measured in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                name = _service(measured.resource.attributes)
                self.metrics += [(name, metric) for scope in measured.scope_metrics for metric in scope.metrics]


def attributes(span: Span | LogRecord) -> dict[str, object]:
    """As plain values."""
    return {one.key: getattr(one.value, one.value.WhichOneof("value") or "string_value") for one in span.attributes}


def _service(found: object) -> str:
    return next((one.value.string_value for one in found if one.key == "service.name"), "")  # type: ignore[attr-defined]


@contextmanager
def collecting(status: Callable[[], int] = lambda: 200) -> Iterator[Collector]:
    """A collector that answers with this status, in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.body()
            answer = status()
            if answer == 200:
                collector.take(self.path, body)
            self.send_response(answer)
            self.send_header("content-length", "0")
            self.end_headers()

        def body(self) -> bytes:
            """Also in pieces, as Envoy sends it."""
            if "content-length" in self.headers:
                return self.rfile.read(int(self.headers["content-length"]))
            found = b""
            while size := int(self.rfile.readline(), 16):
                found += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return found

        def log_message(self, *_: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
