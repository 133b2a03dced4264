"""OTLP over gRPC, which many OpenTelemetry exporters speak unless they are told otherwise: the three services' ``Export``.

The messages are read as over HTTP. What is malformed is INVALID_ARGUMENT, too much at once UNAVAILABLE, which exporters repeat.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable

import grpc

from atoll.platform.dashboard.guard import loopback
from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.opentelemetry import Malformed, logs_of, samples_of, spans_of
from atoll.platform.dashboard.receiver import LARGE, MOST_BYTES
from atoll.platform.dashboard.rows import Batch

_SERVICES = {
    "opentelemetry.proto.collector.trace.v1.TraceService": spans_of,
    "opentelemetry.proto.collector.logs.v1.LogsService": logs_of,
    "opentelemetry.proto.collector.metrics.v1.MetricsService": samples_of,
}
_OPTIONS = (
    ("grpc.max_receive_message_length", MOST_BYTES),
    ("grpc.so_reuseport", 0),  # a port that somebody else listens at is not shared, it is an error
)
_MOST_AT_ONCE = 64  # calls; more are answered RESOURCE_EXHAUSTED
_LAST_MOMENT = 1.0  # seconds for calls under way when it stops
_BUSY = grpc.StatusCode.UNAVAILABLE, "more telemetry than can be stored; some was shed"
Export = Callable[[bytes, "grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[bytes]]


class GrpcReceiver:
    """Listens at ``host`` and ``port`` (0: a free one). token: what a caller from elsewhere must show, as over HTTP."""

    def __init__(self, intake: Intake, host: str, port: int = 0, *, token: str = "") -> None:
        self._intake = intake
        self._host = host
        self._port = port
        self._token = token
        self._server: grpc.aio.Server | None = None

    @property
    def address(self) -> str:
        """``127.0.0.1:4317``; empty where it does not run."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return "" if self._server is None else f"{host}:{self._port}"

    async def start(self) -> None:
        """Listens. OSError if the port is taken."""
        server = grpc.aio.server(options=_OPTIONS, maximum_concurrent_rpcs=_MOST_AT_ONCE)
        handlers = (
            grpc.method_handlers_generic_handler(
                name, {"Export": grpc.unary_unary_rpc_method_handler(self._taking(read))}
            )
            for name, read in _SERVICES.items()
        )
        server.add_generic_rpc_handlers(tuple(handlers))
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            self._port = server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError as error:
            raise OSError(f"cannot listen for OTLP over gRPC at {host}:{self._port}; name another port") from error
        await server.start()
        self._server = server

    async def stop(self) -> None:
        """Calls that are under way have a moment."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(_LAST_MOMENT)

    def _taking(self, read: Callable[[bytes], Batch]) -> Export:
        async def export(body: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            if not self._may(context):
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "show the token: authorization: Bearer …")
            with self._intake.admitted() as room:
                refusal = await self._take(read, body) if room else _BUSY
            if refusal is not None:
                await context.abort(*refusal)
            return b""  # an Export...Response that says that all was taken

        return export

    async def _take(self, read: Callable[[bytes], Batch], body: bytes) -> tuple[grpc.StatusCode, str] | None:
        """None if it is taken; else why not."""
        try:
            batch = await asyncio.to_thread(read, body) if len(body) > LARGE else read(body)
        except Malformed as error:
            return grpc.StatusCode.INVALID_ARGUMENT, " ".join(str(error).split())
        if not self._intake.offer(batch):
            return _BUSY
        return None

    def _may(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> bool:
        if _from_here(context.peer()):
            return True
        shown = dict(context.invocation_metadata() or ()).get("authorization", "")
        text = shown.decode("latin-1") if isinstance(shown, bytes) else shown
        return bool(self._token) and hmac.compare_digest(text.removeprefix("Bearer ").encode(), self._token.encode())


def _from_here(peer: str) -> bool:
    """``ipv4:127.0.0.1:5000`` or ``ipv6:[::1]:5000``, its brackets perhaps as %5B and %5D."""
    kind, _, place = peer.partition(":")
    host = place.rpartition(":")[0].replace("%5B", "").replace("%5D", "")
    return kind in {"ipv4", "ipv6"} and loopback(host)
