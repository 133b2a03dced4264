"""`Export`: sends what has gathered to an OTLP collector, in batches, from one task; nobody ever waits for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from atoll.service.lifecycle import end
from atoll.telemetry.metrics import Metrics
from atoll.telemetry.otlp_logs import LogQueue, encode_logs
from atoll.telemetry.otlp_metrics import encode_metrics
from atoll.telemetry.otlp_spans import encode_resource, encode_spans
from atoll.telemetry.settings import TelemetrySettings
from atoll.telemetry.tracer import SpanQueue

log = logging.getLogger("atoll.telemetry")
Send = Callable[[str, Mapping[str, str], bytes, float], Awaitable[int]]
"""POSTs a body to a URL with these headers within so many seconds; the status. It may raise whatever it likes."""
LOOK_EVERY = 0.1  # seconds between two looks at how full the queues are
LAST_MOMENT = 2.0  # seconds for the last batches when the service stops
_AGAIN = frozenset({429, 502, 503, 504})  # OTLP/HTTP: these may be repeated
_OK = range(200, 300)


class Export:
    """A `Component`. spans, logs, metrics: what it takes from. A collector that is away costs memory up to the queues' limits."""

    def __init__(
        self, settings: TelemetrySettings, send: Send, *, spans: SpanQueue, logs: LogQueue, metrics: Metrics
    ) -> None:
        self._settings = settings
        self._send = send
        self._spans = spans
        self._logs = logs
        self._metrics = metrics
        self._resource = encode_resource(dict(settings.resource))
        self._headers = {**settings.headers, "content-type": "application/x-protobuf"}
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._told: set[str] = set()
        self.lost = 0

    async def start(self) -> None:
        """Begins."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name="telemetry: export")

    async def stop(self) -> None:
        """Sends what is left, as far as the collector takes it in a moment."""
        self._stopping.set()
        if self._task is None:
            return
        task, self._task = self._task, None
        try:
            await asyncio.wait([task], timeout=self._settings.timeout)
            async with asyncio.timeout(LAST_MOMENT):
                await self._flush()
        except TimeoutError:
            self._tell("stop", "the collector did not take the last of the telemetry in time")
        finally:
            await end(task)

    async def _run(self) -> None:
        due, metrics_due = monotonic() + self._settings.schedule, monotonic() + self._settings.metrics_interval
        while not self._stopping.is_set():
            await self._pause()
            now = monotonic()
            if now >= due or self._full():
                due = now + self._settings.schedule
                await self._send_spans_and_logs()
            if now >= metrics_due:
                metrics_due = now + self._settings.metrics_interval
                await self._send_metrics()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(min(LOOK_EVERY, self._settings.schedule)):
                await self._stopping.wait()
        except TimeoutError:
            return

    def _full(self) -> bool:
        return len(self._spans) >= self._settings.batch or len(self._logs) >= self._settings.batch

    async def _flush(self) -> None:
        await self._send_spans_and_logs()
        await self._send_metrics()

    async def _send_spans_and_logs(self) -> None:
        batch = self._settings.batch
        while spans := self._spans.take(batch):
            if not await self._post("traces", encode_spans(self._resource, spans), len(spans)):
                break
        while records := self._logs.take(batch):
            if not await self._post("logs", encode_logs(self._resource, records), len(records)):
                break
        if self._spans.dropped or self._logs.dropped:
            self._tell("dropped", "telemetry is dropped: it comes faster than the collector takes it")

    async def _send_metrics(self) -> None:
        if "metrics" in self._settings.urls:
            await self._post("metrics", encode_metrics(self._resource, self._metrics), 0)

    async def _post(self, signal: str, body: bytes, count: int) -> bool:
        """Whether the collector took it; what it did not take, it does not get again."""
        url = self._settings.urls.get(signal)
        if url is None:
            return True
        try:
            status = await self._send(url, self._headers, body, self._settings.timeout)
        except Exception as error:  # whatever a client raises: telemetry is worth no trouble to what it tells about
            self._lose(signal, count, f"{type(error).__name__}: {error}".splitlines()[0][:200])
            return False
        if status not in _OK:
            self._lose(signal, count, f"it answered {status}")
            return status not in _AGAIN
        self._told.discard(signal)
        return True

    def _lose(self, signal: str, count: int, why: str) -> None:
        self.lost += count
        self._tell(signal, f"the collector does not take {signal}: {why}; what it misses is counted, and lost")

    def _tell(self, what: str, line: str) -> None:
        """Once, until it is well again."""
        if what not in self._told:
            self._told.add(what)
            log.warning("%s", line)
