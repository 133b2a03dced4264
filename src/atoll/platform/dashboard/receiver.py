"""OTLP over HTTP: ``POST /v1/traces``, ``/v1/logs`` and ``/v1/metrics``, as any OpenTelemetry exporter sends them.

Protobuf only, gzip or plain. Too much at once is answered 429 with Retry-After, which exporters understand.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.opentelemetry import Malformed, logs_of, samples_of, spans_of
from atoll.platform.dashboard.rows import Batch

MOST_BYTES = 4 * 2**20  # of a request, packed or not; gRPC's own default limit
LARGE = 65_536  # bytes from which on a message is read beside the event loop
READ_WITHIN = 10.0  # seconds; who dribbles a request must not keep others from being read
_PROTOBUF = "application/x-protobuf"
_RETRY_AFTER = "2"  # seconds


def routes(intake: Intake) -> list[Route]:
    """The three paths."""
    readers = {"traces": spans_of, "logs": logs_of, "metrics": samples_of}
    return [Route(f"/v1/{name}", _receiver(intake, read), methods=["POST"]) for name, read in readers.items()]


def _receiver(intake: Intake, read: Callable[[bytes], Batch]) -> Callable[[Request], object]:
    async def receive(request: Request) -> Response:
        kind = request.headers.get("content-type", "").partition(";")[0].strip()
        if kind != _PROTOBUF:
            return _refused(415, f"content-type is {kind[:40] or 'missing'!r}; this receiver takes {_PROTOBUF}")
        with intake.admitted() as room:
            return await take(request) if room else _busy()

    async def take(request: Request) -> Response:
        try:
            async with asyncio.timeout(READ_WITHIN):
                body = await _body(request)
            batch = await run_in_threadpool(read, body) if len(body) > LARGE else read(body)
        except TimeoutError:
            return _refused(408, f"the request was not there after {READ_WITHIN:g} s", {"connection": "close"})
        except _TooLarge:
            return _refused(413, f"more than {MOST_BYTES} bytes at once; send smaller batches")
        except (Malformed, zlib.error) as error:
            return _refused(400, str(error))
        except ClientDisconnect:
            return Response(status_code=400)
        if not intake.offer(batch):
            return _busy()
        return Response(b"", media_type=_PROTOBUF)

    return receive


def _busy() -> Response:
    return _refused(429, "more telemetry than can be stored; some was shed", {"retry-after": _RETRY_AFTER})


class _TooLarge(Exception):
    pass


async def _body(request: Request) -> bytes:
    packed = bytearray()
    async for chunk in request.stream():
        packed += chunk
        if len(packed) > MOST_BYTES:
            raise _TooLarge
    encoding = request.headers.get("content-encoding", "")
    if encoding == "gzip":
        return _unpacked(bytes(packed))
    if encoding not in {"", "identity"}:
        raise Malformed(f"content-encoding is {encoding[:40]!r}; this receiver takes gzip")
    return bytes(packed)


def _unpacked(packed: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    body = unpacker.decompress(packed, MOST_BYTES)
    if unpacker.unconsumed_tail:
        raise _TooLarge
    if not unpacker.eof:
        raise Malformed("the gzip ends too early")
    return body


def _refused(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"error": text}, status, headers)
