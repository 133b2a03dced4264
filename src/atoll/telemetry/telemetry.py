"""`Telemetry`: what one process tells of itself, put together from its settings."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

from atoll.service.lifecycle import end
from atoll.service.tracing import current_tracer
from atoll.telemetry.export import Export, Send
from atoll.telemetry.exposition import page
from atoll.telemetry.metrics import Metrics
from atoll.telemetry.otlp_logs import LogQueue
from atoll.telemetry.process import ProcessMetrics
from atoll.telemetry.sampling import sampler
from atoll.telemetry.settings import TelemetrySettings
from atoll.telemetry.tracer import OtlpTracer, SpanQueue

log = logging.getLogger("atoll.telemetry")
SURVEY_EVERY = 5.0  # seconds between two questions to the database about backlogs
SURVEY_TIMEOUT = 2.0  # seconds
Survey = Callable[[], Awaitable[None]]
"""Asks something that is away from this process, and sets gauges by the answer."""


class Telemetry:
    """A `Component`. send: carries batches to the collector. Disabled, it does nothing, and `tracer` is None.

    metrics: add your own instruments to it. tracer: begins traces; `activate` makes it the one of all tasks begun from here.
    """

    def __init__(self, settings: TelemetrySettings, send: Send) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.spans = SpanQueue(settings.queue)
        self.logs = LogQueue(settings.log_queue)
        queue = self.spans if "traces" in settings.urls else None
        sample = sampler(settings.sampler, settings.ratio)
        self.tracer = (
            None if settings.disabled else OtlpTracer(self.metrics, queue, sample=sample, keeping=settings.keeping)
        )
        self._process = ProcessMetrics(self.metrics)
        self._export = Export(settings, send, spans=self.spans, logs=self.logs, metrics=self.metrics)
        self._surveys: list[Survey] = []
        self._task: asyncio.Task[None] | None = None
        self._count_losses()

    def activate(self) -> None:
        """From here on, this task and those that it begins are traced; so are libraries that use OpenTelemetry's API."""
        current_tracer.set(self.tracer)
        if self.tracer is not None and "opentelemetry.trace" in sys.modules:  # somebody here uses it
            from atoll.telemetry.opentelemetry import install

            install()

    def page(self, accept: str) -> tuple[str, bytes]:
        """Content type and body of ``/metrics``."""
        return page(self.metrics, accept)

    def survey(self, ask: Survey) -> None:
        """Asks this every few seconds, from now on."""
        self._surveys.append(ask)

    async def start(self) -> None:
        """Begins to measure, and to send if there is an endpoint."""
        if self.settings.disabled:
            return
        await self._process.start()
        if self.settings.urls:
            await self._export.start()
        if "logs" in self.settings.urls:
            logging.getLogger().addHandler(self.logs)
        self._task = asyncio.create_task(self._ask(), name="telemetry: surveys")

    async def stop(self) -> None:
        """Sends what is left, for a moment."""
        await end(self._task)
        self._task = None
        logging.getLogger().removeHandler(self.logs)
        await self._process.stop()
        if self.settings.urls and not self.settings.disabled:
            await self._export.stop()

    async def _ask(self) -> None:
        while True:
            for ask in self._surveys:
                try:
                    async with asyncio.timeout(SURVEY_TIMEOUT):
                        await ask()
                except Exception as error:  # what is asked may be away in any way; the gauges keep their last value
                    log.debug("a survey got no answer: %s", error)
            await asyncio.sleep(SURVEY_EVERY)

    def _count_losses(self) -> None:
        about = "Telemetry that was dropped because nobody took it."
        for signal, lost in (
            ("spans", lambda: float(self.spans.dropped)),
            ("logs", lambda: float(self.logs.dropped)),
            ("batches", lambda: float(self._export.lost)),
        ):
            self.metrics.gauge("atoll.telemetry.dropped", about, {"signal": signal}, read=lost)
