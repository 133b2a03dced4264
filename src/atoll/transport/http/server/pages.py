"""What every service serves besides its operations: health pages and its documents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

import msgspec

from atoll.service import Health, HealthReport
from atoll.transport.http.server.exchange import Endpoint, Exchange
from atoll.transport.http.server.replies import JSON_HEADER, Reply

_encoder = msgspec.json.Encoder()


def health_pages(health: Health) -> Mapping[str, Endpoint]:
    """``/health/live``, ``/health/ready`` and ``/health/started``: 200 for up, 503 for down."""

    async def live() -> HealthReport:
        return health.live()

    async def started() -> HealthReport:
        return health.start()

    return {
        "/health/live": _report_page(live),
        "/health/ready": _report_page(health.ready),
        "/health/started": _report_page(started),
    }


def document_page(document: bytes) -> Endpoint:
    """A JSON document as it is."""
    headers = [JSON_HEADER, (b"content-length", b"%d" % len(document))]

    async def page(_: Exchange) -> Reply:
        return Reply(200, headers, document)

    return page


def text_page(text: Callable[[str], tuple[str, bytes]]) -> Endpoint:
    """A page made anew for each request. text: from its ``accept`` header to content type and body."""

    async def page(exchange: Exchange) -> Reply:
        kind, body = text(exchange.headers.get("accept") or "")
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        return Reply(200, headers, body)

    return page


def _report_page(report: Callable[[], Awaitable[HealthReport]]) -> Endpoint:
    async def page(_: Exchange) -> Reply:
        found = await report()
        body = _encoder.encode(found)
        headers = [JSON_HEADER, (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
        return Reply(200 if found.up else 503, headers, body)

    return page
